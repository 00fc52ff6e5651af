using Mesh.Model.Yaml;

namespace Mesh.Model.Validation.Rules;

/// <summary>A ServiceEntry: hosts, addresses, ports and endpoints, which depend on how it is resolved.</summary>
internal static class ServiceEntries
{
    public static void Check(Resource resource, Message spec, Report report)
    {
        if (!Selectors.CheckWorkloadSelector(spec.Child("workloadSelector"), "service entry", report)) return;

        var resolution = spec.Enum("resolution");
        if (spec.Has("workloadSelector") && spec.Has("endpoints"))
            report.Error("only one of WorkloadSelector or Endpoints is allowed in Service Entry", spec.Source);
        CheckHosts(spec, resolution, report);
        foreach (var address in spec.Texts("addresses")) report.Error(Names.Subnet(address), spec.At("addresses"));
        if (resolution is not ("NONE" or "STATIC") && spec.Texts("addresses").Any(a => a.Contains('/')))
            report.Error("CIDR addresses are allowed only for NONE/STATIC resolution types", spec.At("addresses"));
        CheckPorts(resource, spec, resolution, report);
        CheckResolution(resource, spec, resolution, report);

        if (resolution != "NONE" && spec.Texts("hosts").Count > 1
            && spec.Children("ports").FirstOrDefault(p => Protocols.Parse(p.Text("protocol")) is var protocol && !protocol.IsHttp() && !protocol.IsTls()) is { } plain)
            report.Error("multiple hosts provided with non-HTTP, non-TLS ports", plain.Source); // nothing on the wire tells such hosts apart
        Selectors.CheckExportTo(spec, resource.Namespace, report, mayHide: true);
    }

    private static void CheckHosts(Message spec, string resolution, Report report)
    {
        var hosts = spec.Texts("hosts");
        if (hosts.Count == 0) report.Error("service entry must have at least one host", spec.Source);
        var list = spec.At("hosts") as ListNode;
        for (var i = 0; i < hosts.Count; i++)
        {
            var at = list?.Items[i];
            if (hosts[i] == "*")
            {
                report.Error($"invalid host {hosts[i]}", at);
                continue;
            }
            report.Error(Names.WildcardDomain(hosts[i]), at);
            if (resolution != "DYNAMIC_DNS") report.Warn(Names.PartialWildcard(hosts[i]), at);
        }
    }

    private static void CheckPorts(Resource resource, Message spec, string resolution, Report report)
    {
        var getsAddress = resolution != "NONE" && !string.Equals(resource.Label("networking.istio.io/enable-autoallocate-ip"), "false", StringComparison.OrdinalIgnoreCase);
        var (names, numbers) = (new HashSet<string>(), new HashSet<long>());
        foreach (var port in spec.Children("ports"))
        {
            var (name, number, protocol) = (port.Text("name"), port.Number("number"), port.Text("protocol"));
            if (!names.Add(name)) report.Error($"service entry port name \"{name}\" already defined", port.At("name"));
            if (!numbers.Add(number)) report.Error($"service entry port {number} already defined", port.At("number"));
            if (port.Has("targetPort")) report.Error(Names.Port(port.Number("targetPort")), port.At("targetPort"));
            if (!getsAddress && !spec.Has("addresses") && protocol is "" or "TCP" && !spec.Has("addresses") && !getsAddress)
                report.Warn("addresses are required for ports serving TCP (or unset) protocol when IP Autoallocation is not enabled", port.Source);
            report.Error(Names.PortName(name), port.At("name"));
            report.Error(Protocols.Problem(protocol), port.At("protocol"));
            report.Error(Names.Port(number), port.At("number"));
        }
    }

    private static void CheckResolution(Resource resource, Message spec, string resolution, Report report)
    {
        var endpoints = spec.Children("endpoints");
        var portNames = spec.Children("ports").Select(p => p.Text("name")).ToHashSet();
        switch (resolution)
        {
            case "NONE":
                if (endpoints.Count > 0) report.Error("no endpoints should be provided for resolution type none", spec.At("endpoints"));
                if (spec.Has("workloadSelector")) report.Warn("workloadSelector should not be set when resolution mode is NONE", spec.At("workloadSelector"));
                break;
            case "STATIC":
                foreach (var endpoint in endpoints) Workloads.CheckEntry(endpoint, portNames, mayBeName: false, report);
                break;
            case "DYNAMIC_DNS":
                CheckDynamic(resource, spec, resolution, report);
                break;
            default:
                CheckDns(spec, resolution, endpoints, portNames, report);
                break;
        }
    }

    private static void CheckDns(Message spec, string resolution, IReadOnlyList<Message> endpoints, HashSet<string> portNames, Report report)
    {
        var hosts = spec.Texts("hosts");
        if (endpoints.Count == 0 && hosts.Select(Names.Fqdn).FirstOrDefault(p => p is not null) is { } problem)
            report.Error($"hosts must be FQDN or contain only prefix wildcards if no endpoints are provided for resolution mode {resolution}, {problem}", spec.At("hosts"));
        if (resolution == "DNS_ROUND_ROBIN" && endpoints.Count > 1)
            report.Error($"there must only be 0 or 1 endpoint for resolution mode {resolution}", spec.At("endpoints"));

        foreach (var endpoint in endpoints)
        {
            var address = endpoint.Text("address");
            if (!Names.IsIp(address) && Names.Fqdn(address) is not null)
                report.Error($"endpoint address \"{address}\" is not a valid FQDN or an IP address", endpoint.At("address"));
            Selectors.CheckLabelMap(endpoint, "labels", report);
            Workloads.CheckPorts(endpoint, portNames, report);
        }
        if (spec.Has("addresses") && hosts.Count > 1 && spec.Children("ports").Any(p => Protocols.Parse(p.Text("protocol")).IsTcp()))
            report.Warn("service entry can not have more than one host specified simultaneously with address and tcp port", spec.At("addresses"));
    }

    private static void CheckDynamic(Resource resource, Message spec, string resolution, Report report)
    {
        var hosts = spec.Texts("hosts");
        if (hosts.Count == 0) report.Error($"at least one wildcard host must be provided for resolution type {resolution}", spec.Source);
        foreach (var _ in hosts.Where(h => !h.StartsWith('*'))) report.Error($"host must be wildcarded for resolution mode {resolution}", spec.At("hosts"));
        if (spec.Has("addresses"))
            report.Error($"addresses cannot be set for resolution type {resolution}. HTTP route domains will only be generatedfrom the hosts field values", spec.At("addresses"));
        if (spec.Has("endpoints"))
            report.Error($"endpoints cannot be set for resolution type {resolution}. Destination IP address determined from hostsfield values", spec.At("endpoints"));
        foreach (var port in spec.Children("ports").Where(p => Protocols.Parse(p.Text("protocol")) is not (Protocol.Http or Protocol.Tls or Protocol.Grpc or Protocol.Http2)))
            report.Error($"only HTTP, TLS, GRPC, and HTTP2 protocols are supported for resolution type {resolution}", port.At("protocol"));

        var waypoint = resource.Label("istio.io/use-waypoint");
        if (spec.Enum("location") == "MESH_INTERNAL" && waypoint is { Length: > 0 } && !waypoint.Equals("none", StringComparison.OrdinalIgnoreCase))
            report.Error($"location MESH_INTERNAL with resolution type {resolution} is not supported when using waypoints", spec.At("location"));
    }
}
