using System.Net;
using Mesh.Net;
using Mesh.Sim.Net;
using Mesh.Tests.Net.Contract;

namespace Mesh.Tests.Net;

public sealed class MemoryConnectionTests : ConnectionContract
{
    protected override IConnectionRig CreateRig() => new MemoryRig(SimConditions.Calm);
}

/// <summary>The same promises where bytes are cut anywhere and arrive late.</summary>
public sealed class RoughMemoryConnectionTests : ConnectionContract
{
    protected override IConnectionRig CreateRig() => new MemoryRig(SimConditions.Rough with { WindowBytes = 4096, SegmentBytesMax = 1500 });
}

public sealed class MemoryTransportTests : TransportContract
{
    protected override IConnectionRig CreateRig() => new MemoryRig(SimConditions.Calm);
}

internal sealed class MemoryRig(SimConditions conditions) : IConnectionRig
{
    private readonly SimNetwork _network = new(seed: 7, conditions);
    private Loop? _loop;

    public Loop Loop => _loop ??= _network.CreateLoop();

    public bool IsPlain => true;

    public void Run(Func<ValueTask> flow) => _network.Run(Loop, flow, TimeSpan.FromMinutes(1));

    public async ValueTask<(Connection Client, Connection Server)> PairAsync()
    {
        var soon = Deadline.After(Loop.Clock, TimeSpan.FromSeconds(1));
        var acceptor = Loop.Transport.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        var accepting = acceptor.AcceptAsync(soon);
        var (client, _) = await Loop.Transport.ConnectAsync(acceptor.Local, soon);
        var (server, _) = await accepting;
        acceptor.Close();
        return (client!, server!);
    }

    public void Dispose() => _network.Dispose();
}
