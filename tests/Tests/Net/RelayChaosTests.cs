using System.Net;
using Mesh.Net;
using Mesh.Net.Tls;
using Mesh.Net.Tls.OpenSsl;
using Mesh.Sim.Net;
using Mesh.Tests.Net.Contract;

namespace Mesh.Tests.Net;

/// <summary>
/// A client, two relays and a server, plain and inside mutual TLS between the relays, over a network that cuts, delays and breaks by the seed.
/// Whatever happens: what arrived is a prefix of what was sent, all of it when nobody broke anything; every relay ends; nothing is left open or rented.
/// </summary>
public sealed class RelayChaosTests
{
    private static readonly SimAuthority Root = SimAuthority.Root();
    private static readonly SimIdentity Workload = Root.Workload();

    private static readonly TlsSettings Client = new() { Side = TlsSide.Client, Certificates = [Workload.Tls], TrustedRootsPem = Root.RootPem };

    private static readonly TlsSettings Server = Client with { Side = TlsSide.Server, ClientCertificate = ClientCertificate.Required };

    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(30);

    [Fact]
    public void Through_plain_relays() => RunSeeds(150, isSecured: false);

    [Fact]
    public void Through_relays_with_mutual_tls_between() => RunSeeds(60, isSecured: true);

    private static void RunSeeds(int seeds, bool isSecured)
    {
        for (var seed = 1; seed <= seeds; seed++)
        {
            using var network = new SimNetwork(seed, SimConditions.Rough with { WindowBytes = 2048, SegmentBytesMax = 700 });
            var loop = network.CreateLoop(network.Host("a", "10.0.0.1"));
            var provider = new OpenSslProvider(network.Clock);
            using var client = provider.CreateContext(Client);
            using var server = provider.CreateContext(Server);
            var story = new Story(network, loop, isSecured ? (client, server) : null, new Random(seed));
            network.Run(loop, story.RunAsync, TimeSpan.FromMinutes(10));

            network.Advance(TimeSpan.FromMinutes(1));
            Assert.True(loop.Buffers.RentedBytes == 0, $"seed {seed}: {loop.Buffers.RentedBytes} bytes still rented");
            Assert.True(network.OpenConnections == 0, $"seed {seed}: {network.OpenConnections} connections still open");
        }
    }

    private sealed class Story(SimNetwork network, Loop loop, (TlsContext Client, TlsContext Server)? tls, Random random)
    {
        private static readonly IPEndPoint Outbound = new(IPAddress.Parse("10.0.0.1"), 15001);
        private static readonly IPEndPoint Inbound = new(IPAddress.Parse("10.0.0.1"), 15006);
        private static readonly IPEndPoint Application = new(IPAddress.Parse("10.0.0.1"), 80);

        private readonly byte[] _up = Bytes(random, 60_000);
        private readonly byte[] _down = Bytes(random, 60_000);
        private readonly List<byte> _upArrived = [];
        private readonly List<byte> _downArrived = [];

        private Deadline Soon => Deadline.After(loop.Clock, TimeSpan.FromMinutes(1));

        internal async ValueTask RunAsync()
        {
            var acceptors = new[] { loop.Transport.Listen(Outbound), loop.Transport.Listen(Inbound), loop.Transport.Listen(Application) };
            var outbound = RelayAsync(acceptors[0], Inbound, client: tls?.Client, server: null);
            var inbound = RelayAsync(acceptors[1], Application, client: null, server: tls?.Server);
            var application = TalkAsync(AcceptedAsync(acceptors[2]), _down, _upArrived);
            var caller = TalkAsync(ConnectedAsync(), _up, _downArrived);
            var fault = random.Next(5);
            if (fault > 0) await BreakAsync(fault);

            await caller;
            foreach (var acceptor in acceptors) acceptor.Close();
            await outbound;
            await inbound;
            await application;
            AssertPrefix(_up, _upArrived, isWhole: fault == 0);
            AssertPrefix(_down, _downArrived, isWhole: fault == 0);
        }

        private async ValueTask BreakAsync(int fault)
        {
            await loop.Delay(TimeSpan.FromMilliseconds(random.Next(1, 150)));
            var place = new[] { Outbound, Inbound, Application }[random.Next(3)];
            if (fault < 4) network.Reset(place);
            else network.Cut(place);
        }

        private async Task RelayAsync(Acceptor acceptor, IPEndPoint target, TlsContext? client, TlsContext? server)
        {
            if ((await acceptor.AcceptAsync(Soon)).Connection is not { } downstream) return;
            if (server is not null && (await server.HandshakeAsync(downstream, Soon)).Connection is var secured && (downstream = secured) is null) return;

            var upstream = (await loop.Transport.ConnectAsync(target, Soon)).Connection;
            if (upstream is not null && client is not null) upstream = (await client.HandshakeAsync(upstream, Soon)).Connection;
            if (upstream is not null) await Relay.RunAsync(downstream, upstream, Idle, new());
            upstream?.Close();
            downstream.Close();
        }

        // Sends all it has, then says its end; reads until the other's.
        private async Task TalkAsync(ValueTask<Connection?> connecting, byte[] words, List<byte> heard)
        {
            if (await connecting is not { } connection) return;

            var speaking = SpeakAsync(connection, words);
            while (await connection.FillAsync(Soon) == IoStatus.Ok)
            {
                heard.AddRange(connection.Input.Span);
                connection.Input.Consume(connection.Input.Length);
            }

            await speaking;
            connection.Close();
        }

        private async Task SpeakAsync(Connection connection, byte[] words)
        {
            for (var at = 0; at < words.Length;)
            {
                var length = Math.Min(words.Length - at, 1 + random.Next(9000));
                if (await connection.WriteAsync(words.AsMemory(at, length), Soon) != IoStatus.Ok) return;

                at += length;
            }

            connection.ShutdownWrite();
        }

        private async ValueTask<Connection?> AcceptedAsync(Acceptor acceptor) => (await acceptor.AcceptAsync(Soon)).Connection;

        private async ValueTask<Connection?> ConnectedAsync() => (await loop.Transport.ConnectAsync(Outbound, Soon)).Connection;

        private void AssertPrefix(byte[] sent, List<byte> arrived, bool isWhole)
        {
            Assert.True(sent.AsSpan().StartsWith(arrived.ToArray()), $"seed {network.Seed}: what arrived is not what was sent");
            if (isWhole) Assert.True(sent.Length == arrived.Count, $"seed {network.Seed}: {arrived.Count} of {sent.Length} bytes arrived though nothing broke");
        }

        private static byte[] Bytes(Random random, int lengthMax)
        {
            var bytes = new byte[random.Next(lengthMax)];
            random.NextBytes(bytes);
            return bytes;
        }
    }
}
