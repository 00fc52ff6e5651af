using Mesh.Model.Yaml;

namespace Mesh.Model.Validation.Rules;

/// <summary>WorkloadEntry and WorkloadGroup, and the endpoints of a ServiceEntry, which have the same shape.</summary>
internal static class Workloads
{
    public static void CheckEntry(Resource resource, Message spec, Report report) => CheckEntry(spec, null, mayBeName: true, report);

    /// <param name="servicePorts">Null when the service is not known.</param>
    public static void CheckEntry(Message entry, HashSet<string>? servicePorts, bool mayBeName, Report report)
    {
        var address = entry.Text("address");
        var isUnix = address.StartsWith("unix://", StringComparison.Ordinal);
        if (address.Length == 0)
        {
            if (!entry.Has("network"))
            {
                report.Error("address is required", entry.Source);
                return;
            }
            report.Warn($"address is unset with network \"{entry.Text("network")}\"", entry.Source);
        }
        else if (isUnix)
        {
            report.Error(Names.UnixAddress(address["unix://".Length..]), entry.At("address"));
            if (entry.Map("ports").Count > 0) report.Error($"unix endpoint {address} must not include ports", entry.At("ports"));
        }
        else if (!Names.IsIp(address))
        {
            if (!mayBeName) report.Error($"endpoint address \"{address}\" is not a valid IP address", entry.At("address"));
            else if (Names.Fqdn(address) is not null) report.Error($"endpoint address \"{address}\" is not a valid FQDN or an IP address", entry.At("address"));
        }

        CheckPorts(entry, servicePorts, report);
        Selectors.CheckLabelMap(entry, "labels", report);
        if (isUnix && servicePorts is not null && servicePorts.Count != 1) report.Error("exactly 1 service port required for unix endpoints", entry.Source);
    }

    public static void CheckPorts(Message entry, HashSet<string>? servicePorts, Report report)
    {
        foreach (var (name, value) in entry.Map("ports"))
        {
            var at = (entry.At("ports") as MapNode)?[name];
            if (servicePorts?.Contains(name) == false) report.Error($"endpoint port {value} is not defined by the service entry", at);
            report.Error(Names.PortName(name), at);
            report.Error(Names.Port((long)value), at);
        }
    }

    public static void CheckGroup(Resource resource, Message spec, Report report)
    {
        if (!spec.Has("template"))
        {
            report.Error("template is required", spec.Source);
            return;
        }
        if (spec.Child("metadata") is { } metadata && Names.LabelProblems(metadata.TextMap("labels")).ToList() is { Count: > 0 } problems)
        {
            report.Error($"invalid labels: {GoErrors.Several(problems)}", metadata.At("labels"));
            return;
        }
        CheckProbe(spec.Child("probe"), report);
    }

    private static void CheckProbe(Message? probe, Report report)
    {
        if (probe is null) return;

        foreach (var field in (string[])["periodSeconds", "initialDelaySeconds", "timeoutSeconds", "successThreshold", "failureThreshold"])
            if (probe.Number(field) < 0) report.Error($"{field} must be non-negative", probe.At(field));

        switch (probe.Which("health_check_method"))
        {
            case "httpGet":
                var http = probe.Child("httpGet")!;
                report.Error(Names.Port(http.Number("port")), http.At("port"));
                if (http.Text("scheme") is not ("" or "HTTP" or "HTTPS")) report.Error("httpGet.scheme must be one of \"HTTPS\", \"HTTP\"", http.At("scheme"));
                foreach (var header in http.Children("httpHeaders")) report.Error(HeaderNames.ForProbes(header.Text("name")), header.Source);
                break;
            case "tcpSocket":
                report.Error(Names.Port(probe.Child("tcpSocket")!.Number("port")), probe.At("tcpSocket"));
                break;
            case "exec" when !probe.Child("exec")!.Has("command"):
                report.Error("exec.command is required", probe.At("exec"));
                break;
            case "exec":
                break;
            case "grpc": // the probe exists, but Istio's own admission does not know it
                report.Error("unknown health check method *v1alpha3.ReadinessProbe_Grpc", probe.At("grpc"));
                break;
            default:
                report.Error("unknown health check method <nil>", probe.Source);
                break;
        }
    }
}
