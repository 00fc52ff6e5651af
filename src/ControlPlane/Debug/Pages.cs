using System.Text.Json;
using Mesh.ControlPlane.Serve;
using Mesh.Model.World;
using Mesh.Xds;

namespace Mesh.ControlPlane.Debug;

/// <summary>The bodies of the debug pages. Names of fields are istiod's where it has such a page.</summary>
internal static class Pages
{
    private static readonly (string Name, string About)[] All =
    [
        ("adsz", "Connected proxies and what they watch"),
        ("authorizationz", "Policies of authentication and authorization in force"),
        ("ca", "The certificate authority: roots, issuers, a change under way"),
        ("config_dump", "Configuration of one proxy, as its own admin page would show it; ?proxyID=NAME.NAMESPACE"),
        ("configz", "All resources in force, and where each comes from"),
        ("connections", "Connected proxies"),
        ("edsz", "Endpoints of one proxy; ?proxyID=NAME.NAMESPACE"),
        ("endpointShardz", "Endpoints of all services"),
        ("endpointz", "The same"),
        ("gatewayz", "Statuses of Gateway API objects"),
        ("list", "These pages, as JSON"),
        ("ndsz", "Names of one proxy's DNS; ?proxyID=NAME.NAMESPACE"),
        ("refused", "Resources and parts of them that are not in force, and why"),
        ("registryz", "All services"),
        ("resourcesz", "Kinds in force, and how many of each"),
        ("settled", "Whether every proxy has the newest configuration"),
        ("syncz", "What was sent to each proxy, and what it took"),
        ("telemetryz", "Telemetry resources in force"),
    ];

    // Istio's names in /debug/syncz.
    private static readonly (string TypeUrl, string Field)[] Synced =
        [(TypeUrl.Cluster, "cluster"), (TypeUrl.Listener, "listener"), (TypeUrl.Routes, "route"), (TypeUrl.Endpoints, "endpoint"), (TypeUrl.Extension, "extensionconfig")];

    public static void List(Utf8JsonWriter w)
    {
        w.WriteStartArray();
        foreach (var (name, _) in All) w.WriteStringValue($"/debug/{name}");
        w.WriteEndArray();
    }

    /// <summary>A page with a link to each, for people.</summary>
    public static string Index() => $"""
        <!doctype html><html lang="en"><meta charset="utf-8"><title>Debug pages of the control plane</title><h1>Debug pages of the control plane</h1>
        <table>{string.Concat(All.Select(page => $"<tr><td><a href=\"/debug/{page.Name}\">{page.Name}</a></td><td>{page.About}</td></tr>"))}</table></html>

        """;

    public static void Syncz(Utf8JsonWriter w, ProxyStreams streams, Options options)
    {
        w.WriteStartArray();
        foreach (var stream in streams.All)
        {
            w.WriteStartObject();
            w.WriteString("cluster_id", stream.Node!.ClusterId.Length > 0 ? stream.Node.ClusterId : options.ClusterId);
            w.WriteString("proxy", stream.Id);
            w.WriteString("proxy_type", stream.Proxy!.IsGateway ? "router" : "sidecar");
            w.WriteString("proxy_version", stream.Node.IstioVersion);
            w.WriteString("istio_version", stream.Node.IstioVersion);
            var states = stream.States();
            foreach (var (type, field) in Synced)
            {
                var state = states.FirstOrDefault(s => s.TypeUrl == type);
                if (state is null) continue;
                w.WriteString($"{field}_sent", state.NonceSent);
                w.WriteString($"{field}_acked", state.NonceAcked);
                if (state.Error is not null) w.WriteString($"{field}_error", state.Error);
            }
            w.WriteEndObject();
        }
        w.WriteEndArray();
    }

    public static void Connections(Utf8JsonWriter w, ProxyStreams streams) => Streams(w, streams, "clients", withWatches: false);

    public static void Adsz(Utf8JsonWriter w, ProxyStreams streams) => Streams(w, streams, "connections", withWatches: true);

    public static void Registryz(Utf8JsonWriter w, World? world)
    {
        w.WriteStartArray();
        foreach (var service in world?.Registry.Services ?? [])
        {
            w.WriteStartObject();
            w.WriteString("hostname", service.Host);
            w.WriteStartArray("ports");
            foreach (var port in service.Ports)
            {
                w.WriteStartObject();
                w.WriteString("name", port.Name);
                w.WriteNumber("port", port.Number);
                w.WriteString("protocol", $"{port.Protocol}");
                w.WriteEndObject();
            }
            w.WriteEndArray();
            w.WriteStartObject("Attributes");
            w.WriteString("Name", service.Name);
            w.WriteString("Namespace", service.Namespace);
            w.WriteEndObject();
            w.WriteEndObject();
        }
        w.WriteEndArray();
    }

    public static void Endpointz(Utf8JsonWriter w, World? world)
    {
        w.WriteStartArray();
        foreach (var service in world?.Registry.Services ?? [])
        {
            foreach (var port in service.Ports)
            {
                w.WriteStartObject();
                w.WriteString("svc", $"{service.Host}:{port.Name}");
                w.WriteStartArray("ep");
                foreach (var endpoint in world!.EndpointsOf(service).For(port.Number))
                {
                    w.WriteStartObject();
                    w.WriteString("address", endpoint.Address);
                    w.WriteNumber("port", endpoint.Port);
                    w.WriteString("serviceAccount", endpoint.ServiceAccount);
                    w.WriteEndObject();
                }
                w.WriteEndArray();
                w.WriteEndObject();
            }
        }
        w.WriteEndArray();
    }

