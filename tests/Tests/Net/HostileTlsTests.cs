using Mesh.Net;
using Mesh.Net.Tls;
using Mesh.Net.Tls.OpenSsl;
using Mesh.Sim.Net;
using Mesh.Tests.Net.Contract;

namespace Mesh.Tests.Net;

/// <summary>What a peer may try at a TLS port: each ends in a refusal or at the deadline, and the next valid client is served.</summary>
public sealed class HostileTlsTests
{
    private static readonly SimAuthority Root = SimAuthority.Root();
    private static readonly SimIdentity Workload = Root.Workload();

    private static readonly TlsSettings Client = new() { Side = TlsSide.Client, Certificates = [Workload.Tls], TrustedRootsPem = Root.RootPem };

    private static readonly TlsSettings Server = Client with { Side = TlsSide.Server, ClientCertificate = ClientCertificate.Required, VersionMin = TlsVersion.Tls13 };

    [Fact]
    public void Silence_is_cut_at_the_deadline() => Attack((_, _) => ValueTask.CompletedTask, IoStatus.TimedOut);

    [Fact]
    public void Half_a_hello_and_then_silence_is_cut_at_the_deadline() => Attack(
        async (client, hello) => await client.WriteAsync(hello.AsMemory(0, hello.Length / 2), client.Soon()), IoStatus.TimedOut);

    [Fact]
    public void A_hello_that_drips_is_cut_at_the_deadline() => Attack(async (client, hello) =>
    {
        foreach (var one in hello)
        {
            if (await client.WriteAsync(new[] { one }, client.Soon()) != IoStatus.Ok) return;
            await client.Loop.Delay(TimeSpan.FromMilliseconds(200));
        }
    }, IoStatus.TimedOut);

    [Fact]
    public void A_hello_of_a_megabyte_is_refused() => Attack(
        async (client, _) => await client.WriteAsync(Records(22, [1, 0x0F, 0xFF, 0xFF, .. new byte[200_000]]), client.Soon()), IoStatus.TlsFailed);

    [Fact]
    public void A_flood_of_empty_records_is_refused() => Attack(
        async (client, _) => await client.WriteAsync(Enumerable.Repeat((byte[])[22, 3, 1, 0, 0], 5000).SelectMany(r => r).ToArray(), client.Soon()), IoStatus.TlsFailed);

    [Fact]
    public void A_flood_of_warning_alerts_is_refused() => Attack(
        async (client, _) => await client.WriteAsync(Enumerable.Repeat((byte[])[21, 3, 1, 0, 2, 1, 100], 5000).SelectMany(r => r).ToArray(), client.Soon()), IoStatus.TlsFailed);

    [Fact]
    public void A_record_longer_than_allowed_is_refused() => Attack(
        async (client, _) => await client.WriteAsync((byte[])[22, 3, 1, 0xFF, 0xFF, .. new byte[1000]], client.Soon()), IoStatus.TlsFailed);

    [Fact]
    public void Application_data_before_the_handshake_is_refused() => Attack(
        async (client, _) => await client.WriteAsync((byte[])[23, 3, 3, 0, 5, 1, 2, 3, 4, 5], client.Soon()), IoStatus.TlsFailed);

    [Fact]
    public void A_hello_twice_is_refused() => Attack(
        async (client, hello) => await client.WriteAsync((byte[])[.. hello, .. hello], client.Soon()), IoStatus.TlsFailed);

    [Fact]
    public void A_client_that_goes_away_in_the_middle_is_a_reset() => Attack(
        async (client, hello) =>
        {
            await client.WriteAsync(hello, client.Soon());
            client.Close();
        },
        IoStatus.Reset);

    [Fact]
    public void Changed_bytes_after_the_handshake_end_the_connection_with_a_reason()
    {
        using var rig = new MemoryRig(SimConditions.Calm);
        var provider = new OpenSslProvider(new SimClock());
        using var server = provider.CreateContext(Server);
        using var client = provider.CreateContext(Client);
        rig.Run(async () =>
        {
            var (near, far) = await rig.PairAsync();
            var outcome = await Talk.ShakeAsync(client, near, server, far);
            await near.WriteAsync((byte[])[23, 3, 3, 0, 32, .. new byte[32]], near.Soon());

            var connection = outcome.Server.Connection!;
            Assert.Equal(IoStatus.TlsFailed, await connection.FillAsync(connection.Soon()));
            Assert.NotNull(connection.FailureReason);
            Assert.False(connection.IsOpen);
            connection.Close();
            outcome.Client.Connection!.Abort();
        });
    }

    [Fact]
    public void A_cut_without_goodbye_is_a_reset_and_not_an_end()
    {
        using var rig = new MemoryRig(SimConditions.Calm);
        var provider = new OpenSslProvider(new SimClock());
        using var server = provider.CreateContext(Server);
        using var client = provider.CreateContext(Client);
        rig.Run(async () =>
        {
            var (near, far) = await rig.PairAsync();
            var outcome = await Talk.ShakeAsync(client, near, server, far);
            near.ShutdownWrite();

            Assert.Equal(IoStatus.Reset, await outcome.Server.Connection!.FillAsync(far.Soon()));
            outcome.Server.Connection.Close();
            outcome.Client.Connection!.Abort();
        });
    }

    // The attacker has a plain connection and what an honest client would say first.
    private static void Attack(Func<Connection, byte[], ValueTask> attack, IoStatus expected)
    {
        using var rig = new MemoryRig(SimConditions.Calm);
        var provider = new OpenSslProvider(new SimClock());
        using var server = provider.CreateContext(Server);
        using var client = provider.CreateContext(Client);
        rig.Run(async () =>
        {
            var hello = await FirstFlightAsync(rig, client);
            var (near, far) = await rig.PairAsync();
            var accepting = server.HandshakeAsync(far, Deadline.After(rig.Loop.Clock, TimeSpan.FromSeconds(5)));
            var attacking = attack(near, hello);
            var outcome = await accepting;
            await attacking;
            near.Abort();

            Assert.Equal(expected, outcome.Status);
            Assert.NotNull(outcome.Reason);
            var honest = await rig.ShakeAsync(client, server);
            Assert.Equal((IoStatus.Ok, IoStatus.Ok), (honest.Client.Status, honest.Server.Status));
            Assert.True(await Talk.ExchangeAsync(honest.Client.Connection!, honest.Server.Connection!));
            honest.Client.Connection!.Abort();
            honest.Server.Connection!.Abort();
            await rig.Loop.Delay(TimeSpan.FromSeconds(2));
        });
        Assert.Equal(0, rig.Loop.Buffers.RentedBytes);
    }

    private static async ValueTask<byte[]> FirstFlightAsync(IConnectionRig rig, TlsContext client)
    {
        var (near, far) = await rig.PairAsync();
        var shaking = client.HandshakeAsync(near, near.Soon());
        await far.FillAsync(far.Soon());
        var hello = far.Input.Span.ToArray();
        far.Abort();
        await shaking;
        return hello;
    }

    private static byte[] Records(byte type, byte[] content)
    {
        var result = new List<byte>();
        foreach (var piece in content.Chunk(16 * 1024)) result.AddRange([type, 3, 1, (byte)(piece.Length >> 8), (byte)piece.Length, .. piece]);
        return [.. result];
    }
}
