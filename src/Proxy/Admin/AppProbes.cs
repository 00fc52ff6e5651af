using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Grpc.Core;
using Grpc.Net.Client;

namespace Mesh.Proxy.Admin;

/// <summary>
/// Does the kubelet's probes for it, from inside the pod: the application is asked directly, past all policy. What each path stands for was written into
/// ISTIO_KUBE_APP_PROBERS at injection.
/// </summary>
internal sealed class AppProbes(Bootstrap bootstrap)
{
    private const int RedirectsMax = 10;
    private static readonly IPAddress ProbeSource = IPAddress.Parse("127.0.0.6");

    private readonly JsonObject _known = Parse(bootstrap.AppProbers);

    public async Task<AdminReply> AnswerAsync(AdminRequest request)
    {
        if (_known[request.Path] is not JsonObject probe) return new(404, "404 page not found\n");

        var timeout = TimeSpan.FromSeconds(probe["timeoutSeconds"]?.GetValue<double>() is { } seconds and > 0 ? seconds : 1);
        using var limit = new CancellationTokenSource(timeout);
        try
        {
            if (probe["httpGet"] is JsonObject http) return await AskHttpAsync(http, request, limit.Token);
            if (probe["tcpSocket"] is JsonObject tcp) return await AskTcpAsync(tcp, limit.Token);
            if (probe["grpc"] is JsonObject grpc) return await AskGrpcAsync(grpc, limit.Token);
        }
        catch (Exception e) when (e is HttpRequestException or SocketException or OperationCanceledException or RpcException or IOException)
        {
            return new(500, e.Message + "\n");
        }
        return new(400, $"the probe of {request.Path} asks for nothing that is known here\n");
    }

    private async Task<AdminReply> AskHttpAsync(JsonObject http, AdminRequest request, CancellationToken cancellation)
    {
        var scheme = (http["scheme"]?.ToString() ?? "HTTP").ToLowerInvariant();
        var path = http["path"]?.ToString() is { Length: > 0 } p ? p : "/";
        var target = new Uri($"{scheme}://{bootstrap.AppAddress}:{http["port"]}{(path.StartsWith('/') ? path : "/" + path)}");
        using var client = new HttpMessageInvoker(Handler(followRedirects: false));
        for (var i = 0; i <= RedirectsMax; i++)
        {
            using var ask = new HttpRequestMessage(HttpMethod.Get, target);
            ask.Headers.Host = request.Headers.GetValueOrDefault("host");
            foreach (var (name, value) in request.Headers)
                if (name is not ("host" or "connection" or "content-length" or "accept-encoding")) ask.Headers.TryAddWithoutValidation(name, value);
            foreach (var header in http["httpHeaders"] as JsonArray ?? [])
            {
                if (string.Equals(header?["name"]?.ToString(), "host", StringComparison.OrdinalIgnoreCase)) ask.Headers.Host = header!["value"]?.ToString();
                else if (header?["name"] is { } name) ask.Headers.TryAddWithoutValidation(name.ToString(), header["value"]?.ToString());
            }
            ask.Headers.ConnectionClose = true;
            using var answer = await client.SendAsync(ask, cancellation);
            var status = (int)answer.StatusCode;
            if (status is < 300 or > 308 || answer.Headers.Location is not { } next) return new(status, "");

            next = next.IsAbsoluteUri ? next : new(target, next);
            if (next.Host != target.Host) return new(status, ""); // as the kubelet: a redirect elsewhere counts as success
            target = next;
        }
        return new(500, "stopped after 10 redirects\n");
    }

    private async Task<AdminReply> AskTcpAsync(JsonObject tcp, CancellationToken cancellation)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(bootstrap.AppAddress, Port(tcp), cancellation);
        return new(200, "");
    }

    private async Task<AdminReply> AskGrpcAsync(JsonObject grpc, CancellationToken cancellation)
    {
        using var handler = Handler(followRedirects: false);
        using var channel = GrpcChannel.ForAddress($"http://{bootstrap.AppAddress}:{Port(grpc)}", new() { HttpHandler = handler });
        var status = await Control.GrpcHealth.CheckAsync(channel, grpc["service"]?.ToString() ?? "", cancellation);
        return status == 1 ? new(200, "") : new(500, $"health is {status}\n");
    }

    private static int Port(JsonObject probe) => int.Parse(probe["port"]?.ToString() ?? "0", CultureInfo.InvariantCulture);

    /// <summary>From 127.0.0.6, so that redirection leaves the connection alone; certificates are the application's own affair.</summary>
    private static SocketsHttpHandler Handler(bool followRedirects) => new()
    {
        AllowAutoRedirect = followRedirects,
        UseProxy = false,
        UseCookies = false,
#pragma warning disable CA5359 // Probes never verify: the kubelet does not either.
        SslOptions = new() { RemoteCertificateValidationCallback = (_, _, _, _) => true },
#pragma warning restore CA5359
        ConnectCallback = async (context, cancellation) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                var address = (await System.Net.Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, cancellation))[0];
                if (address.AddressFamily == AddressFamily.InterNetwork && OperatingSystem.IsLinux())
                {
                    socket.Dispose();
                    socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                    socket.Bind(new IPEndPoint(ProbeSource, 0));
                }
                await socket.ConnectAsync(new IPEndPoint(address, context.DnsEndPoint.Port), cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    };

    private static JsonObject Parse(string? text)
    {
        if (string.IsNullOrEmpty(text)) return [];

        try
        {
            return JsonNode.Parse(text) as JsonObject ?? [];
        }
        catch (JsonException e)
        {
            throw new BootstrapException($"ISTIO_KUBE_APP_PROBERS: not JSON ({e.Message})", e);
        }
    }
}
