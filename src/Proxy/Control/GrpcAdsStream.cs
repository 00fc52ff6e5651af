using Envoy.Service.Discovery.V3;
using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Xds;

namespace Mesh.Proxy.Control;

/// <summary>A delta ADS stream as a gRPC call.</summary>
internal sealed class GrpcAdsStream : IAdsStream
{
    private readonly GrpcChannel _channel;
    private readonly AsyncDuplexStreamingCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse> _call;

    public GrpcAdsStream(GrpcChannel channel, Metadata headers, CancellationToken cancellation)
    {
        _channel = channel;
        _call = new AggregatedDiscoveryService.AggregatedDiscoveryServiceClient(channel).DeltaAggregatedResources(headers, cancellationToken: cancellation);
    }

    public async ValueTask SendAsync(DeltaDiscoveryRequest request, CancellationToken cancellation)
    {
        try
        {
            await _call.RequestStream.WriteAsync(request, cancellation);
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException)
        {
            throw new IOException(Words(e), e);
        }
    }

    public async ValueTask<DeltaDiscoveryResponse?> ReceiveAsync(CancellationToken cancellation)
    {
        try
        {
            return await _call.ResponseStream.MoveNext(cancellation) ? _call.ResponseStream.Current : null;
        }
        catch (RpcException e)
        {
            throw new IOException(Words(e), e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _call.Dispose();
        await _channel.ShutdownAsync();
        _channel.Dispose();
    }

    private static string Words(Exception e) => e is RpcException rpc ? $"{rpc.StatusCode}: {rpc.Status.Detail}" : e.Message;
}
