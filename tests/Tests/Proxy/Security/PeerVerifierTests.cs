using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Mesh.Net.Tls;
using Mesh.Proxy.Config;
using Mesh.Proxy.Security;

namespace Mesh.Tests.Proxy.Security;

/// <summary>Which certificates a workload is believed by: the vectors of the reliability catalogue for mutual TLS.</summary>
public sealed class PeerVerifierTests
{
    private const string Id = "spiffe://cluster.local/ns/demo/sa/client";
    private static readonly DateTimeOffset Now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static readonly Authority Root = new("Mesh Root");

    [Fact]
    public void A_workload_certificate_is_believed_and_says_who_it_is()
    {
        var verdict = Judge(Root.Issue([Id]));
        Assert.True(verdict.IsBelieved, verdict.Refusal);
        var identity = Assert.IsType<PeerIdentity>(verdict.Identity);
        Assert.Equal((Id, "demo", "client"), (identity.SpiffeId, identity.Namespace, identity.ServiceAccount));
    }

    [Fact]
    public void A_chain_over_an_intermediate_is_believed()
    {
        var middle = Root.Intermediate("Mesh Intermediate");
        Assert.True(Judge(middle.Issue([Id]), middle.Certificate).IsBelieved);
    }

    [Fact]
    public void A_self_signed_certificate_with_the_right_name_is_refused() => Refused(SelfSigned());

    [Fact]
    public void Another_authority_of_the_same_name_is_refused() => Refused(new Authority("Mesh Root").Issue([Id]));

    [Fact]
    public void An_expired_certificate_is_refused() => Refused(Root.Issue([Id], from: Now.AddDays(-2), to: Now.AddHours(-1)));

    [Fact]
    public void A_certificate_of_tomorrow_is_refused() => Refused(Root.Issue([Id], from: Now.AddDays(1), to: Now.AddDays(2)));

    [Fact]
    public void Two_identities_in_one_certificate_are_refused() => Refused(Root.Issue([Id, "spiffe://cluster.local/ns/demo/sa/admin"]));

    [Theory]
    [InlineData("spiffe://cluster.local/ns/demo/sa/client\0.evil")]
    [InlineData("spiffe://cluster.local/ns/demo/../admin/sa/client")]
    [InlineData("spiffe://cluster.local//ns/demo/sa/client")]
    [InlineData("spiffe:///ns/demo/sa/client")]
    [InlineData("SPIFFE://cluster.local/ns/demo/sa/client")]
    [InlineData("spiffe://cluster.local/ns/de%6do/sa/client")]
    public void A_malformed_identity_is_refused(string id) => Refused(Root.Issue([id]));

    [Fact]
    public void A_leaf_that_is_an_authority_is_refused() => Refused(Root.Issue([Id], isAuthority: true));

    [Fact]
    public void A_certificate_issued_by_a_leaf_is_refused()
    {
        var leaf = Root.IssueAuthority("leaf", isAuthority: false);
        Refused(leaf.Issue([Id]), leaf.Certificate);
    }

    [Fact]
    public void A_server_only_certificate_is_refused_as_a_clients() => Assert.False(Judge(Root.Issue([Id], usage: "1.3.6.1.5.5.7.3.1")).IsBelieved);

    [Fact]
    public void A_server_must_bear_a_name_the_client_expects()
    {
        var wanted = new PeerValidation { Names = [new(SubjectNameKind.Uri, StringMatch.Exact(Id))] };
        Assert.True(Judge(Root.Issue([Id]), own: wanted).IsBelieved);
        Assert.False(Judge(Root.Issue(["spiffe://cluster.local/ns/demo/sa/other"]), own: wanted).IsBelieved);
    }

    [Fact]
    public void A_revoked_certificate_is_refused_and_so_is_one_whose_list_nobody_trusted_signed()
    {
        var leaf = Root.Issue([Id]);
        var revoked = Root.RevocationList(leaf);
        var empty = Root.RevocationList();
        Assert.False(Judge(leaf, own: new() { CrlsPem = [revoked] }).IsBelieved);
        Assert.True(Judge(leaf, own: new() { CrlsPem = [empty] }).IsBelieved);
        Assert.False(Judge(leaf, own: new() { CrlsPem = [new Authority("Mesh Root").RevocationList()] }).IsBelieved);
    }

