using System.Net;
using System.Text.Json;
using Mesh.ControlPlane.Ca;
using Mesh.ControlPlane.Files;
using Mesh.ControlPlane.Serve;
using Mesh.Xds;
using Prometheus;

namespace Mesh.ControlPlane.Debug;

/// <summary>
/// Istiod's pages: <c>/ready</c>, <c>/debug/*</c> in its JSON, <c>/version</c>, <c>/metrics</c>. Debug pages tell much, so only this machine may read them.
/// </summary>
internal static class DebugEndpoints
{
    public static void Map(WebApplication app, Options options)
    {
        app.MapGet("/ready", (WorldFeed feed) => feed.Current is null ? Results.Text("not ready: no configuration was read yet", statusCode: 503) : Results.Text(""));
        app.MapGet("/version", () => Results.Text($$"""{"version":"{{Release.Version}}","component":"pilot","revision":"{{options.Revision}}"}""", "application/json"));
        app.MapGet("/metrics", async (HttpContext context, CollectorRegistry registry) =>
        {
            context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
            await registry.CollectAndExportAsTextAsync(context.Response.Body, context.RequestAborted);
        });

        var debug = app.MapGroup("/debug").AddEndpointFilter(LocalOnly);
        debug.MapGet("", () => Results.Text(Pages.Index(), "text/html; charset=utf-8"));
        debug.MapGet("/list", () => Json(Pages.List));
        debug.MapGet("/syncz", (ProxyStreams streams, Options o) => Json(w => Pages.Syncz(w, streams, o)));
        debug.MapGet("/connections", (ProxyStreams streams) => Json(w => Pages.Connections(w, streams)));
        debug.MapGet("/adsz", (ProxyStreams streams) => Json(w => Pages.Adsz(w, streams)));
        debug.MapGet("/registryz", (WorldFeed feed) => Json(w => Pages.Registryz(w, feed.Current?.World)));
        foreach (var name in (string[])["/endpointz", "/endpointShardz"]) debug.MapGet(name, (WorldFeed feed) => Json(w => Pages.Endpointz(w, feed.Current?.World)));
        debug.MapGet("/configz", (WorldFeed feed) => Json(w => Pages.Configz(w, feed.Current?.World)));
        debug.MapGet("/authorizationz", (WorldFeed feed) => Json(w => Pages.Configz(w, feed.Current?.World, "AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication")));
        debug.MapGet("/telemetryz", (WorldFeed feed) => Json(w => Pages.Configz(w, feed.Current?.World, "Telemetry")));
        debug.MapGet("/resourcesz", (WorldFeed feed) => Json(w => Pages.Resourcesz(w, feed.Current?.World)));
        debug.MapGet("/gatewayz", (WorldFeed feed, TimeProvider time) => Json(w => Pages.Gatewayz(w, feed.Current?.World, time.GetUtcNow())));
        debug.MapGet("/refused", (RefusedResources refused) => Json(w => Pages.Refused(w, refused)));
        debug.MapGet("/ca", (CertificateAuthority authority, TrustBundle bundle, PluggedInFolder folder, ProxyStreams streams, Options o, IServiceProvider parts) =>
            Json(w => AuthorityPage.Write(w, authority, bundle, folder, streams, parts.GetService<Kube.RootReports>()?.Others ?? OtherReplicas.None, o)));
        debug.MapGet("/settled", (ProxyStreams streams, WorldFeed feed) => Json(w => Pages.Settled(w, streams, feed)));
        debug.MapGet("/config_dump", (string? proxyID, ProxyStreams streams, ProxyDump dump) => OfProxy(proxyID, streams, (w, s) => DumpPages.ConfigDump(w, s, dump)));
        debug.MapGet("/edsz", (string? proxyID, ProxyStreams streams, ProxyDump dump) => OfProxy(proxyID, streams, (w, s) => DumpPages.Edsz(w, s, dump)));
        debug.MapGet("/ndsz", (string? proxyID, ProxyStreams streams, ProxyDump dump) => OfProxy(proxyID, streams, (w, s) => DumpPages.Ndsz(w, s, dump)));
        debug.MapPost("/flush", async (HttpContext context, WorldFeed feed, RefusedResources refused) =>
        {
            context.RequestServices.GetRequiredService<MeshFile>().Reload();
            if (context.RequestServices.GetService<FolderSource>() is { } folder) await folder.ScanAsync(context.RequestAborted);
            await feed.FlushAsync(context.RequestAborted);
            return Json(w => Pages.Flushed(w, feed, refused));
        });
    }

    private static IResult OfProxy(string? id, ProxyStreams streams, Action<Utf8JsonWriter, ProxyStream> write)
    {
        if (string.IsNullOrEmpty(id)) return Results.Text("You must provide a proxyID in the query string", statusCode: 400);
        return streams.All.FirstOrDefault(s => s.Id == id) is { } stream
            ? Json(w => write(w, stream))
            : Results.Text($"Proxy {id} is not connected to this control plane. It may be connected to another replica.", statusCode: 404);
    }

    private static IResult Json(Action<Utf8JsonWriter> write)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new() { Indented = true })) write(writer);
        return Results.Bytes(buffer.ToArray(), "application/json");
    }

    private static async ValueTask<object?> LocalOnly(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var connection = context.HttpContext.Connection;
        var isLocal = connection.RemoteIpAddress is null || IPAddress.IsLoopback(connection.RemoteIpAddress) || connection.RemoteIpAddress.Equals(connection.LocalIpAddress);
        return isLocal ? await next(context) : Results.Text("debug pages are for this machine only", statusCode: 401);
    }
}
