using System.Globalization;

namespace Mesh.Model.Validation.Rules;

/// <summary>A Sidecar: what its workloads listen on and what they may see.</summary>
internal static class Sidecars
{
    private const string Unix = "unix://";

    public static void Check(Resource resource, Message spec, Report report)
    {
        if (!Selectors.CheckWorkloadSelector(spec.Child("workloadSelector"), "sidecar", report)) return;
        if (!spec.Has("egress") && !spec.Has("ingress") && !spec.Has("outboundTrafficPolicy") && !spec.Has("inboundConnectionPool"))
        {
            report.Error("sidecar: empty configuration provided", spec.Source);
            return;
        }

        CheckIngress(spec, report);
        TrafficPolicies.CheckConnectionPool(spec.Child("inboundConnectionPool"), report);
        CheckEgress(resource, spec, report);
        CheckOutbound(spec.Child("outboundTrafficPolicy"), report);
    }

    private static void CheckIngress(Message spec, Report report)
    {
        var ports = new HashSet<long>();
        foreach (var listener in spec.Children("ingress"))
        {
            if (listener.Child("port") is not { } port)
            {
                report.Error("sidecar: port is required for ingress listeners", listener.Source);
                continue;
            }
            if (port.Number("targetPort") > 0) report.Error("targetPort has no impact on Sidecars", port.At("targetPort"));
            CheckPort(port, report);
            report.Error(Names.Port(port.Number("number")), port.At("number"));
            if (listener.Has("bind")) report.Error(Names.Ip(listener.Text("bind")), listener.At("bind"));
            if (!ports.Add(port.Number("number"))) report.Error("sidecar: ports on IP bound listeners must be unique", port.At("number"));
            CheckDefaultEndpoint(listener, report);
            CheckIngressTls(listener, port, report);

            TrafficPolicies.CheckConnectionPool(listener.Child("connectionPool"), report);
            var protocol = port.Text("protocol");
            if (listener.Child("connectionPool")?.Has("http") == true && !Protocols.Parse(protocol).IsHttp())
                report.Warn($"sidecar: HTTP connection pool settings are configured for port {port.Number("number")} (\"{port.Text("name")}\") "
                    + $"but its protocol is not HTTP ({protocol}); only TCP settings will apply", listener.At("connectionPool"));
        }
    }