    [Fact]
    public void An_intermediate_that_its_root_has_revoked_takes_all_its_workloads_with_it()
    {
        var middle = Root.Intermediate("Mesh Intermediate");
        var leaf = middle.Issue([Id]);
        var ofMiddle = middle.RevocationList();

        Assert.True(Judge(leaf, Lists(Root.RevocationList(), ofMiddle), middle.Certificate).IsBelieved);
        Assert.False(Judge(leaf, Lists(Root.RevocationList(middle.Certificate), ofMiddle), middle.Certificate).IsBelieved);
        Assert.False(Judge(leaf, Lists(Root.RevocationList(), middle.RevocationList(leaf)), middle.Certificate).IsBelieved);
        // Asked about the leaf alone, the intermediate's list is enough.
        Assert.True(Judge(leaf, Lists(ofMiddle) with { OnlyVerifyLeafCrl = true }, middle.Certificate).IsBelieved);
    }

    [Fact]
    public void With_lists_every_authority_needs_one_where_Envoy_asks_for_it_and_in_the_mesh_one_without_a_list_has_revoked_nothing()
    {
        var middle = Root.Intermediate("Mesh Intermediate");
        var leaf = middle.Issue([Id]);
        var onlyRoot = Lists(Root.RevocationList());

        Assert.Contains("unable to get certificate CRL", Judge(leaf, onlyRoot, middle.Certificate).Refusal);
        Assert.True(Judge(leaf, onlyRoot with { EveryAuthorityNeedsList = false }, middle.Certificate).IsBelieved);
        Assert.False(Judge(leaf, Lists(Root.RevocationList(middle.Certificate)) with { EveryAuthorityNeedsList = false }, middle.Certificate).IsBelieved);
    }

    [Fact]
    public void A_list_out_of_date_or_unreadable_or_for_some_certificates_only_believes_nobody()
    {
        var leaf = Root.Issue([Id]);
        Assert.Contains("expired", Judge(leaf, Lists(Root.RevocationList(Now.AddMinutes(-1)))).Refusal);
        Assert.Contains("cannot be read", Judge(leaf, Lists("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"u8.ToArray())).Refusal);
        Assert.Contains("cannot be read", Judge(leaf, Lists("nothing"u8.ToArray())).Refusal);
        Assert.False(Judge(leaf, Lists(Root.RevocationList(), "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----"u8.ToArray())).IsBelieved);
    }

    private static PeerValidation Lists(params byte[][] lists) => new() { CrlsPem = [lists.SelectMany(list => list.Append((byte)'\n')).ToArray()] };

    [Theory]
    [InlineData("spiffe://cluster.local/ns/a/sa/b", true)]
    [InlineData("spiffe://cluster.local", true)]
    [InlineData("spiffe://Cluster.local/x", false)]
    [InlineData("spiffe://cluster.local/", false)]
    [InlineData("spiffe://cluster.local/a/", false)]
    [InlineData("spiffe://u@cluster.local/a", false)]
    [InlineData("spiffe://cluster.local:80/a", false)]
    [InlineData("spiffe://cluster.local/a?b", false)]
    [InlineData("https://cluster.local/a", false)]
    public void Identities_have_one_spelling(string text, bool isValid) => Assert.Equal(isValid, SpiffeId.TryParse(text, out _));

    private static readonly PeerValidation OfTheMesh = new() { Names = [new(SubjectNameKind.Uri, StringMatch.Prefix("spiffe://cluster.local/"))] };

    [Theory]
    [InlineData("spiffe://other.domain/ns/demo/sa/client")]
    [InlineData("spiffe://cluster.local.evil/ns/demo/sa/client")]
    [InlineData("spiffe://evil/cluster.local/ns/demo/sa/client")]
    public void An_identity_of_another_trust_domain_is_refused_under_the_right_root(string id) => Assert.False(Judge(Root.Issue([id]), OfTheMesh).IsBelieved);

    [Fact]
    public void A_certificate_without_a_URI_is_nobody_whatever_its_subject_says()
    {
        Assert.False(Judge(Root.Issue([], subject: "CN=" + Id.Replace("/", "\\/", StringComparison.Ordinal)), OfTheMesh).IsBelieved);
        Assert.False(Judge(Root.Issue([], subject: $"CN=\"{Id}\""), OfTheMesh).IsBelieved);
    }

    [Fact]
    public void A_client_only_certificate_is_refused_as_a_servers() => Assert.False(Judge(Root.Issue([Id], usage: "1.3.6.1.5.5.7.3.2"), new(), ofServer: true).IsBelieved);

