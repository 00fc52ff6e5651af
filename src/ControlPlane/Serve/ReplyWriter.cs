using System.Buffers.Binary;
using System.IO.Pipelines;
using Mesh.Xds;

namespace Mesh.ControlPlane.Serve;

/// <summary>
/// Responses as gRPC messages on the body of an HTTP/2 response, piece by piece as the reader takes them: a first configuration is megabytes,
/// and five hundred proxies that connect at once must not each have theirs in our memory.
/// </summary>
internal sealed class ReplyWriter(PipeWriter body)
{
    private const int HeadBytes = 5;   // not compressed, length
    private const int PieceBytes = 32 * 1024;

    public async Task WriteAsync(DiscoveryReply reply, int bytes, CancellationToken cancellation)
    {
        var head = body.GetMemory(HeadBytes);
        head.Span[0] = 0;
        BinaryPrimitives.WriteInt32BigEndian(head.Span[1..], bytes);
        body.Advance(HeadBytes);
        for (int? next = 0; next is { } from;)
        {
            next = reply.WriteFrom(from, body, PieceBytes);
            var flushed = await body.FlushAsync(cancellation);
            if (flushed.IsCompleted || flushed.IsCanceled) throw new OperationCanceledException("the reader is gone", cancellation);
        }
    }
}
