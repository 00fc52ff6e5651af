using System.Runtime.InteropServices;
using Mesh.Net;
using Mesh.Net.Epoll;
using Mesh.Net.Tls;
using Mesh.Net.Tls.OpenSsl;
using Mesh.Sim.Net;
using Mesh.Tests.Net.Contract;

namespace Mesh.SystemTests.Net;

/// <summary>Native memory is not the collector's: what goes must be given back. Measures what the process holds of malloc's heap, so it runs alone.</summary>
[Collection(nameof(Alone))]
public sealed partial class TlsMemoryTests
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
        var before = NativeBytes();
        rig.Run(() => Rounds(rig, client, server, rounds));

        // One connection is 20 KB of native memory: 400 of them lost would be 16 MB on both sides together.
        Assert.True(NativeBytes() - before < 4_000_000);
    }

    [Fact]
    public void Contexts_that_were_replaced_and_forgotten_are_freed()
    {
        var provider = new OpenSslProvider(new SimClock());
        Forget(provider, 200);
        var before = NativeBytes();
        for (var i = 0; i < 8; i++) Forget(provider, 200);

        // One context is more than 10 KB, so 1,600 of them would show.
        Assert.True(NativeBytes() - before < 8_000_000);
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

    /// <summary>What libssl holds: the managed heap is not malloc's, so no collection moves this figure.</summary>
    private static long NativeBytes()
    {
        var info = MallInfo2();
        return (long)(info.InUse + info.Mapped);
    }

    [LibraryImport("libc", EntryPoint = "mallinfo2")]
    private static partial HeapFigures MallInfo2();

    /// <summary>glibc's <c>struct mallinfo2</c>, in its order (mallinfo(3)).</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct HeapFigures
    {
        public readonly nuint Arena, FreeChunks, FastChunks, MappedCount, Mapped, Unused, FastFree, InUse, Free, Releasable;
    }
}
