using System.Net;
using Mesh.Net;

namespace Mesh.Sim.Net;

/// <summary>One end of a connection in memory. Bytes travel to the other end's inbox through the simulated network.</summary>
internal sealed class MemoryConnection : ReadinessConnection
{
    private readonly Queue<ArraySegment<byte>> _inbox = new();
    private MemoryConnection _other = null!;
    private int _inFlight;
    private long _lastArrival;
    private bool _endArrived;
    private bool _resetArrived;
    private bool _writerWaits;

    private MemoryConnection(MemoryTransport transport, ConnectionAddresses addresses, bool isClient, SimConditions conditions)
        : base(transport.Loop)
    {
        Transport = transport;
        Addresses = addresses;
        IsClient = isClient;
        Conditions = conditions;
        Network.Connections.Add(this);
    }

    public override ConnectionAddresses Addresses { get; }

    internal MemoryTransport Transport { get; }

    internal bool IsClient { get; }

    /// <summary>Bytes leave and never arrive.</summary>
    internal bool IsCut { get; set; }

    private SimConditions Conditions { get; }

    private SimNetwork Network => Transport.Host.Network;

    protected override int ReceiveBytesMin => 9;

    protected override bool MayReceive => _inbox.Count > 0 || _endArrived || _resetArrived;

    protected override bool HasPeerClosed => _endArrived || _resetArrived;

    internal static (MemoryConnection Client, MemoryConnection Server) Pair(
        MemoryTransport client, MemoryTransport server, IPEndPoint source, IPEndPoint asked, IPEndPoint going, IPEndPoint? original)
    {
        var conditions = client.Host.Network.Conditions;
        var here = new MemoryConnection(client, new(source, asked), isClient: true, conditions);
        var there = new MemoryConnection(server, new(going, source, original), isClient: false, conditions);
        here._other = there;
        there._other = here;
        return (here, there);
    }

    internal bool Touches(IPEndPoint address) =>
        Addresses.Local.Equals(address) || Addresses.Peer.Equals(address) || address.Equals(Addresses.OriginalDestination);

    internal void BreakBothEnds()
    {
        ArriveReset();
        _other.ArriveReset();
    }

    protected override IoStatus Receive(Span<byte> buffer, out int count)
    {
        count = 0;
        if (_resetArrived) return IoStatus.Reset;
        if (!_inbox.TryPeek(out var segment)) return _endArrived ? IoStatus.End : IoStatus.WouldBlock;

        count = Math.Min(buffer.Length, segment.Count);
        if (Conditions.SegmentBytesMax > 0) count = Math.Min(count, 1 + Network.Random.Next(Conditions.SegmentBytesMax));
        segment.AsSpan(0, count).CopyTo(buffer);
        _inbox.Dequeue();
        if (count < segment.Count) PutBackFirst(segment[count..]);

        _other._inFlight -= count;
        if (_other._writerWaits)
        {
            _other._writerWaits = false;
            _other.Transport.Ready(Notice, _other);
        }

        // What is left is news for the next poll, as level-triggered readiness would have it.
        if (MayReceive) Transport.Ready(Notice, this);
        return IoStatus.Ok;
    }

    protected override IoStatus Send(ReadOnlySpan<byte> bytes, out int sent)
    {
        sent = 0;
        if (_resetArrived) return IoStatus.Reset;

        sent = Math.Min(bytes.Length, Math.Max(0, Conditions.WindowBytes - _inFlight));
        if (sent < bytes.Length) _writerWaits = true;
        if (sent == 0) return bytes.Length == 0 ? IoStatus.Ok : IoStatus.WouldBlock;

        _inFlight += sent;
        if (IsCut) return IoStatus.Ok;

        var copy = bytes[..sent].ToArray();
        var target = _other;
        _lastArrival = Network.Deliver(() => target.Arrive(copy), _lastArrival);
        return IoStatus.Ok;
    }

    protected override void SendEnd()
    {
        if (IsCut) return;

        var target = _other;
        _lastArrival = Network.Deliver(target.ArriveEnd, _lastArrival);
    }

    protected override void Release(bool reset)
    {
        Network.Connections.Remove(this);
        if (IsCut || _resetArrived) return;

        var target = _other;
        // A close with unread input resets, as the kernel does.
        if (reset || _inbox.Count > 0) Network.Deliver(target.ArriveReset);
        else _lastArrival = Network.Deliver(target.ArriveEnd, _lastArrival);
        _inbox.Clear();
    }

    private static void Notice(object connection)
    {
        var me = (MemoryConnection)connection;
        if (me.MayReceive) me.OnReadable();
        me.OnWritable();
    }

    private void Arrive(byte[] bytes)
    {
        if (_resetArrived) return;

        if (IsClosed)
        {
            // Nobody is there to read it.
            _other.ArriveReset();
            return;
        }

        _inbox.Enqueue(bytes);
        Transport.Ready(Notice, this);
    }

    private void ArriveEnd()
    {
        _endArrived = true;
        if (!IsClosed) Transport.Ready(Notice, this);
    }

    private void ArriveReset()
    {
        _resetArrived = true;
        _inbox.Clear();
        if (!IsClosed) Transport.Ready(Notice, this);
    }

    private void PutBackFirst(ArraySegment<byte> segment)
    {
        var rest = _inbox.Count;
        _inbox.Enqueue(segment);
        for (var i = 0; i < rest; i++) _inbox.Enqueue(_inbox.Dequeue());
    }
}
