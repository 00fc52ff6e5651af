using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Serve;
using Mesh.ControlPlane.Telemetry;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Primitives;

namespace Mesh.ControlPlane.FrontDoor;

/// <summary>
/// /api: live traffic for the dashboard and the CLI, read-only.
/// <c>edges</c>, <c>stat</c>, <c>summary</c>, <c>history</c>, <c>proxies</c>, <c>config</c> answer once; <c>tap</c> (a JSON object a line) and <c>stream</c> (server-sent events) go on until the reader leaves.
/// </summary>
internal static class TrafficApi
{
    private static readonly TimeSpan WindowDefault = TimeSpan.FromSeconds(60);

    public static void Map(IEndpointRouteBuilder routes)
    {
        var api = routes.MapGroup("/api");
        api.MapGet("/summary", (HttpContext context, MeshSummary summary) => Json(summary.Over(Window(context))));
        api.MapGet("/edges", (HttpContext context, LiveTraffic traffic, WorldFeed feed) => Json(TrafficViews.Edges(traffic.Window(Window(context)), Window(context), feed.Current?.World)));
        api.MapGet("/stat", (HttpContext context, LiveTraffic traffic) => Json(Stat(context.Request.Query, Window(context), traffic)));
        api.MapGet("/history", (HttpContext context, LiveTraffic traffic) => Json(History(context.Request.Query, Window(context), traffic)));
        api.MapGet("/proxies", (LiveTraffic traffic, ProxyStreams streams, WorldFeed feed) => Json(Proxies(traffic, streams, feed)));
        api.MapGet("/config", (WorldFeed feed, RefusedResources refused) => Json(Config(feed, refused)));
        api.MapGet("/tap", TapAsync);
        api.MapGet("/stream", StreamAsync);
    }

    private static JsonArray Stat(IQueryCollection query, TimeSpan window, LiveTraffic traffic)
    {
        var (space, from, to) = (Text(query, "namespace"), Text(query, "from"), Text(query, "to"));
        var byService = Text(query, "kind") is "svc" or "service" or "services";
        var byNamespace = Text(query, "kind") is "ns" or "namespace" or "namespaces";
        return TrafficViews.Stat(
            traffic.Window(window), window,
            s => byNamespace ? ("", s.Destination.Namespace) : byService ? (s.ServiceNamespace, s.Service) : (s.Destination.Namespace, s.Destination.Name),
            s => (space.Length == 0 || s.Destination.Namespace == space) && Names(from, s.Source) && Names(to, s.Destination) && Named(Text(query, "name"), byService ? s.Service : s.Destination.Name));
    }

    private static JsonArray History(IQueryCollection query, TimeSpan window, LiveTraffic traffic)
    {
        var (source, destination) = (Text(query, "source"), Text(query, "destination"));
        var seconds = traffic.History(window, s => s.Reporter == "source" && Named(source, s.Source.Name) && Named(destination, s.Destination.Name));
        return new JsonArray([.. seconds.Select(s => (JsonNode)new JsonObject { ["second"] = s.Second, ["requests"] = s.Requests, ["failures"] = s.Failures })]);
    }

