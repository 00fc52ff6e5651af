using Mesh.Model.Yaml;

namespace Mesh.Model.Validation.Rules;

/// <summary>Hosts written as namespace/name, in Gateway servers and Sidecar egress.</summary>
internal static class NamespacedHosts
{
    public static void Check(string host, bool isGateway, Node? at, Report report)
    {
        var slash = host.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0)
        {
            if (isGateway) CheckName(host, isGateway, at, report);
            else report.Error("host must be of form namespace/dnsName", at);
            return;
        }

        var (space, name) = (host[..slash], host[(slash + 1)..]);
        if (space.Length == 0 || name.Length == 0) report.Error("config namespace and dnsName in host entry cannot be empty", at);

        if (isGateway)
        {
            if (space is not ("*" or ".") && !Names.IsLabel(space)) report.Error($"invalid namespace value \"{space}\" in gateway", at);
        }
        else
        {
            var bare = space.StartsWith('~') ? space[1..] : space; // ~ns leaves a namespace out
            if (bare is not ("" or "*" or ".") && !Names.IsLabel(bare)) report.Error($"invalid namespace value \"{space}\" in sidecar", at);
        }
        CheckName(name, isGateway, at, report);
    }

    private static void CheckName(string name, bool isGateway, Node? at, Report report)
    {
        if (name != "*" && !name.Contains('.')) report.Error("short names (non FQDN) are not allowed", at);
        if (Names.WildcardDomain(name) is { } problem)
        {
            // Istio says it twice for a Sidecar, and for a Gateway only when it is no address either.
            if (!isGateway) report.Error(problem, at);
            if (!Names.IsIp(name)) report.Error(problem, at);
        }
        report.Error(Names.PartialWildcard(name), at);
    }
}
