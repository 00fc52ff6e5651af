using System.Net;

// A small service for demos: it answers with its name and version and, when it has someone to call, with that answer too.
//   mesh-service --name frontend --version v1 --listen 127.0.0.1:8080 [--calls http://backend:8080/ [--through 127.0.0.1:15080]]
var settings = new ConfigurationBuilder().AddCommandLine(args).Build();
var name = settings["name"] ?? "service";
var version = settings["version"] ?? "v1";
var listen = IPEndPoint.Parse(settings["listen"] ?? "127.0.0.1:8080");
var calls = settings["calls"];

// Where names do not lead to the sidecar by themselves, connect to the address that it listens on; the name stays in Host.
var through = settings["through"] is { } address ? IPEndPoint.Parse(address) : null;
using var client = new HttpClient(new SocketsHttpHandler
{
    UseProxy = false,
    ActivityHeadersPropagator = null,
    ConnectCallback = through is null ? null : async (_, cancellation) =>
    {
        var socket = new System.Net.Sockets.Socket(through.AddressFamily, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(through, cancellation);
        return new System.Net.Sockets.NetworkStream(socket, ownsSocket: true);
    },
})
{ Timeout = TimeSpan.FromSeconds(15) };

var builder = WebApplication.CreateSlimBuilder();
builder.Logging.SetMinimumLevel(LogLevel.Warning);
builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(listen));
var app = builder.Build();

// Only the application knows which call belongs to which: without the first a mesh can not join the spans of one request, without the last it can not route by user.
string[] handedOn = ["x-request-id", "traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags", "end-user"];

app.MapGet("/healthz", () => "ok");
app.Map("/{**path}", async (HttpContext context) =>
{
    if (calls is null)
    {
        await context.Response.WriteAsync($"{name} {version}\n");
        return;
    }

    using var request = new HttpRequestMessage(HttpMethod.Get, calls);
    foreach (var header in handedOn)
        if (context.Request.Headers.TryGetValue(header, out var values)) request.Headers.TryAddWithoutValidation(header, values.ToArray());
    try
    {
        using var answer = await client.SendAsync(request, context.RequestAborted);
        context.Response.StatusCode = (int)answer.StatusCode;
        await context.Response.WriteAsync($"{name} {version} -> {await answer.Content.ReadAsStringAsync(context.RequestAborted)}");
    }
    catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
    {
        context.Response.StatusCode = 502;
        await context.Response.WriteAsync($"{name} {version} could not reach {calls}: {e.Message}\n");
    }
});
app.Run();
