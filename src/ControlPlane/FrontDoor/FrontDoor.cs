using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Routing;
using Yarp.ReverseProxy.Forwarder;

namespace Mesh.ControlPlane.FrontDoor;

/// <summary>
/// One address for people: the dashboard, its API, and behind it the add-ons that are installed (Prometheus, Grafana, Kiali, Jaeger).
/// From this machine it is open, as kubectl's port-forward comes from there; from elsewhere it asks for the token.
/// </summary>
internal static class FrontDoor
{
    private const string Cookie = "mesh-token";

    private static readonly HashSet<string> AddOns = ["prometheus", "grafana", "kiali", "jaeger"];

    public static void Map(WebApplication app, Options options)
    {
        var token = options.DashboardToken;
        app.MapGet("/login", (HttpContext context, string? token) => Login(context, token, options.DashboardToken));
        var guarded = app.MapGroup("").AddEndpointFilter((context, next) => GuardAsync(context, next, token));
        Dashboard.Map(guarded);
        TrafficApi.Map(guarded);
        MapAddOns(app, guarded, options);
    }

    /// <summary>The add-ons that the options name an address of, and that this door knows.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Installed(Options options) => options.AddOns.Where(addOn => AddOns.Contains(addOn.Key));

    private static void MapAddOns(WebApplication app, IEndpointRouteBuilder guarded, Options options)
    {
        if (options.AddOns.Count == 0) return;

        var forwarder = app.Services.GetRequiredService<IHttpForwarder>();
        var client = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, AutomaticDecompression = DecompressionMethods.None, UseCookies = false, ConnectTimeout = TimeSpan.FromSeconds(5) });
        app.Lifetime.ApplicationStopped.Register(client.Dispose);
        foreach (var (name, address) in Installed(options))
            guarded.Map($"/{name}/{{**rest}}", async (HttpContext context) =>
            {
                // The add-ons are told to live below this path (Kiali's web_root, Grafana's root_url …), so it is passed on as it is.
                context.Request.Headers.Cookie = string.Join("; ", context.Request.Headers.Cookie.ToString().Split("; ").Where(c => !c.StartsWith(Cookie + "=", StringComparison.Ordinal)));
                await forwarder.SendAsync(context, address, client, new ForwarderRequestConfig { ActivityTimeout = TimeSpan.FromSeconds(60) });
            });
    }

    private static IResult Login(HttpContext context, string? given, string? wanted)
    {
        if (wanted is null || !Same(given, wanted)) return Results.Text("this token is not the dashboard's; `meshctl dashboard` opens the page with the right one", statusCode: 401);

        context.Response.Cookies.Append(Cookie, given!, new CookieOptions { HttpOnly = true, SameSite = SameSiteMode.Strict, Secure = context.Request.IsHttps, Path = "/" });
        return Results.Redirect("/ui/");
    }

    private static async ValueTask<object?> GuardAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next, string? token)
    {
        var http = context.HttpContext;
        var isLocal = http.Connection.RemoteIpAddress is not { } remote || IPAddress.IsLoopback(remote) || remote.Equals(http.Connection.LocalIpAddress);
        // A page of another site that resolves its name to this machine (DNS rebinding) still sends that name.
        if (isLocal && IsOwnName(http.Request.Host.Host, http.Connection.LocalIpAddress)) return await next(context);
        if (token is not null && (Same(Bearer(http), token) || Same(http.Request.Cookies[Cookie], token))) return await next(context);

        http.Response.Headers.WWWAuthenticate = "Bearer";
        return Results.Text("open this page from the machine itself (kubectl port-forward, `meshctl dashboard`), or give the token: Authorization: Bearer …, or /login?token=…\n", statusCode: 401);
    }

    private static bool IsOwnName(string host, IPAddress? local) =>
        host is "localhost" || (IPAddress.TryParse(host, out var ip) && (IPAddress.IsLoopback(ip) || ip.Equals(local)));

    private static string? Bearer(HttpContext context) =>
        context.Request.Headers.Authorization.ToString() is var header && header.StartsWith("Bearer ", StringComparison.Ordinal) ? header["Bearer ".Length..] : null;

    private static bool Same(string? given, string wanted) =>
        given is not null && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(given)), SHA256.HashData(Encoding.UTF8.GetBytes(wanted)));
}
