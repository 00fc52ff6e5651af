using System.Net;
using Mesh.Net;

namespace Mesh.Sim.Net;

/// <summary>The transport of one loop on one host of a <see cref="SimNetwork"/>. Never waits: the network moves time.</summary>
public sealed class MemoryTransport(SimHost host) : Transport
{
    private readonly List<(Action<object> Handle, object Target)> _ready = [];
    private readonly HashSet<object> _readyTargets = [];
    private bool _isWoken;

    public SimHost Host { get; } = host;

    public override bool HasEvents => _ready.Count > 0 || _isWoken;

    private SimNetwork Network => Host.Network;

    public override Acceptor Listen(EndPoint address, ListenOptions? options = null)
    {
        var local = (IPEndPoint)address;
        if (local.Port == 0) local = new(local.Address, Host.NextPort++);
        if (options?.ReusePort == false && Host.Acceptors.Any(a => a.LocalAddress.Equals(local)))
            throw new IOException($"{local} is in use");

        var acceptor = new MemoryAcceptor(this, local, options ?? ListenOptions.Default);
        Host.Acceptors.Add(acceptor);
        return acceptor;
    }

    public override async ValueTask<(Connection? Connection, IoStatus Status)> ConnectAsync(
        EndPoint target, Deadline deadline, ConnectOptions? options = null)
    {
        var asked = (IPEndPoint)target;
        var source = new IPEndPoint(options?.Bind?.Address ?? Host.AddressFor(asked.Address), options?.Bind?.Port is > 0 and var port ? port : Host.NextPort++);
        var going = Host.Redirect?.Invoke(new(source, asked, Entering: false, options?.Mark ?? 0)) ?? asked;
        var there = Network.HostOf(going.Address, Host);
        if (there is not null && there != Host) going = there.Redirect?.Invoke(new(source, going, Entering: true, 0)) ?? going;

        if (Network.IsBlackhole(asked) || Network.IsBlackhole(going))
        {
            await Loop.WaitUntil(deadline);
            return (null, IoStatus.TimedOut);
        }

        if (there is null || Network.IsUnreachable(asked.Address)) return (null, IoStatus.Unreachable);

        var answered = new LoopSignal(Loop);
        var connection = (MemoryConnection?)null;
        var refused = false;
        Network.Deliver(() =>
        {
            var acceptor = there.AcceptorFor(going);
            refused = acceptor is null || !acceptor.HasRoom;
            if (!refused) connection = acceptor!.Establish(this, source, asked, going);
            Ready(static signal => ((LoopSignal)signal).Wake(), answered);
        });

        var status = await answered.WaitAsync(deadline);
        if (refused) return (null, IoStatus.Refused);
        if (status == IoStatus.Ok) return (connection, IoStatus.Ok);

        connection?.Abort();
        return (null, status);
    }

    public override DatagramSocket OpenDatagrams(IPEndPoint local)
    {
        var socket = new MemoryDatagramSocket(this, local.Port == 0 ? new(local.Address, Host.NextPort++) : local);
        Host.Datagrams.Add(socket);
        return socket;
    }

    public override void Poll(TimeSpan waitMax)
    {
        _isWoken = false;
        if (_ready.Count == 0) return;

        var batch = _ready.ToArray();
        _ready.Clear();
        _readyTargets.Clear();
        if (Network.Conditions.ShuffleReady) Network.Random.Shuffle(batch);
        foreach (var (handle, target) in batch) Loop.Guarded(static (_, ready) => ready.Handle(ready.Target), (Handle: handle, Target: target));
    }

    public override void Wake() => _isWoken = true;

    internal void Ready(Action<object> handle, object target)
    {
        if (_readyTargets.Add(target)) _ready.Add((handle, target));
    }

    protected override void Dispose(bool disposing)
    {
        foreach (var acceptor in Host.Acceptors.Where(a => a.Transport == this).ToList()) acceptor.Close();
        foreach (var socket in Host.Datagrams.Where(d => d.Transport == this).ToList()) socket.Close();
        foreach (var connection in Network.Connections.Where(c => c.Transport == this).ToList()) connection.Abort();
    }
}
