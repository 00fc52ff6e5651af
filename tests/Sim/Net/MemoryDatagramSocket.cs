using System.Net;
using Mesh.Net;

namespace Mesh.Sim.Net;

/// <summary>A UDP socket in memory.</summary>
internal sealed class MemoryDatagramSocket(MemoryTransport transport, IPEndPoint local) : DatagramSocket
{
    private const int QueuedMax = 256;

    private readonly Queue<(byte[] Bytes, IPEndPoint From)> _inbox = new();
    private readonly LoopSignal _arrived = new(transport.Loop);
    private bool _isClosed;

    public override IPEndPoint Local => local;

    internal MemoryTransport Transport => transport;

    public override async ValueTask<(int Length, IPEndPoint? From, IoStatus Status)> ReceiveAsync(Memory<byte> buffer, Deadline deadline)
    {
        while (true)
        {
            if (_isClosed) return (0, null, IoStatus.Aborted);
            if (_inbox.TryDequeue(out var message))
            {
                var length = Math.Min(buffer.Length, message.Bytes.Length);
                message.Bytes.AsSpan(0, length).CopyTo(buffer.Span);
                return (length, message.From, IoStatus.Ok);
            }

            var status = await _arrived.WaitAsync(deadline);
            if (status != IoStatus.Ok) return (0, null, status);
        }
    }

    public override IoStatus Send(ReadOnlySpan<byte> message, IPEndPoint to)
    {
        if (_isClosed) return IoStatus.Aborted;

        var there = transport.Host.Network.HostOf(to.Address, transport.Host);
        if (there is null) return IoStatus.Unreachable;

        var copy = message.ToArray();
        var from = new IPEndPoint(transport.Host.AddressFor(to.Address), local.Port);
        transport.Host.Network.Deliver(() => there.Datagrams.Find(d => SimHost.Covers(d.Local, to))?.Arrive(copy, from));
        return IoStatus.Ok;
    }

    public override void Close()
    {
        _isClosed = true;
        transport.Host.Datagrams.Remove(this);
        _arrived.WakeAll(IoStatus.Aborted);
    }

    private void Arrive(byte[] bytes, IPEndPoint from)
    {
        if (_inbox.Count >= QueuedMax) return;

        _inbox.Enqueue((bytes, from));
        transport.Ready(static signal => ((LoopSignal)signal).Wake(), _arrived);
    }
}