    private static JsonArray Proxies(LiveTraffic traffic, ProxyStreams streams, WorldFeed feed)
    {
        var serial = feed.Current?.Serial ?? 0;
        return new JsonArray([.. streams.All.Select(stream =>
        {
            var name = stream.Id;
            var certificate = traffic.CertificateOf(name);
            return (JsonNode)new JsonObject
            {
                ["name"] = name,
                ["type"] = stream.Proxy!.IsGateway ? "router" : "sidecar",
                ["version"] = stream.Node!.IstioVersion,
                ["connected"] = stream.Connected.ToString("O", CultureInfo.InvariantCulture),
                ["synced"] = stream.IsSettled(serial),
                ["errors"] = new JsonArray([.. stream.States().Where(s => s.Error is not null).Select(s => (JsonNode)s.Error!)]),
                ["certificateExpires"] = certificate?.Expires?.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture),
                ["certificateSerial"] = certificate?.Serial,
            };
        })]);
    }

    private static JsonObject Config(WorldFeed feed, RefusedResources refused) => new()
    {
        ["resources"] = new JsonArray([.. (feed.Current?.World.Resources ?? []).Where(r => r.Meta.Group.EndsWith("istio.io", StringComparison.Ordinal) || r.Meta.Group == "gateway.networking.k8s.io")
            .Select(r => (JsonNode)new JsonObject { ["kind"] = r.Meta.Kind, ["namespace"] = r.Meta.Namespace, ["name"] = r.Meta.Name, ["origin"] = Path.GetFileName(r.Meta.Origin.File) + (r.Meta.Origin.Line > 0 ? $":{r.Meta.Origin.Line}" : "") })]),
        ["refused"] = Findings(refused.All),
        ["leftOut"] = Findings(refused.Parts.Concat(refused.WithoutEffect)),
    };

    private static JsonArray Findings(IEnumerable<RefusedResource> resources) => new([.. resources.SelectMany(resource => resource.Findings.Select(finding => (JsonNode)new JsonObject
    {
        ["object"] = resource.Key is { } key ? $"{key.Kind}/{key.Namespace}/{key.Name}" : Path.GetFileName(resource.File),
        ["line"] = finding.Origin.Line,
        ["field"] = finding.Field,
        ["message"] = finding.Message,
    }))]);

    /// <summary>A JSON object a line. Its last one, when the limit was reached or the reader was slow, says how many it missed.</summary>
    private static async Task TapAsync(HttpContext context, LiveTraffic traffic)
    {
        var filter = TapFilter.Read(context.Request.Query);
        context.Response.ContentType = "application/x-ndjson";
        using var tap = traffic.Tap(filter.Takes);
        await context.Response.Body.FlushAsync(context.RequestAborted);
        var left = int.TryParse(Text(context.Request.Query, "limit"), CultureInfo.InvariantCulture, out var limit) && limit > 0 ? limit : int.MaxValue;
        try
        {
            await foreach (var record in tap.ReadAllAsync(context.RequestAborted))
            {
                var row = TrafficViews.Record(record);
                if (tap.Dropped > 0) row["missed"] = tap.Dropped;
                await context.Response.WriteAsync(row.ToJsonString() + "\n", context.RequestAborted);
                if (--left == 0) return;
            }
        }
        catch (OperationCanceledException)
        {
            // The reader left: that is how a tap ends.
        }
    }

    /// <summary>Server-sent events: <c>traffic</c> once a second, <c>record</c> for each request that is looked at.</summary>
    private static async Task StreamAsync(HttpContext context, LiveTraffic traffic, MeshSummary summary, ProxyStreams streams, WorldFeed feed, TimeProvider time)
    {
        var cancel = context.RequestAborted;
        var window = Window(context);
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        using var tap = traffic.Tap(TapFilter.Read(context.Request.Query).Takes);
        using var tick = new PeriodicTimer(TimeSpan.FromSeconds(1), time);
        using var writing = new SemaphoreSlim(1);
        async Task SendAsync(string name, string data)
        {
            await writing.WaitAsync(cancel);
            try
            {
                await context.Response.WriteAsync($"event: {name}\ndata: {data}\n\n", Encoding.UTF8, cancel);
                await context.Response.Body.FlushAsync(cancel);
            }
            finally
            {
                writing.Release();
            }
        }
        async Task RecordsAsync()
        {
            await foreach (var record in tap.ReadAllAsync(cancel)) await SendAsync("record", TrafficViews.Record(record).ToJsonString());
        }
        try
        {
            var records = RecordsAsync();
            do
            {
                var view = new JsonObject
                {
                    ["summary"] = summary.Over(window),
                    ["edges"] = TrafficViews.Edges(traffic.Window(window), window, feed.Current?.World),
                    ["proxies"] = Proxies(traffic, streams, feed),
                };
                await SendAsync("traffic", view.ToJsonString());
            }
            while (await tick.WaitForNextTickAsync(cancel));
            await records;
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The page was closed.
        }
    }

    private static IResult Json(JsonNode node) => Results.Text(node.ToJsonString(), "application/json");

    /// <summary>?window=60s, 10s, 5m; a minute otherwise.</summary>
    private static TimeSpan Window(HttpContext context) =>
        Model.Resources.Fields.TryDuration(Text(context.Request.Query, "window"), out var window) && window >= TimeSpan.FromSeconds(1) ? window : WindowDefault;

    internal static string Text(IQueryCollection query, string name) => query.TryGetValue(name, out var value) && !StringValues.IsNullOrEmpty(value) ? value.ToString() : "";

    private static bool Names(string wanted, WorkloadName workload) => wanted.Length == 0 || wanted == workload.Name || wanted == workload.App || wanted == $"{workload.Name}.{workload.Namespace}";

    private static bool Named(string wanted, string name) => wanted.Length == 0 || wanted == name;
}
