using Envoy.Service.Discovery.V3;
using Grpc.Core;
using Mesh.ControlPlane.Ca;
using Mesh.Xds;
using Microsoft.Extensions.Hosting;

namespace Mesh.ControlPlane.Serve;

/// <summary>The doors of the discovery services: who comes in, and whether there is room. What happens inside is <see cref="ProxyStream"/>'s.</summary>
internal sealed class AdsService(ProxyStreams streams, Authenticator authenticator, LocalSecrets secrets, IHostApplicationLifetime life, ILogger<AdsService> log)
{
    public Task DeltaAsync(IAsyncStreamReader<DeltaDiscoveryRequest> requests, ServerCallContext call) =>
        ServeAsync(requests, call, static (stream, request) => stream.Take(request));

    public Task WholeAsync(IAsyncStreamReader<DiscoveryRequest> requests, ServerCallContext call) =>
        ServeAsync(requests, call, static (stream, request) => stream.Take(request));

    public Task LocalSecretsAsync(IAsyncStreamReader<DiscoveryRequest> requests, IServerStreamWriter<DiscoveryReply> replies, ServerCallContext call) =>
        secrets.ServeAsync(requests, replies, call);

    private async Task ServeAsync<T>(IAsyncStreamReader<T> requests, ServerCallContext call, Action<ProxyStream, T> take)
    {
        var (who, problem) = await authenticator.IdentifyAsync(call);
        if (problem.Length > 0)
        {
            log.LogWarning("stream from {Peer} refused: {Reason}", call.Peer, problem);
            throw new RpcException(new Status(StatusCode.Unauthenticated, problem));
        }

        // Who ends lets its proxies go at once: they find another replica, or the next process of this one.
        using var cut = CancellationTokenSource.CreateLinkedTokenSource(call.CancellationToken, life.ApplicationStopping);
        var stream = streams.TryOpen(new(call.GetHttpContext().Response.BodyWriter), call.Peer, who, cut) ?? throw new RpcException(new Status(StatusCode.ResourceExhausted, "too many streams; try again later"));
        var sending = stream.SendAsync(cut.Token);
        try
        {
            while (await requests.MoveNext(cut.Token))
            {
                take(stream, requests.Current);
                if (stream.IsOverloaded) await stream.DrainedAsync(cut.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException || e is RpcException { StatusCode: StatusCode.Cancelled })
        {
            log.LogDebug("stream of {Proxy} ended: {Reason}", stream.Id, e.Message);
        }
        finally
        {
            streams.Close(stream);
            await cut.CancelAsync();
            await sending;
            stream.Dispose();
        }
        if (stream.Fault is { } fault) throw new RpcException(fault);
    }
}
