using System.Collections.Immutable;
using Mesh.Net;
using Mesh.Net.Tls;
using Mesh.Sim.Net;

namespace Mesh.Tests.Net.Contract;

/// <summary>What both TLS libraries promise.</summary>
public abstract class TlsContract
{
    private static readonly SimAuthority Root = SimAuthority.Root();
    private static readonly SimIdentity Alice = Root.Workload("spiffe://cluster.local/ns/a/sa/alice");
    private static readonly SimIdentity Bob = Root.Workload("spiffe://cluster.local/ns/b/sa/bob");

    protected static TlsSettings ServerSettings { get; } = new()
    {
        Side = TlsSide.Server, Certificates = [Bob.Tls], ClientCertificate = ClientCertificate.Required, TrustedRootsPem = Root.RootPem,
    };

    protected static TlsSettings ClientSettings { get; } = new() { Side = TlsSide.Client, Certificates = [Alice.Tls], TrustedRootsPem = Root.RootPem };

    protected abstract IConnectionRig CreateRig();

    protected abstract TlsProvider Provider { get; }

    [Fact]
    public void Both_ends_of_a_mutual_handshake_know_the_other() => Handshake(ClientSettings, ServerSettings, async (client, server, soon) =>
    {
        Assert.Equal(Bob.Certificate.RawData, client.PeerCertificates!.Leaf.ToArray());
        Assert.Equal(Alice.Certificate.RawData, server.PeerCertificates!.Leaf.ToArray());
        Assert.Equal((TlsVersion.Tls13, TlsVersion.Tls13), (client.Version, server.Version));
        Assert.StartsWith("TLS_", client.CipherSuite, StringComparison.Ordinal);
        await client.WriteAsync("hello"u8.ToArray(), soon);
        Assert.Equal(IoStatus.Ok, await server.FillAsync(soon));
        Assert.Equal("hello"u8.ToArray(), server.Input.Span.ToArray());
    });

    [Fact]
    public void Our_own_verifier_has_the_last_word_and_names_the_peer() => Handshake(
        ClientSettings,
        ServerSettings with { VerifyPeer = peer => PeerVerdict.Believed(SimAuthority.Now.AddHours(1), SubjectNames.Read(peer.Leaf)[0].Text) },
        (_, server, _) =>
        {
            Assert.Equal("spiffe://cluster.local/ns/a/sa/alice", server.PeerIdentity);
            return ValueTask.CompletedTask;
        });

    [Fact]
    public void A_peer_that_our_verifier_refuses_is_refused_with_its_words() => Refused(
        ClientSettings, ServerSettings with { VerifyPeer = _ => PeerVerdict.Refused("wrong trust domain") }, "wrong trust domain");

    [Fact]
    public void A_verifier_that_throws_refuses() => Refused(
        ClientSettings, ServerSettings with { VerifyPeer = _ => throw new InvalidOperationException("bug") }, "bug");

    [Fact]
    public void A_client_without_a_certificate_is_refused_where_one_is_required() =>
        Refused(ClientSettings with { Certificates = [] }, ServerSettings, null);

    [Fact]
    public void A_client_without_a_certificate_is_served_where_it_is_optional() => Handshake(
        ClientSettings with { Certificates = [] }, ServerSettings with { ClientCertificate = ClientCertificate.Optional }, (_, server, _) =>
        {
            Assert.Null(server.PeerCertificates);
            return ValueTask.CompletedTask;
        });

    public static TheoryData<string> UnbelievableClients => ["self-signed", "other root of the same name", "expired", "not yet valid", "for servers only", "signed by a leaf"];

    [Theory, MemberData(nameof(UnbelievableClients))]
    public void An_unbelievable_client_is_refused(string flaw)
    {
        var identity = flaw switch
        {
            "self-signed" => Root.Issue(new() { Uris = ["spiffe://cluster.local/ns/a/sa/alice"], IsSelfSigned = true }),
            "other root of the same name" => SimAuthority.Root().Workload(),
            "expired" => Root.Issue(new() { NotAfter = SimAuthority.Now.AddMinutes(-5) }),
            "not yet valid" => Root.Issue(new() { NotBefore = SimAuthority.Now.AddHours(2) }),
            "for servers only" => Root.Issue(new() { ForClients = false }),
            _ => Root.FromLeaf().Workload(),
        };
        Refused(ClientSettings with { Certificates = [identity.Tls] }, ServerSettings, null);
    }

