using Mesh.Net;
using Mesh.Net.Epoll;
using Mesh.Net.Tls;
using Mesh.Net.Tls.OpenSsl;
using Mesh.Sim.Net;
using Mesh.Tests.Net.Contract;

namespace Mesh.SystemTests.Net;

/// <summary>In steady state nothing on the way of a byte allocates: waits, buffers and timers are used again.</summary>
public sealed class AllocationTests
{
    private const int WarmUpRounds = 300;
    private const int Rounds = 10_000;

    private static readonly byte[] Question = new byte[300];
    private static readonly byte[] Answer = new byte[1500];

    [Fact]
    public void A_round_over_epoll_allocates_nothing() => AssertNothingPerRound(new LoopRig(new EpollTransport()));

    [Theory]
    [InlineData(TlsVersion.Tls13)]
    [InlineData(TlsVersion.Tls12)]
    public void A_round_over_tls_allocates_nothing(TlsVersion version) =>
        AssertNothingPerRound(new TlsRig(new LoopRig(new EpollTransport()), new OpenSslProvider(new SimClock()), version));

    [Fact]
    public void A_signal_and_a_delay_allocate_nothing()
    {
        using var rig = new LoopRig(new EpollTransport());
        long bytes = 0;
        rig.Run(async () =>
        {
            await rig.Loop.Delay(TimeSpan.FromMilliseconds(1));
            var signal = new LoopSignal(rig.Loop);
            for (var round = 0; round < WarmUpRounds + Rounds; round++)
            {
                if (round == WarmUpRounds) bytes = GC.GetAllocatedBytesForCurrentThread();
                var waiting = signal.WaitAsync(Deadline.After(rig.Loop.Clock, TimeSpan.FromSeconds(1)));
                signal.Wake();
                await waiting;
                await rig.Loop.Yield();
            }

            bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;
        });
        // Less than a byte a round: what is made once, by one flow more that waits than the warm-up met or by the runtime as it compiles a path anew, is no cost of a round.
        Assert.InRange(bytes, 0, Rounds - 1);
    }

    private static void AssertNothingPerRound(IConnectionRig rig)
    {
        using var owned = rig;
        long bytes = 0;
        rig.Run(async () =>
        {
            var (client, server) = await rig.PairAsync();
            for (var round = 0; round < WarmUpRounds + Rounds; round++)
            {
                if (round == WarmUpRounds) bytes = GC.GetAllocatedBytesForCurrentThread();
                var soon = Deadline.After(rig.Loop.Clock, TimeSpan.FromSeconds(5));
                // Both ends wait before the bytes come, as they do in a proxy.
                var asked = server.FillAsync(soon);
                if (await client.WriteAsync(Question, soon) != IoStatus.Ok || await asked != IoStatus.Ok) throw new InvalidOperationException("no question");
                server.Input.Consume(server.Input.Length);
                var answered = client.FillAsync(soon);
                server.Output.Write(Answer);
                server.FlushSoon();
                if (await answered != IoStatus.Ok) throw new InvalidOperationException("no answer");
                client.Input.Consume(client.Input.Length);
            }

            bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;
            client.Abort();
            server.Abort();
        });
        // Less than a byte a round: what is made once, by one flow more that waits than the warm-up met or by the runtime as it compiles a path anew, is no cost of a round.
        Assert.InRange(bytes, 0, Rounds - 1);
    }
}
