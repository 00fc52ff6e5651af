using Mesh.Net;
using Mesh.Net.Tls;
using Mesh.Net.Tls.OpenSsl;
using Mesh.Sim.Net;
using Mesh.Tests.Net.Contract;

namespace Mesh.Tests.Net;

/// <summary>What libssl does beyond the contract: resumption, remembered verdicts, revocation, several certificates.</summary>
public sealed class OpenSslSessionTests
{
    private static readonly SimAuthority Root = SimAuthority.Root();
    private static readonly SimIdentity Alice = Root.Workload("spiffe://cluster.local/ns/a/sa/alice");
    private static readonly SimIdentity Bob = Root.Workload("spiffe://cluster.local/ns/b/sa/bob");

    private static readonly TlsSettings Server = new()
    {
        Side = TlsSide.Server, Certificates = [Bob.Tls], ClientCertificate = ClientCertificate.Required, TrustedRootsPem = Root.RootPem,
    };

    private static readonly TlsSettings Client = new() { Side = TlsSide.Client, Certificates = [Alice.Tls], TrustedRootsPem = Root.RootPem };

    // Who asks for no certificate gives tickets.
    private static readonly TlsSettings Front = new() { Side = TlsSide.Server, Certificates = [Bob.Tls], Resumption = true };

    [Theory]
    [InlineData(TlsVersion.Tls12)]
    [InlineData(TlsVersion.Tls13)]
    public void A_client_comes_back_with_its_ticket_and_knows_the_server_still(TlsVersion version)
    {
        Rounds(Client with { Resumption = true, VersionMax = version, VerifyPeer = Name }, Front, (round, client, accepted) =>
        {
            Assert.Equal(round > 0, client.IsResumed);
            Assert.Equal(round > 0, accepted.IsResumed);
            Assert.Equal("spiffe://cluster.local/ns/b/sa/bob", client.PeerIdentity);
            Assert.Equal(Bob.Certificate.RawData, client.PeerCertificates!.Leaf.ToArray());
        });
    }

    [Theory]
    [InlineData(TlsVersion.Tls12)]
    [InlineData(TlsVersion.Tls13)]
    public void Nothing_is_resumed_unless_both_sides_want_it(TlsVersion version)
    {
        Rounds(Client with { Resumption = true, VersionMax = version }, Front with { Resumption = false }, (_, client, _) => Assert.False(client.IsResumed));
        Rounds(Client with { VersionMax = version }, Front, (_, client, _) => Assert.False(client.IsResumed));
    }

    [Theory]
    [InlineData(TlsVersion.Tls12, ClientCertificate.Required)]
    [InlineData(TlsVersion.Tls13, ClientCertificate.Required)]
    [InlineData(TlsVersion.Tls13, ClientCertificate.Optional)]
    public void Who_shows_a_certificate_shows_it_on_every_connection(TlsVersion version, ClientCertificate asks) =>
        Rounds(Client with { Resumption = true, VersionMax = version }, Server with { Resumption = true, ClientCertificate = asks }, (_, client, accepted) =>
        {
            Assert.False(client.IsResumed);
            Assert.NotNull(accepted.PeerCertificates);
        });