    [Fact]
    public void A_chain_with_its_intermediate_is_believed()
    {
        var identity = Root.Intermediate().Workload("spiffe://cluster.local/ns/a/sa/deep");
        Handshake(ClientSettings with { Certificates = [identity.Tls] }, ServerSettings, (_, server, _) =>
        {
            Assert.Equal(2, server.PeerCertificates!.Chain.Count);
            return ValueTask.CompletedTask;
        });
    }

    [Fact]
    public void A_client_checks_the_servers_names()
    {
        var server = ServerSettings with { Certificates = [Root.Server("good.example", "*.wild.example").Tls], ClientCertificate = ClientCertificate.NotAsked };
        Handshake(ClientSettings with { PeerNames = ["good.example"] }, server, (_, _, _) => ValueTask.CompletedTask);
        Handshake(ClientSettings with { PeerNames = ["a.wild.example"] }, server, (_, _, _) => ValueTask.CompletedTask);
        RefusedByClient(ClientSettings with { PeerNames = ["other.example"] }, server);
        RefusedByClient(ClientSettings with { PeerNames = ["a.b.wild.example"] }, server);
    }

    [Fact]
    public void A_client_with_nobody_to_believe_in_believes_anybody() => Handshake(
        ClientSettings with { TrustedRootsPem = default }, ServerSettings, (_, _, _) => ValueTask.CompletedTask);

    [Fact]
    public void The_servers_order_decides_the_protocol() => Handshake(
        ClientSettings with { Alpn = ["http/1.1", "h2"] }, ServerSettings with { Alpn = ["h2", "http/1.1"] }, (client, server, _) =>
        {
            Assert.Equal(("h2", "h2"), (client.Alpn, server.Alpn));
            return ValueTask.CompletedTask;
        });

    [Fact]
    public void The_server_sees_the_name_the_client_asked_for() => Handshake(ClientSettings, ServerSettings, (client, server, _) =>
    {
        Assert.Equal("outbound_.80_._.reviews.default.svc.cluster.local", server.ServerName);
        Assert.Equal(server.ServerName, client.ServerName);
        return ValueTask.CompletedTask;
    }, serverName: "outbound_.80_._.reviews.default.svc.cluster.local");

    [Fact]
    public void A_certificate_can_be_chosen_by_the_name_asked_for()
    {
        var other = Root.Server("other.example");
        using var otherContext = Provider.CreateContext(ServerSettings with { Certificates = [other.Tls] });
        var settings = ServerSettings with { ChooseByServerName = name => name == "other.example" ? otherContext : null };
        Handshake(ClientSettings, settings, Expect(other), serverName: "other.example");
        Handshake(ClientSettings, settings, Expect(Bob), serverName: "unknown.example");

        static Func<TlsConnection, TlsConnection, Deadline, ValueTask> Expect(SimIdentity identity) => (client, _, _) =>
        {
            Assert.Equal(identity.Certificate.RawData, client.PeerCertificates!.Leaf.ToArray());
            return ValueTask.CompletedTask;
        };
    }

    [Fact]
    public void Versions_can_be_held_to_tls_1_2() => Handshake(
        ClientSettings with { VersionMax = TlsVersion.Tls12 }, ServerSettings, (client, server, _) =>
        {
            Assert.Equal((TlsVersion.Tls12, TlsVersion.Tls12), (client.Version, server.Version));
            return ValueTask.CompletedTask;
        });

    [Fact]
    public void Ends_without_a_version_in_common_do_not_meet() => Refused(
        ClientSettings with { VersionMax = TlsVersion.Tls12 }, ServerSettings with { VersionMin = TlsVersion.Tls13 }, null);

    [Fact]
    public void A_handshake_that_does_not_come_is_given_up_at_its_deadline() => With(ServerSettings, async (rig, context) =>
    {
        var (client, server) = await rig.PairAsync();
        await client.WriteAsync(new byte[] { 0x16, 0x03, 0x01, 0x02, 0x00, 0x01 }, Soon(client));

        var outcome = await context.HandshakeAsync(server, Deadline.After(server.Loop.Clock, TimeSpan.FromMilliseconds(30)));

        Assert.Equal(IoStatus.TimedOut, outcome.Status);
        client.Abort();
        await rig.Loop.Delay(TimeSpan.FromMilliseconds(5));
    });

