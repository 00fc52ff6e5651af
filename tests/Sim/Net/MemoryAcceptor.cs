using System.Net;
using Mesh.Net;

namespace Mesh.Sim.Net;

/// <summary>A listening socket in memory.</summary>
internal sealed class MemoryAcceptor(MemoryTransport transport, IPEndPoint local, ListenOptions options) : Acceptor
{
    private readonly Queue<MemoryConnection> _backlog = new();
    private readonly LoopSignal _arrived = new(transport.Loop);
    private bool _isClosed;

    public override EndPoint Local => local;

    internal IPEndPoint LocalAddress => local;

    internal MemoryTransport Transport => transport;

    internal bool HasRoom => _backlog.Count < options.Backlog;

    public override async ValueTask<(Connection? Connection, IoStatus Status)> AcceptAsync(Deadline deadline)
    {
        while (true)
        {
            if (_isClosed) return (null, IoStatus.Aborted);
            if (_backlog.TryDequeue(out var connection)) return (connection, IoStatus.Ok);

            var status = await _arrived.WaitAsync(deadline);
            if (status != IoStatus.Ok) return (null, status);
        }
    }

    public override void Close()
    {
        if (_isClosed) return;

        _isClosed = true;
        transport.Host.Acceptors.Remove(this);
        while (_backlog.TryDequeue(out var connection)) connection.Abort();
        _arrived.WakeAll(IoStatus.Aborted);
    }

    /// <returns>The client's end; ours waits in the backlog.</returns>
    internal MemoryConnection Establish(MemoryTransport client, IPEndPoint source, IPEndPoint asked, IPEndPoint going)
    {
        var original = asked.Equals(going) || !options.OriginalDestination ? null : asked;
        var (there, here) = MemoryConnection.Pair(client, transport, source, asked, going, original);
        _backlog.Enqueue(here);
        transport.Ready(static signal => ((LoopSignal)signal).Wake(), _arrived);
        return there;
    }
}
