using Envoy.Config.Route.V3;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Mesh.Model.Translate;
using Mesh.Xds;

namespace Mesh.ControlPlane.Serve;

/// <summary>What one proxy has been given, as Envoy's own JSON: for debug pages and tools.</summary>
internal sealed class ProxyDump(WorldFeed feed, Translator translator)
{
    private readonly JsonFormatter formatter = new(JsonFormatter.Settings.Default.WithTypeRegistry(Registry()));

    /// <summary>Resources of one type as JSON texts by name; null when there is no World yet or nobody has introduced itself.</summary>
    public IReadOnlyList<(string Name, string Version, string Json)>? Resources(ProxyStream stream, string typeUrl)
    {
        if (feed.Current is not { } now || stream.Proxy is not { } proxy) return null;
        if (typeUrl == TypeUrl.Secret) return [];

        var configuration = translator.For(now.World, proxy);
        var hosts = typeUrl == TypeUrl.Routes ? configuration.VirtualHosts.All.ToLookup(host => TypeUrl.CollectionOf(host.Name)) : null;
        return [.. configuration.Of(typeUrl).All.Select(r => (r.Name, r.Version, Json(hosts is null ? r : WithHosts(r, hosts[r.Name]))))];
    }

    /// <summary>A route table with the hosts that are sent one by one.</summary>
    private static NamedResource WithHosts(NamedResource table, IEnumerable<NamedResource> hosts)
    {
        var whole = RouteConfiguration.Parser.ParseFrom(table.Body);
        foreach (var host in hosts) whole.VirtualHosts.Add(VirtualHost.Parser.ParseFrom(host.Body));
        return NamedResource.Of(table.Name, whole);
    }

    private string Json(NamedResource resource)
    {
        try
        {
            return formatter.Format(resource.ToAny());
        }
        catch (InvalidOperationException e)
        {
            // A type inside that we do not know, brought in by an EnvoyFilter.
            return System.Text.Json.JsonSerializer.Serialize(new Dictionary<string, string> { ["@type"] = resource.TypeUrl, ["error"] = e.Message });
        }
    }

    private static TypeRegistry Registry() => TypeRegistry.FromFiles(XdsFiles.All());
}
