using Mesh.Model.Yaml;

namespace Mesh.Model.Validation.Rules;

/// <summary>Is this VirtualService sound? Hosts, gateways, and each route of the three protocols.</summary>
internal static class VirtualServices
{
    private const string MeshGateway = "mesh";

    public static void Check(Resource resource, Message spec, Report report)
    {
        var hosts = spec.Texts("hosts");
        var gateways = spec.Texts("gateways");
        var isDelegate = hosts.Count == 0;
        if (isDelegate) CheckDelegate(spec, report);

        GatewayNames(spec, report);
        var isAtGateway = gateways.Count > 0 && !gateways.Contains(MeshGateway);
        if (!isAtGateway) CheckClaimRoutes(spec, report);
        CheckHosts(spec, isAtGateway, report);

        var (http, tls, tcp) = (spec.Children("http"), spec.Children("tls"), spec.Children("tcp"));
        if (http.Count == 0 && tcp.Count == 0 && tls.Count == 0) report.Error("http, tcp or tls must be provided in virtual service", spec.Source);

        foreach (var route in http) HttpRoutes.Check(route, isDelegate, report);
        foreach (var route in tls) CheckTls(route, spec, report);
        foreach (var route in tcp) CheckTcp(route, report);
        Selectors.CheckExportTo(spec, resource.Namespace, report);

        UnreachableRules.CheckHttp(http, report);
        UnreachableRules.Check(tcp, report);
        UnreachableRules.Check(tls, report);
    }

    /// <summary>Names in <c>gateways</c>: namespace/name, or a bare or dotted name, which ends the check of the rest as in Istio.</summary>
    /// <param name="warnings">False inside HTTP and TCP matches, whose warnings Istio drops.</param>
    public static void GatewayNames(Message message, Report report, bool warnings = true)
    {
        var at = message.At("gateways");
        foreach (var name in message.Texts("gateways"))
        {
            var slash = name.IndexOf('/', StringComparison.Ordinal);
            if (slash < 0)
            {
                var parts = name.Split('.');
                if (parts.Length > 1 && warnings)
                    report.Warn($"using legacy gatewayName format \"{name}\"; prefer the <namespace>/<name> format: \"{parts[1]}/{parts[0]}\"", at);
                report.Error(Names.Fqdn(name), at);
                return;
            }

            var (space, gateway) = (name[..slash], name[(slash + 1)..]);
            if (space.Length == 0 || gateway.Length == 0) report.Error("config namespace and gateway name cannot be empty", at);
            if (!Names.IsLabel(space)) report.Error($"invalid value for namespace: \"{space}\"", at);
            if (!Names.IsLabel(gateway)) report.Error($"invalid value for gateway name: \"{gateway}\"", at);
        }
    }

    private static void CheckDelegate(Message spec, Report report)
    {
        if (spec.Has("gateways")) report.Error("delegate virtual service must have no gateways specified", spec.At("gateways"));
        if (spec.Has("tls")) report.Error("delegate virtual service must have no tls route specified", spec.At("tls"));
        if (spec.Has("tcp")) report.Error("delegate virtual service must have no tcp route specified", spec.At("tcp"));
    }

    private static void CheckClaimRoutes(Message spec, Report report)
    {
        foreach (var match in spec.Children("http").SelectMany(route => route.Children("match")))
            foreach (var (key, _) in match.Map("headers").Concat(match.Map("withoutHeaders")))
                if (HeaderNames.IsJwtClaim(key))
                    report.Error($"JWT claim based routing (key: {key}) is only supported for gateway, found no gateways: [{string.Join(' ', spec.Texts("gateways"))}]", match.Source);
    }

    private static void CheckHosts(Message spec, bool isAtGateway, Report report)
    {
        var hosts = spec.Texts("hosts");
        var list = spec.At("hosts") as ListNode;
        var matchesSni = spec.Children("tls").SelectMany(t => t.Children("match")).Any(m => m.Has("sniHosts"));
        var allValid = true;
        for (var i = 0; i < hosts.Count; i++)
        {
            var (host, at) = (hosts[i], list?.Items[i]);
            var problem = isAtGateway ? Names.WildcardDomainAtGateway(matchesSni, host) : Names.WildcardDomain(host);
            if (problem is null && !isAtGateway && host == "*") problem = "wildcard host * is not allowed for virtual services bound to the mesh gateway";
            if (problem is null || Names.IsIp(host)) continue;

            report.Error(problem, at);
            allValid = false;
        }
        if (!allValid) return;

        foreach (var (first, second) in HostOverlaps.Find(hosts))
            report.Error($"duplicate hosts in virtual service: {hosts[first]} & {hosts[second]}", list?.Items[second]);
    }

    private static void CheckTls(Message route, Message spec, Report report)
    {
        if (!route.Has("match")) report.Error("TLS route must have at least one match condition", route.Source);
        foreach (var match in route.Children("match"))
        {
            if (!match.Has("sniHosts")) report.Error("TLS match must have at least one SNI host", match.Source);
            foreach (var sni in match.Texts("sniHosts")) CheckSni(sni, spec, match, report);
            CheckConnectionMatch(match, report);
        }
        if (!route.Has("route")) report.Error("TLS route is required", route.Source);
        HttpRoutes.CheckDestinations(route.Children("route"), report);
    }

    private static void CheckSni(string sni, Message spec, Message match, Report report)
    {
        var at = match.At("sniHosts");
        var problem = spec.Texts("gateways").Contains(MeshGateway) ? Names.WildcardDomain(sni) : Names.WildcardDomainAtGateway(true, sni);
        if (problem is not null)
        {
            if (Names.IsIp(sni)) report.Warn($"using an IP address (\"{sni}\") goes against SNI spec and most clients do not support this", at);
            else report.Error(problem, at);
            return;
        }
        var hosts = spec.Texts("hosts");
        if (!hosts.Any(host => Names.Covers(host, sni)))
            report.Error($"SNI host \"{sni}\" is not a compatible subset of any of the virtual service hosts: [{string.Join(", ", hosts)}]", at);
    }

    private static void CheckTcp(Message route, Report report)
    {
        foreach (var match in route.Children("match")) CheckConnectionMatch(match, report, warnings: false);
        if (!route.Has("route")) report.Error("TCP route is required", route.Source);
        HttpRoutes.CheckDestinations(route.Children("route"), report);
    }

    private static void CheckConnectionMatch(Message match, Report report, bool warnings = true)
    {
        foreach (var subnet in match.Texts("destinationSubnets")) report.Error(Names.Subnet(subnet), match.At("destinationSubnets"));
        if (match.Has("port")) report.Error(Names.Port(match.Number("port")), match.At("port"));
        Selectors.CheckLabelMap(match, "sourceLabels", report);
        GatewayNames(match, report, warnings);
    }
}