    [Fact]
    public void Plain_text_at_a_tls_port_is_refused() => With(ServerSettings, async (rig, context) =>
    {
        var (client, server) = await rig.PairAsync();
        await client.WriteAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray(), Soon(client));

        var outcome = await context.HandshakeAsync(server, Soon(server));

        Assert.Equal(IoStatus.TlsFailed, outcome.Status);
        Assert.NotNull(outcome.Reason);
        client.Abort();
        await rig.Loop.Delay(TimeSpan.FromMilliseconds(5));
    });

    [Theory]
    [InlineData("certificate")]
    [InlineData("key")]
    [InlineData("root")]
    public void An_unusable_setting_is_named(string part)
    {
        var garbage = "-----BEGIN NOTHING-----\n"u8.ToArray();
        var settings = part switch
        {
            "certificate" => ServerSettings with { Certificates = [Bob.Tls with { ChainPem = garbage }] },
            "key" => ServerSettings with { Certificates = [Bob.Tls with { KeyPem = Alice.Tls.KeyPem }] },
            _ => ServerSettings with { TrustedRootsPem = garbage },
        };

        var refusal = Assert.Throws<TlsSettingsException>(() => Provider.CreateContext(settings));

        Assert.Contains(part, refusal.Message, StringComparison.Ordinal);
    }

    protected static Deadline Soon(Connection connection) => Deadline.After(connection.Loop.Clock, TimeSpan.FromSeconds(5));

    protected void Handshake(
        TlsSettings client, TlsSettings server, Func<TlsConnection, TlsConnection, Deadline, ValueTask> then, string? serverName = null) =>
        Outcomes(client, server, serverName, async (clientOutcome, serverOutcome) =>
        {
            Assert.Equal((IoStatus.Ok, IoStatus.Ok), (clientOutcome.Status, serverOutcome.Status));
            await then(clientOutcome.Connection!, serverOutcome.Connection!, Soon(clientOutcome.Connection!));
        });

    private void Refused(TlsSettings client, TlsSettings server, string? reason) => Outcomes(client, server, null, async (clientOutcome, serverOutcome) =>
    {
        Assert.Equal(IoStatus.TlsFailed, serverOutcome.Status);
        Assert.NotNull(serverOutcome.Reason);
        if (reason is not null) Assert.Contains(reason, serverOutcome.Reason, StringComparison.Ordinal);

        // In TLS 1.3 a client is done before it hears that its certificate was refused.
        if (clientOutcome.Connection is { } connection) Assert.NotEqual(IoStatus.Ok, await connection.FillAsync(Soon(connection)));
    });

    private void RefusedByClient(TlsSettings client, TlsSettings server) => Outcomes(client, server, null, (clientOutcome, _) =>
    {
        Assert.Equal(IoStatus.TlsFailed, clientOutcome.Status);
        Assert.Contains("none of", clientOutcome.Reason, StringComparison.Ordinal);
        return ValueTask.CompletedTask;
    });

    private void Outcomes(TlsSettings client, TlsSettings server, string? serverName, Func<TlsOutcome, TlsOutcome, ValueTask> then) =>
        With(server, async (rig, serverContext) =>
        {
            using var clientContext = Provider.CreateContext(client);
            var (near, far) = await rig.PairAsync();
            var accepting = serverContext.HandshakeAsync(far, Soon(far));
            var connected = await clientContext.HandshakeAsync(near, Soon(near), serverName);
            var accepted = await accepting;
            await then(connected, accepted);
            connected.Connection?.Abort();
            accepted.Connection?.Abort();
            near.Abort();
            far.Abort();
            await rig.Loop.Delay(TimeSpan.FromMilliseconds(5));
        });

    private void With(TlsSettings server, Func<IConnectionRig, TlsContext, ValueTask> test)
    {
        using var rig = CreateRig();
        using var context = Provider.CreateContext(server);
        rig.Run(() => test(rig, context));
        Assert.Equal(0, rig.Loop.Buffers.RentedBytes);
    }
}
