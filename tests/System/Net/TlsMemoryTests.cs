using Mesh.Net;
using Mesh.Net.Epoll;
using Mesh.Net.Tls;
using Mesh.Net.Tls.OpenSsl;
using Mesh.Sim.Net;
using Mesh.Tests.Net.Contract;

namespace Mesh.SystemTests.Net;

/// <summary>Native memory is not the collector's: what goes must be given back. Measures the whole process, so it runs alone.</summary>
[Collection(nameof(Alone))]
public sealed class TlsMemoryTests
{
    private static readonly SimAuthority Root = SimAuthority.Root();
    private static readonly SimIdentity Workload = Root.Workload();

    private static readonly TlsSettings Client = new() { Side = TlsSide.Client, Certificates = [Workload.Tls], TrustedRootsPem = Root.RootPem };

    private static readonly TlsSettings Server = Client with { Side = TlsSide.Server, ClientCertificate = ClientCertificate.Required };

    [Fact]
    public void Connections_that_came_and_went_leave_nothing_behind()
    {
        const int rounds = 400;
        using var rig = new LoopRig(new EpollTransport());
        var provider = new OpenSslProvider(new SimClock());
        using var server = provider.CreateContext(Server);
        using var client = provider.CreateContext(Client);
        rig.Run(() => Rounds(rig, client, server, rounds));
        var before = ResidentKilobytes();
        rig.Run(() => Rounds(rig, client, server, rounds));

        // One connection is 20 KB of native memory: 400 of them lost would be 16 MB on both sides together.
        Assert.InRange(ResidentKilobytes() - before, -100_000, 4_000);
    }

    [Fact]
    public void Contexts_that_were_replaced_and_forgotten_are_freed()
    {
        var provider = new OpenSslProvider(new SimClock());
        Forget(provider, 200);
        var before = ResidentKilobytes();
        for (var i = 0; i < 8; i++) Forget(provider, 200);

        // One context is more than 10 KB, so 1,600 of them would show.
        Assert.InRange(ResidentKilobytes() - before, -100_000, 8_000);
    }

    private static void Forget(OpenSslProvider provider, int count)
    {
        for (var i = 0; i < count; i++) provider.CreateContext(Server);
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    private static async ValueTask Rounds(LoopRig rig, TlsContext client, TlsContext server, int rounds)
    {
        for (var i = 0; i < rounds; i++)
        {
            var (connected, accepted) = await rig.ShakeAsync(client, server);
            connected.Connection!.Close();
            accepted.Connection!.Close();
        }

        GC.Collect();
    }

    private static long ResidentKilobytes() =>
        long.Parse(File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmRSS", StringComparison.Ordinal)).Split((char[])[' ', '\t', 'k'], StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture);
}
