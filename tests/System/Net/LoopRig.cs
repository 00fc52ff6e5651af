using System.Net;
using Mesh.Net;
using Mesh.Tests.Net.Contract;

namespace Mesh.SystemTests.Net;

/// <summary>A real transport, its loop turned by the test's own thread.</summary>
internal sealed class LoopRig : IConnectionRig
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly List<Exception> _escaped = [];

    internal LoopRig(Transport transport) => Loop = new Loop(transport, TimeProvider.System, seed: 1, _escaped.Add);

    public Loop Loop { get; }

    public bool IsPlain => true;

    public void Run(Func<ValueTask> flow)
    {
        var task = (Task?)null;
        Loop.Soon(() => task = flow().AsTask());
        var end = TimeProvider.System.GetTimestamp() + (long)(Limit.TotalSeconds * TimeProvider.System.TimestampFrequency);
        while (task is not { IsCompleted: true })
        {
            Loop.RunOnce(TimeSpan.FromMilliseconds(100));
            if (_escaped.Count > 0) throw new AggregateException("an exception escaped a flow", _escaped);
            if (TimeProvider.System.GetTimestamp() > end) throw new TimeoutException($"not done after {Limit}");
        }

        task.GetAwaiter().GetResult();
    }

    public async ValueTask<(Connection Client, Connection Server)> PairAsync()
    {
        var soon = Deadline.After(Loop.Clock, TimeSpan.FromSeconds(5));
        var acceptor = Loop.Transport.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        var accepting = acceptor.AcceptAsync(soon);
        var (client, connected) = await Loop.Transport.ConnectAsync(acceptor.Local, soon);
        var (server, accepted) = await accepting;
        acceptor.Close();
        Assert.Equal((IoStatus.Ok, IoStatus.Ok), (connected, accepted));
        return (client!, server!);
    }

    public void Dispose() => Loop.Dispose();
}
