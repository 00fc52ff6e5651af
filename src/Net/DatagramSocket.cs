using System.Net;

namespace Mesh.Net;

/// <summary>UDP, for DNS: small messages, one reader.</summary>
public abstract class DatagramSocket
{
    public abstract IPEndPoint Local { get; }

    /// <returns>From is null when the status is not Ok. A message longer than the buffer is cut.</returns>
    public abstract ValueTask<(int Length, IPEndPoint? From, IoStatus Status)> ReceiveAsync(Memory<byte> buffer, Deadline deadline);

    /// <summary>Sends at once or not at all: UDP promises nothing, and nobody should wait for it.</summary>
    public abstract IoStatus Send(ReadOnlySpan<byte> message, IPEndPoint to);

    public abstract void Close();
}