    private static void CheckDefaultEndpoint(Message listener, Report report)
    {
        var endpoint = listener.Text("defaultEndpoint");
        var at = listener.At("defaultEndpoint");
        if (endpoint.Length == 0) return;
        if (endpoint.StartsWith(Unix, StringComparison.Ordinal))
        {
            report.Error(Names.UnixAddress(endpoint[Unix.Length..]), at);
            return;
        }

        report.Error(HostPort.Split(endpoint, out var host, out var port), at);
        if (host is not ("" or "127.0.0.1" or "0.0.0.0" or "::1" or "::"))
            report.Error("sidecar: defaultEndpoint must be of form 127.0.0.1:<port>,0.0.0.0:<port>,[::1]:port,[::]:port,unix://filepath or unset", at);
        if (!int.TryParse(port, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
            report.Error($"sidecar: defaultEndpoint port ({port}) is not a number: {HostPort.AtoiProblem(port)}", at);
        else
            report.Error(Names.Port(number), at);
    }

    private static void CheckIngressTls(Message listener, Message port, Report report)
    {
        if (listener.Child("tls") is not { } tls) return;

        if (tls.Has("subjectAltNames")) report.Error("sidecar: subjectAltNames is not supported in ingress tls", tls.At("subjectAltNames"));
        if (tls.Is("httpsRedirect")) report.Error("sidecar: httpsRedirect is not supported", tls.At("httpsRedirect"));
        if (tls.Has("credentialName")) report.Error("sidecar: credentialName is not currently supported", tls.At("credentialName"));
        if (tls.Has("credentialNames")) report.Error("sidecar: credentialNames is not currently supported", tls.At("credentialNames"));
        if (tls.Has("tlsCertificates")) report.Error("sidecar: tls_certificates is not currently supported", tls.At("tlsCertificates"));
        if (tls.Enum("mode") is "ISTIO_MUTUAL" or "AUTO_PASSTHROUGH")
            report.Error($"configuration is invalid: cannot set mode to {tls.Enum("mode")} in sidecar ingress tls", tls.At("mode"));
        if (!Protocols.Parse(port.Text("protocol")).IsTls()) report.Error("server cannot have TLS settings for non HTTPS/TLS ports", tls.Source);
        Gateways.CheckTls(tls, report);
    }

    private static void CheckEgress(Resource resource, Message spec, Report report)
    {
        var listeners = spec.Children("egress");
        var (ports, sockets, catchAllSeen) = (new HashSet<long>(), new HashSet<string>(), false);
        for (var i = 0; i < listeners.Count; i++)
        {
            var listener = listeners[i];
            if (listener.Child("port") is not { } port)
            {
                if (catchAllSeen)
                {
                    report.Error("sidecar: egress can have only one listener with empty port", listener.Source);
                    continue;
                }
                if (i == listeners.Count - 1) catchAllSeen = true;
                else report.Error("sidecar: the egress listener with empty port should be the last listener in the list", listener.Source);
            }
            else
            {
                CheckEgressPort(listener, port, report);
                var number = port.Number("number");
                if (number == 0 && !sockets.Add(listener.Text("bind"))) report.Error("sidecar: unix domain socket values for listeners must be unique", listener.At("bind"));
                if (number != 0 && !ports.Add(number)) report.Error("sidecar: ports on IP bound listeners must be unique", port.At("number"));
            }

            if (!listener.Has("hosts")) report.Error("sidecar: egress listener must contain at least one host", listener.Source);
            else CheckEgressHosts(resource, listener, report);
        }
    }

    private static void CheckEgressPort(Message listener, Message port, Report report)
    {
        if (port.Number("targetPort") > 0) report.Error("targetPort has no impact on Sidecars", port.At("targetPort"));
        CheckPort(port, report);

        var bind = listener.Text("bind");
        if (port.Number("number") != 0)
        {
            report.Error(Names.Port(port.Number("number")), port.At("number"));
            if (bind.Length > 0) report.Error(Names.Ip(bind), listener.At("bind"));
            return;
        }
        report.Error(bind.StartsWith(Unix, StringComparison.Ordinal)
            ? Names.UnixAddress(bind[Unix.Length..])
            : "sidecar: ports with 0 value must have a unix domain socket bind address", listener.At("bind"));
        if (listener.Enum("captureMode") is not ("DEFAULT" or "NONE"))
            report.Error("sidecar: captureMode must be DEFAULT/NONE for unix domain socket listeners", listener.At("captureMode"));
    }

    private static void CheckEgressHosts(Resource resource, Message listener, Report report)
    {
        var at = listener.At("hosts");
        var byNamespace = new Dictionary<string, HashSet<string>>();
        foreach (var entry in listener.Texts("hosts"))
        {
            var slash = entry.IndexOf('/', StringComparison.Ordinal);
            if (slash >= 0 && !entry.StartsWith('~'))
            {
                var (space, name) = (entry[..slash] is var s && s == "." ? resource.Namespace : s, entry[(slash + 1)..]);
                if (!byNamespace.TryGetValue(space, out var names)) byNamespace[space] = names = [];
                if (name == "*" ? names.Count > 0 : names.Contains(name) || names.Contains("*")) report.Warn($"duplicated egress host: {entry}", at);
                names.Add(name);
            }
            NamespacedHosts.Check(entry, isGateway: false, at, report);
        }
        if (byNamespace.Count > 1 && byNamespace.TryGetValue("*", out var all) && all.Contains("*"))
            report.Warn("`*/*` host select all resources, no other hosts can be added", at);
    }

    private static void CheckOutbound(Message? policy, Report report)
    {
        if (policy?.Child("egressProxy") is not { } proxy) return;
        if (policy.Enum("mode") != "ALLOW_ANY")
        {
            report.Error("sidecar: egress_proxy must be set only with ALLOW_ANY outbound_traffic_policy mode", proxy.Source);
            return;
        }
        report.Error(Names.Fqdn(proxy.Text("host")), proxy.At("host"));
        if (!proxy.Has("port")) report.Error("sidecar: egress_proxy port must be non-nil", proxy.Source);
        else HttpRoutes.CheckDestination(proxy, report);
    }

    private static void CheckPort(Message port, Report report)
    {
        if (port.Text("name") is { Length: > 0 } name) report.Error(Names.PortName(name), port.At("name"));
        report.Error(Protocols.Problem(port.Text("protocol")), port.At("protocol"));
    }
}