    [Fact]
    public void A_ticket_is_good_at_every_loop_of_the_process_for_the_same_certificate_and_for_some_hours()
    {
        using var rig = new MemoryRig(SimConditions.Calm);
        var clock = new SimClock();
        var provider = new OpenSslProvider(clock);
        using var here = provider.CreateContext(Front);
        using var there = provider.CreateContext(Front);
        using var renewed = provider.CreateContext(Front with { Certificates = [Root.Workload("spiffe://cluster.local/ns/b/sa/bob").Tls] });
        using var client = provider.CreateContext(Client with { Resumption = true, VerifyPeer = Name });
        rig.Run(async () =>
        {
            var acceptor = rig.Loop.Transport.Listen(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 443));
            Assert.False(await IsResumedAsync(here));
            Assert.True(await IsResumedAsync(there));
            Assert.False(await IsResumedAsync(renewed));
            Assert.True(await IsResumedAsync(renewed));
            clock.MoveBy(TimeSpan.FromHours(12));
            Assert.False(await IsResumedAsync(renewed));
            acceptor.Close();

            async Task<bool> IsResumedAsync(TlsContext server)
            {
                var outcome = await ShakeAsync(rig, acceptor, client, server);
                Assert.True(await Talk.ExchangeAsync(outcome.Client.Connection!, outcome.Server.Connection!));
                Close(outcome);
                Assert.Equal(outcome.Client.Connection!.IsResumed, outcome.Server.Connection!.IsResumed);
                return outcome.Client.Connection!.IsResumed;
            }
        });
    }

    [Fact]
    public void A_session_whose_peers_verdict_ran_out_is_not_resumed()
    {
        using var rig = new MemoryRig(SimConditions.Calm);
        var clock = new SimClock();
        var provider = new OpenSslProvider(clock);
        using var server = provider.CreateContext(Front);
        using var client = provider.CreateContext(Client with { Resumption = true, VerifyPeer = peer => PeerVerdict.Believed(clock.GetUtcNow().AddMinutes(5), "bob") });
        rig.Run(async () =>
        {
            var acceptor = rig.Loop.Transport.Listen(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 443));
            var first = await ShakeAsync(rig, acceptor, client, server);
            Assert.True(await Talk.ExchangeAsync(first.Client.Connection!, first.Server.Connection!));
            Close(first);
            clock.MoveBy(TimeSpan.FromMinutes(6));

            var second = await ShakeAsync(rig, acceptor, client, server);
            Assert.Equal(IoStatus.TlsFailed, second.Client.Status);
            second.Server.Connection?.Abort();

            // The session was spent on the attempt, so the next handshake is a full one.
            var third = await ShakeAsync(rig, acceptor, client, server);
            Assert.Equal(IoStatus.Ok, third.Client.Status);
            Assert.False(third.Client.Connection!.IsResumed);
            Close(third);
            acceptor.Close();
        });
    }

    [Fact]
    public void The_same_chain_is_judged_once_until_its_verdict_runs_out()
    {
        using var rig = new MemoryRig(SimConditions.Calm);
        var clock = new SimClock();
        var provider = new OpenSslProvider(clock);
        var judged = 0;
        using var server = provider.CreateContext(Server with
        {
            VerifyPeer = _ =>
            {
                judged++;
                return PeerVerdict.Believed(clock.GetUtcNow().AddMinutes(5), "alice");
            },
        });
        using var client = provider.CreateContext(Client);
        rig.Run(async () =>
        {
            for (var i = 0; i < 5; i++) Close(await rig.ShakeAsync(client, server));
            Assert.Equal(1, judged);
            clock.MoveBy(TimeSpan.FromMinutes(5));
            Close(await rig.ShakeAsync(client, server));
            Assert.Equal(2, judged);
        });
    }

    [Fact]
    public void A_refusal_is_not_remembered()
    {
        using var rig = new MemoryRig(SimConditions.Calm);
        var provider = new OpenSslProvider(new SimClock());
        var believes = false;
        using var server = provider.CreateContext(Server with { VerifyPeer = _ => believes ? PeerVerdict.Believed(DateTimeOffset.MaxValue) : PeerVerdict.Refused("not yet") });
        using var client = provider.CreateContext(Client);
        rig.Run(async () =>
        {
            var refused = await rig.ShakeAsync(client, server);
            Assert.Equal("not yet", refused.Server.Reason);
            refused.Client.Connection?.Abort();
            believes = true;
            Close(await rig.ShakeAsync(client, server));
        });
    }

    [Fact]
    public void An_expired_certificate_is_refused_though_it_was_believed_before()
    {
        using var rig = new MemoryRig(SimConditions.Calm);
        var clock = new SimClock();
        var provider = new OpenSslProvider(clock);
        using var server = provider.CreateContext(Server);
        using var client = provider.CreateContext(Client with { TrustedRootsPem = default });
        rig.Run(async () =>
        {
            Close(await rig.ShakeAsync(client, server));
            clock.MoveBy(TimeSpan.FromDays(2));
            var late = await rig.ShakeAsync(client, server);
            Assert.Equal((IoStatus.TlsFailed, "certificate has expired"), (late.Server.Status, late.Server.Reason));
            late.Client.Connection?.Abort();
        });
    }

    [Fact]
    public void A_revoked_certificate_is_refused_and_others_are_not()
    {
        var revocations = Server with { RevocationListsPem = Root.Revoke(Alice.Certificate) };
        using var rig = new MemoryRig(SimConditions.Calm);
        var provider = new OpenSslProvider(new SimClock());
        using var server = provider.CreateContext(revocations);
        using var alice = provider.CreateContext(Client);
        using var bob = provider.CreateContext(Client with { Certificates = [Bob.Tls] });
        rig.Run(async () =>
        {
            var refused = await rig.ShakeAsync(alice, server);
            Assert.Equal("certificate revoked", refused.Server.Reason);
            refused.Client.Connection?.Abort();
            Close(await rig.ShakeAsync(bob, server));
        });
    }

    [Fact]
    public void Of_two_certificates_the_clients_algorithms_choose()
    {
        var rsa = Root.Issue(new() { DnsNames = ["a.example"], IsRsa = true });
        var ecdsa = Root.Issue(new() { DnsNames = ["a.example"] });
        using var rig = new MemoryRig(SimConditions.Calm);
        var provider = new OpenSslProvider(new SimClock());
        using var server = provider.CreateContext(Server with { Certificates = [rsa.Tls, ecdsa.Tls], ClientCertificate = ClientCertificate.NotAsked });
        using var onlyRsa = provider.CreateContext(Client with { VersionMax = TlsVersion.Tls12, CipherSuites = ["ECDHE-RSA-AES128-GCM-SHA256"] });
        using var onlyEcdsa = provider.CreateContext(Client with { VersionMax = TlsVersion.Tls12, CipherSuites = ["ECDHE-ECDSA-AES128-GCM-SHA256"] });
        rig.Run(async () =>
        {
            var first = await rig.ShakeAsync(onlyRsa, server);
            Assert.Equal(rsa.Certificate.RawData, first.Client.Connection!.PeerCertificates!.Leaf.ToArray());
            Close(first);
            var second = await rig.ShakeAsync(onlyEcdsa, server);
            Assert.Equal(ecdsa.Certificate.RawData, second.Client.Connection!.PeerCertificates!.Leaf.ToArray());
            Close(second);
        });
    }

    [Theory]
    [InlineData("AES128-SHA", "no shared cipher")]
    [InlineData("ECDHE-ECDSA-AES128-SHA", "no shared cipher")]
    [InlineData("AES128-GCM-SHA256", "no shared cipher")]
    public void Weak_suites_are_refused(string suite, string reason) =>
        Refused(Client with { VersionMax = TlsVersion.Tls12, CipherSuites = [suite] }, Server, reason);

    [Theory]
    [InlineData(TlsVersion.Tls10)]
    [InlineData(TlsVersion.Tls11)]
    public void Old_versions_are_refused_unless_asked_for(TlsVersion version)
    {
        var old = Client with { VersionMin = version, VersionMax = version, CipherSuites = ["ECDHE-ECDSA-AES128-SHA"] };
        Refused(old, Server, "unsupported protocol");
        Rounds(old, Server with { VersionMin = version, CipherSuites = ["ECDHE-ECDSA-AES128-SHA"] }, (_, client, _) => Assert.Equal(version, client.Version));
    }

    [Fact]
    public void Without_a_protocol_in_common_the_server_decides_whether_to_go_on()
    {
        var client = Client with { Alpn = ["smtp"] };
        Rounds(client, Server with { Alpn = ["h2"] }, (_, connection, _) => Assert.Null(connection.Alpn));
        Refused(client, Server with { Alpn = ["h2"], AlpnMismatchIsFatal = true }, "no application protocol");
    }

    [Theory]
    [InlineData("suite", "NO-SUCH-SUITE")]
    [InlineData("curve", "NO-SUCH-CURVE")]
    public void An_unknown_name_is_given_back(string what, string name)
    {
        var settings = what == "suite" ? Server with { CipherSuites = [name] } : Server with { Curves = [name] };

        var refusal = Assert.Throws<TlsSettingsException>(() => new OpenSslProvider(new SimClock()).CreateContext(settings));

        Assert.Contains(name, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_context_may_be_let_go_while_its_connections_live_on()
    {
        using var rig = new MemoryRig(SimConditions.Calm);
        var provider = new OpenSslProvider(new SimClock());
        var server = provider.CreateContext(Server);
        var client = provider.CreateContext(Client);
        rig.Run(async () =>
        {
            var outcome = await rig.ShakeAsync(client, server);
            client.Dispose();
            server.Dispose();
            Assert.True(await Talk.ExchangeAsync(outcome.Client.Connection!, outcome.Server.Connection!));
            Close(outcome);
        });
    }

    private static PeerVerdict Name(PeerCertificates peer) =>
        PeerVerdict.Believed(SimAuthority.Now.AddHours(1), SubjectNames.Read(peer.Leaf).First(n => n.Kind == PeerNameKind.Uri).Text);

    private static void Rounds(TlsSettings clientSettings, TlsSettings serverSettings, Action<int, TlsConnection, TlsConnection> look)
    {
        using var rig = new MemoryRig(SimConditions.Calm);
        var provider = new OpenSslProvider(new SimClock());
        using var server = provider.CreateContext(serverSettings);
        using var client = provider.CreateContext(clientSettings);
        rig.Run(async () =>
        {
            var acceptor = rig.Loop.Transport.Listen(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 443));
            for (var round = 0; round < 3; round++)
            {
                var outcome = await ShakeAsync(rig, acceptor, client, server);
                Assert.Equal((null, null), (outcome.Client.Reason, outcome.Server.Reason));
                Assert.True(await Talk.ExchangeAsync(outcome.Client.Connection!, outcome.Server.Connection!));
                look(round, outcome.Client.Connection!, outcome.Server.Connection!);
                Close(outcome);
            }

            acceptor.Close();
        });
    }

    // To the same address each time, so that there is something to resume.
    private static async ValueTask<(TlsOutcome Client, TlsOutcome Server)> ShakeAsync(IConnectionRig rig, Acceptor acceptor, TlsContext client, TlsContext server)
    {
        var soon = Deadline.After(rig.Loop.Clock, TimeSpan.FromSeconds(1));
        var (near, _) = await rig.Loop.Transport.ConnectAsync(acceptor.Local, soon);
        var (far, _) = await acceptor.AcceptAsync(soon);
        return await Talk.ShakeAsync(client, near!, server, far!, "b.example");
    }

    private static void Refused(TlsSettings clientSettings, TlsSettings serverSettings, string reason)
    {
        using var rig = new MemoryRig(SimConditions.Calm);
        var provider = new OpenSslProvider(new SimClock());
        using var server = provider.CreateContext(serverSettings);
        using var client = provider.CreateContext(clientSettings);
        rig.Run(async () =>
        {
            var outcome = await rig.ShakeAsync(client, server);
            Assert.Equal(IoStatus.TlsFailed, outcome.Server.Status);
            Assert.Contains(reason, outcome.Server.Reason, StringComparison.Ordinal);
            outcome.Client.Connection?.Abort();
        });
    }

    private static void Close((TlsOutcome Client, TlsOutcome Server) outcome)
    {
        Assert.Equal((IoStatus.Ok, IoStatus.Ok), (outcome.Client.Status, outcome.Server.Status));
        outcome.Client.Connection!.Close();
        outcome.Server.Connection!.Close();
    }
}
