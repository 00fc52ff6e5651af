using Envoy.Service.Discovery.V3;

namespace Mesh.Xds;

/// <summary>
/// The client's end of one delta ADS stream: the only seam between the planes. One reader and one writer at a time.
/// In production it is a gRPC call; in tests, two queues.
/// </summary>
public interface IAdsStream : IAsyncDisposable
{
    ValueTask SendAsync(DeltaDiscoveryRequest request, CancellationToken cancellation);

    /// <returns>Null when the server ended the stream in order. A broken stream throws <see cref="IOException"/>.</returns>
    ValueTask<DeltaDiscoveryResponse?> ReceiveAsync(CancellationToken cancellation);
}