    [Fact]
    public void Each_trust_domain_is_believed_under_its_own_roots_and_no_others()
    {
        var foreign = new Authority("Foreign Root");
        var byDomain = new PeerValidation
        {
            RootsByTrustDomain = System.Collections.Immutable.ImmutableDictionary<string, TrustedRoots>.Empty.Add("cluster.local", Pem(Root)).Add("foreign.test", Pem(foreign)),
        };
        const string Theirs = "spiffe://foreign.test/ns/demo/sa/client";
        Assert.True(Judge(Root.Issue([Id]), byDomain).IsBelieved);
        Assert.True(Judge(foreign.Issue([Theirs]), byDomain).IsBelieved);
        Assert.False(Judge(foreign.Issue([Id]), byDomain).IsBelieved);
        Assert.False(Judge(Root.Issue([Theirs]), byDomain).IsBelieved);
        Assert.False(Judge(Root.Issue(["spiffe://third.test/ns/demo/sa/client"]), byDomain).IsBelieved);

        static TrustedRoots Pem(Authority authority) => SecretFromXds.Roots(Encoding.ASCII.GetBytes(authority.Certificate.ExportCertificatePem()));
    }

    // A client's certificate and a server's are judged alike.
    private static void Refused(X509Certificate2 leaf, params X509Certificate2[] chain)
    {
        Assert.False(Judge(leaf, chain).IsBelieved);
        Assert.False(Judge(leaf, new(), ofServer: true, chain).IsBelieved);
    }

    private static PeerVerdict Judge(X509Certificate2 leaf, params X509Certificate2[] chain) => Judge(leaf, new(), chain);

    private static PeerVerdict Judge(X509Certificate2 leaf, PeerValidation own, params X509Certificate2[] chain) => Judge(leaf, own, ofServer: false, chain);

    private static PeerVerdict Judge(X509Certificate2 leaf, PeerValidation own, bool ofServer, params X509Certificate2[] chain)
    {
        var roots = new PeerValidation { Roots = SecretFromXds.Roots(Encoding.ASCII.GetBytes(Root.Certificate.ExportCertificatePem())) };
        var verifier = PeerVerifier.For(own, roots, "", ofServer, new ManualTime(Now))!;
        return verifier.Judge(new([leaf.RawDataMemory, .. chain.Select(c => c.RawDataMemory)]));
    }

    private static X509Certificate2 SelfSigned()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(Authority.Names([Id]));
        return request.CreateSelfSigned(Now.AddHours(-1), Now.AddHours(1));
    }

    private sealed class Authority
    {
        private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        private int serial = 100;

        public Authority(string name)
        {
            var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
            Certificate = request.CreateSelfSigned(Now.AddYears(-1), Now.AddYears(9));
        }

        private Authority(X509Certificate2 certificate, ECDsa key) => (Certificate, this.key) = (certificate, key);

        public X509Certificate2 Certificate { get; }

        public Authority Intermediate(string name) => IssueAuthority(name, isAuthority: true);

        public Authority IssueAuthority(string name, bool isAuthority)
        {
            var theirs = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest($"CN={name}", theirs, HashAlgorithmName.SHA256);
            if (isAuthority) request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            if (isAuthority) request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
            var certificate = request.Create(Certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(key), Now.AddDays(-1), Now.AddDays(30), Number());
            return new(certificate.CopyWithPrivateKey(theirs), theirs);
        }

        public X509Certificate2 Issue(string[] ids, DateTimeOffset? from = null, DateTimeOffset? to = null, bool isAuthority = false, string? usage = null, string subject = "")
        {
            using var theirs = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest(subject, theirs, HashAlgorithmName.SHA256);
            if (ids.Length > 0) request.CertificateExtensions.Add(Names(ids));
            if (isAuthority) request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            if (usage is not null) request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new(usage)], false));
            return request.Create(Certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(key), from ?? Now.AddHours(-1), to ?? Now.AddHours(23), Number());
        }

        public byte[] RevocationList(params X509Certificate2[] revoked) => RevocationList(Now.AddDays(1), revoked);

        public byte[] RevocationList(DateTimeOffset until, params X509Certificate2[] revoked)
        {
            var builder = new CertificateRevocationListBuilder();
            foreach (var certificate in revoked) builder.AddEntry(certificate);
            return Encoding.ASCII.GetBytes(PemEncoding.WriteString("X509 CRL", builder.Build(Certificate, 1, until, HashAlgorithmName.SHA256, thisUpdate: Now.AddHours(-1))));
        }

        // Written by hand: the usual builder refuses what these tests are about.
        public static X509Extension Names(string[] ids)
        {
            var writer = new System.Formats.Asn1.AsnWriter(System.Formats.Asn1.AsnEncodingRules.DER);
            using (writer.PushSequence())
                foreach (var id in ids) writer.WriteCharacterString(System.Formats.Asn1.UniversalTagNumber.IA5String, id, new(System.Formats.Asn1.TagClass.ContextSpecific, 6));
            return new("2.5.29.17", writer.Encode(), true);
        }

        private byte[] Number() => [1, (byte)(serial >> 8), (byte)serial++];
    }
}
