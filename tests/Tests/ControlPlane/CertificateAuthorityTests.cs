using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Istio.V1.Auth;
using Mesh.ControlPlane.Ca;

namespace Mesh.Tests.ControlPlane;

/// <summary>The certificate call, asked by honest and by hostile callers.</summary>
public sealed class CertificateAuthorityTests
{
    [Fact]
    public async Task The_identity_is_the_callers_and_nothing_that_the_request_says()
    {
        await using var rig = await ControlPlaneRig.StartAsync();
        var leaf = await Ask(rig, Csr(request =>
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddUri(new("spiffe://cluster.local/ns/kube-system/sa/admin"));
            names.AddDnsName("istiod.istio-system.svc");
            names.AddIpAddress(System.Net.IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        }), "demo", "client");

        var names = leaf.Extensions.OfType<X509SubjectAlternativeNameExtension>().Single();
        Assert.Equal(["spiffe://cluster.local/ns/demo/sa/client"], SubjectUris.Of(leaf));
        Assert.Empty(names.EnumerateDnsNames());
        Assert.Empty(names.EnumerateIPAddresses());
        Assert.False(leaf.Extensions.OfType<X509BasicConstraintsExtension>().Single().CertificateAuthority);
        Assert.False(leaf.Extensions.OfType<X509KeyUsageExtension>().Single().KeyUsages.HasFlag(X509KeyUsageFlags.KeyCertSign));
    }

    [Fact]
    public async Task The_chain_leads_to_the_root_that_is_handed_out()
    {
        await using var rig = await ControlPlaneRig.StartAsync();
        var chain = await AskChain(rig, Csr(), "demo", "client", 0);

        using var check = new X509Chain();
        check.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        check.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        check.ChainPolicy.CustomTrustStore.Add(X509Certificate2.CreateFromPem(chain[^1]));

        Assert.True(check.Build(X509Certificate2.CreateFromPem(chain[0])));
    }

    [Fact]
    public async Task A_life_of_a_hundred_years_is_cut_to_the_maximum_and_none_asked_is_a_day()
    {
        await using var rig = await ControlPlaneRig.StartAsync();
        var now = TimeProvider.System.GetUtcNow();

        var longest = X509Certificate2.CreateFromPem((await AskChain(rig, Csr(), "demo", "client", 3_153_600_000))[0]);
        var usual = X509Certificate2.CreateFromPem((await AskChain(rig, Csr(), "demo", "client", 0))[0]);

        Assert.InRange(longest.NotAfter.ToUniversalTime() - now, TimeSpan.FromDays(89), TimeSpan.FromDays(91));
        Assert.InRange(usual.NotAfter.ToUniversalTime() - now, TimeSpan.FromHours(23), TimeSpan.FromHours(25));
    }

    public static TheoryData<string, string> BadRequests => new()
    {
        { "", "CERTIFICATE REQUEST" },
        { "garbage", "CERTIFICATE REQUEST" },
        { Csr()[..200], "" },
        { new string('A', 5 << 20), "larger" },
        { Tampered(), "own key" },
        { WeakRsa(), "2048" },
    };

    [Theory, MemberData(nameof(BadRequests))]
    public async Task A_request_that_cannot_be_trusted_is_refused_with_a_reason(string csr, string reason)
    {
        await using var rig = await ControlPlaneRig.StartAsync();

        var fault = await Assert.ThrowsAsync<RpcException>(() => AskChain(rig, csr, "demo", "client", 0));

        Assert.Equal(StatusCode.InvalidArgument, fault.StatusCode);
        Assert.Contains(reason, fault.Status.Detail);
    }

    [Fact]
    public async Task Without_a_good_token_there_is_no_certificate()
    {
        await using var rig = await ControlPlaneRig.StartAsync();
        using var channel = rig.Plain();
        var client = new IstioCertificateService.IstioCertificateServiceClient(channel);

        foreach (var header in (string?[])[null, "Bearer ", "Bearer a.b.c", "Basic eDp5"])
        {
            var metadata = new Metadata();
            if (header is not null) metadata.Add("authorization", header);
            var fault = await Assert.ThrowsAsync<RpcException>(async () => await client.CreateCertificateAsync(new() { Csr = Csr() }, metadata));
            Assert.Equal(StatusCode.Unauthenticated, fault.StatusCode);
        }
    }

