using System.Text.RegularExpressions;
using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis;

/// <summary>Hosts that Services and ServiceEntries define, and who may see them.</summary>
internal sealed partial class Hosts
{
    private const string Everyone = "*";
    private readonly Dictionary<string, HostPorts> byScopedName = [];
    private readonly List<(string Scope, string Suffix, HostPorts Host)> wildcards = [];

    public Hosts(ResourceSet resources)
    {
        foreach (var entry in resources.All("ServiceEntry"))
        {
            var spec = entry.Spec!;
            var host = new HostPorts([.. spec.Children("ports").Select(p => p.Number("number"))],
                spec.Child("workloadSelector")?.TextMap("labels").ToDictionary() ?? []);
            foreach (var name in spec.Texts("hosts"))
                foreach (var scope in Scopes(spec.Texts("exportTo"), entry.Namespace)) Add(scope, FullName(entry.Namespace, name), host);
        }
        foreach (var service in resources.Services)
        {
            var host = new HostPorts([.. service.Node.ItemsAt("spec", "ports").Select(p => p.NumberAt("port") ?? 0)], []);
            var exportTo = service.Annotations.GetValueOrDefault("networking.istio.io/exportTo") ?? "";
            var scopes = exportTo.Length == 0 ? [Everyone] : exportTo.Split(',').Select(s => s.Trim()).Select(s => s == "." ? service.Namespace : s);
            foreach (var scope in scopes) Add(scope, FullName(service.Namespace, service.Name), host);
        }
    }

    /// <summary>What a resource of that namespace means by the host; null when nothing it may see defines it.</summary>
    public HostPorts? Find(string space, IReadOnlyList<string> exportTo, string host)
    {
        var name = FullName(space, host);
        if (byScopedName.TryGetValue($"{Everyone}/{name}", out var found)) return found;
        foreach (var scope in exportTo.Count == 0 ? [space] : exportTo.Select(e => e == "." ? space : e))
            if (byScopedName.TryGetValue($"{scope}/{name}", out found)) return found;

        var bare = host.TrimStart('*');
        foreach (var (scope, suffix, known) in wildcards)
            if ((scope == Everyone || scope == space) && bare.EndsWith(suffix, StringComparison.Ordinal)) return known;
        return null;
    }

    /// <summary>A short name is completed with the namespace; dots and stars leave it as it is.</summary>
    public static string FullName(string space, string host) => host.StartsWith('*') || host.Contains('.') ? host : $"{host}.{space}.svc.cluster.local";

    /// <summary>namespace/name of the service a host means, by its full form or as a short name.</summary>
    public static string ServiceName(string space, string host) =>
        ClusterName().Match(host) is { Success: true } match ? $"{match.Groups[2].Value}/{match.Groups[1].Value}" : $"{space}/{host}";

    public static IReadOnlyCollection<string> Scopes(IReadOnlyList<string> exportTo, string space) =>
        exportTo.Count == 0 || exportTo.Contains(Everyone) ? [Everyone] : exportTo.Select(e => e == "." ? space : e).ToHashSet();

    private void Add(string scope, string name, HostPorts host)
    {
        byScopedName[$"{scope}/{name}"] = host;
        if (name.StartsWith('*')) wildcards.Add((scope, name[1..], host));
    }

    [GeneratedRegex(@"^(.+)\.(.+)\.svc\.cluster\.local$")]
    private static partial Regex ClusterName();
}

/// <summary>The ports a host serves, and which pods stand behind it when it says so itself.</summary>
internal sealed record HostPorts(IReadOnlyList<long> Ports, Dictionary<string, string> WorkloadLabels);