    public static void Resourcesz(Utf8JsonWriter w, World? world)
    {
        w.WriteStartObject();
        foreach (var kind in (world?.Resources ?? []).GroupBy(resource => resource.Meta.Kind).OrderBy(kind => kind.Key, StringComparer.Ordinal)) w.WriteNumber(kind.Key, kind.Count());
        w.WriteEndObject();
    }

    /// <param name="kinds">Only these; all where none is named.</param>
    public static void Configz(Utf8JsonWriter w, World? world, params string[] kinds)
    {
        w.WriteStartArray();
        foreach (var resource in (world?.Resources ?? []).Where(resource => kinds.Length == 0 || kinds.Contains(resource.Meta.Kind)))
        {
            var meta = resource.Meta;
            w.WriteStartObject();
            w.WriteString("kind", meta.Kind);
            w.WriteString("apiVersion", meta.Group.Length > 0 ? $"{meta.Group}/{meta.Version}" : meta.Version);
            w.WriteStartObject("metadata");
            w.WriteString("name", meta.Name);
            if (meta.Namespace.Length > 0) w.WriteString("namespace", meta.Namespace);
            if (meta.ResourceVersion.Length > 0) w.WriteString("resourceVersion", meta.ResourceVersion);
            w.WriteString("creationTimestamp", $"{meta.Created:yyyy-MM-dd'T'HH:mm:ss'Z'}");
            w.WriteEndObject();
            w.WriteString("source", meta.Origin.ToString());
            w.WriteEndObject();
        }
        w.WriteEndArray();
    }

    /// <summary>The statuses of Gateway API objects, as an API server would show them.</summary>
    public static void Gatewayz(Utf8JsonWriter w, World? world, DateTimeOffset now)
    {
        w.WriteStartArray();
        if (world is not null)
            foreach (var item in StatusDocuments.All(world.GatewayApi, now)) item.WriteTo(w);
        w.WriteEndArray();
    }

    public static void Refused(Utf8JsonWriter w, RefusedResources refused)
    {
        w.WriteStartArray();
        foreach (var one in refused.All.Concat(refused.Parts))
        {
            foreach (var finding in one.Findings)
            {
                w.WriteStartObject();
                if (one.Key is { } key) w.WriteString("object", $"{key.Kind}/{key.Namespace}/{key.Name}");
                w.WriteString("file", finding.Origin.File);
                w.WriteNumber("line", finding.Origin.Line);
                w.WriteString("field", finding.Field);
                w.WriteString("message", finding.Message);
                w.WriteEndObject();
            }
        }
        w.WriteEndArray();
    }

    public static void Flushed(Utf8JsonWriter w, WorldFeed feed, RefusedResources refused)
    {
        w.WriteStartObject();
        w.WriteNumber("serial", feed.Current?.Serial ?? 0);
        w.WritePropertyName("refused");
        Refused(w, refused);
        w.WriteEndObject();
    }

    /// <summary>Does every proxy have the newest configuration, and has it said so?</summary>
    public static void Settled(Utf8JsonWriter w, ProxyStreams streams, WorldFeed feed)
    {
        var serial = feed.Current?.Serial ?? 0;
        var all = streams.All;
        w.WriteStartObject();
        w.WriteNumber("serial", serial);
        w.WriteBoolean("settled", serial > 0 && all.All(s => s.IsSettled(serial)));
        w.WriteStartArray("proxies");
        foreach (var stream in all)
        {
            w.WriteStartObject();
            w.WriteString("id", stream.Id);
            w.WriteNumber("serial", stream.SerialSent);
            w.WriteBoolean("settled", stream.IsSettled(serial));
            var states = stream.States();
            w.WriteStartArray("unanswered");
            foreach (var state in states.Where(s => !s.IsSettled)) w.WriteStringValue(TypeUrl.ShortName(state.TypeUrl));
            w.WriteEndArray();
            w.WriteStartObject("errors");
            foreach (var state in states.Where(s => s.Error is not null)) w.WriteString(TypeUrl.ShortName(state.TypeUrl), state.Error);
            w.WriteEndObject();
            w.WriteEndObject();
        }
        w.WriteEndArray();
        w.WriteEndObject();
    }

    private static void Streams(Utf8JsonWriter w, ProxyStreams streams, string list, bool withWatches)
    {
        var all = streams.All;
        w.WriteStartObject();
        w.WriteNumber("totalClients", all.Count);
        w.WriteStartArray(list);
        foreach (var stream in all)
        {
            w.WriteStartObject();
            w.WriteString("connectionId", stream.Id);
            w.WriteString("connectedAt", $"{stream.Connected:O}");
            w.WriteString("address", stream.Peer);
            if (stream.Who is { } who) w.WriteString("identity", $"{who.Namespace}/{who.ServiceAccount}");
            if (withWatches) Watches(w, stream);
            w.WriteEndObject();
        }
        w.WriteEndArray();
        w.WriteEndObject();
    }

    private static void Watches(Utf8JsonWriter w, ProxyStream stream)
    {
        w.WriteStartObject("labels");
        foreach (var (key, value) in stream.Node!.Labels) w.WriteString(key, value);
        w.WriteEndObject();
        w.WriteStartObject("watches");
        foreach (var state in stream.States()) w.WriteNumber(state.TypeUrl, state.Names);
        w.WriteEndObject();
    }
}