    [Fact]
    public void A_token_that_is_over_or_of_another_signer_belongs_to_nobody()
    {
        var time = new Mesh.Tests.Proxy.Security.ManualTime(TimeProvider.System.GetUtcNow());
        var tokens = LocalTokens.Fresh(time);
        var token = tokens.Issue(new("demo", "client"), TimeSpan.FromMinutes(5));

        Assert.NotNull(tokens.Verify(token, out _));
        Assert.Null(LocalTokens.Fresh(time).Verify(token, out _));
        Assert.Null(tokens.Verify(token[..^4] + "AAAA", out _));
        Assert.Null(tokens.Verify(new string('a', 10_000) + ".b.c", out _));
        time.Advance(TimeSpan.FromMinutes(5.1));
        Assert.Null(tokens.Verify(token, out var problem));
        Assert.Equal("the token has expired", problem);
    }

    [Fact]
    public async Task Nobody_gets_a_certificate_of_somebody_else()
    {
        await using var rig = await ControlPlaneRig.StartAsync();
        using var channel = rig.Plain();
        var client = new IstioCertificateService.IstioCertificateServiceClient(channel);
        var request = new IstioCertificateRequest { Csr = Csr(), Metadata = new() };
        request.Metadata.Fields["ImpersonatedIdentity"] = Google.Protobuf.WellKnownTypes.Value.ForString("spiffe://cluster.local/ns/x/sa/y");

        var fault = await Assert.ThrowsAsync<RpcException>(async () => await client.CreateCertificateAsync(request, Authorization(rig, "demo", "client")));

        Assert.Equal(StatusCode.PermissionDenied, fault.StatusCode);
    }

    [Fact]
    public void Plugged_in_certificates_sign_with_their_whole_chain()
    {
        using var folder = new PluggedInCertificates();

        var material = SigningMaterial.FromFolder(folder.Path, DateTimeOffset.UtcNow);

        Assert.Equal(["CN=intermediate", "CN=root"], material.Chain.Select(c => c.SubjectDN.ToString()));
        Assert.Equal(["CN=root"], material.Roots.Select(c => c.SubjectDN.ToString()));
    }

    [Theory]
    [InlineData("ca-key.pem", "other.key", "not the key")]
    [InlineData("root-cert.pem", "other.pem", "has signed")]
    [InlineData("ca-cert.pem", "leaf.pem", "no CA certificate")]
    [InlineData("ca-cert.pem", "", "no certificate")]
    public void A_plugged_in_folder_that_does_not_fit_says_what_is_wrong(string file, string replacement, string words)
    {
        using var folder = new PluggedInCertificates();
        folder.Replace(file, replacement);

        var fault = Assert.Throws<InvalidDataException>(() => SigningMaterial.FromFolder(folder.Path, DateTimeOffset.UtcNow));

        Assert.Contains(words, fault.Message);
    }

    [Theory]
    [InlineData("spiffe://cluster.local/ns/demo/sa/client", true)]
    [InlineData("spiffe://other.domain/ns/demo/sa/client", false)]
    [InlineData("spiffe://cluster.local/ns/demo/sa/client/x", false)]
    [InlineData("spiffe://cluster.local/ns//sa/client", false)]
    [InlineData("spiffe://cluster.local/ns/demo/sa/..", false)]
    [InlineData("spiffe://cluster.local/ns/DEMO/sa/client", false)]
    public void Only_a_whole_spiffe_id_of_the_trust_domain_is_an_identity(string uri, bool isIdentity) =>
        Assert.Equal(isIdentity, CallerIdentity.FromSpiffe(uri, "cluster.local") is not null);

    private static async Task<X509Certificate2> Ask(ControlPlaneRig rig, string csr, string space, string account) =>
        X509Certificate2.CreateFromPem((await AskChain(rig, csr, space, account, 0))[0]);

    private static async Task<IReadOnlyList<string>> AskChain(ControlPlaneRig rig, string csr, string space, string account, long seconds)
    {
        using var channel = rig.Plain();
        var client = new IstioCertificateService.IstioCertificateServiceClient(channel);
        var answer = await client.CreateCertificateAsync(new() { Csr = csr, ValidityDuration = seconds }, Authorization(rig, space, account));
        return answer.CertChain;
    }

    private static Metadata Authorization(ControlPlaneRig rig, string space, string account) => new() { { "authorization", $"Bearer {rig.Token(space, account)}" } };

    private static string Csr(Action<CertificateRequest>? change = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("O=anything", key, HashAlgorithmName.SHA256);
        change?.Invoke(request);
        return request.CreateSigningRequestPem();
    }

    private static string WeakRsa()
    {
        using var key = RSA.Create(1024);
        return new CertificateRequest("O=x", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequestPem();
    }

    private static string Tampered()
    {
        var csr = Csr();
        var der = Convert.FromBase64String(csr[PemEncoding.Find(csr).Base64Data]);
        der[^1] ^= 1;
        return PemEncoding.WriteString("CERTIFICATE REQUEST", der);
    }
}
