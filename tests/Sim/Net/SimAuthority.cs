using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Mesh.Net.Tls;

namespace Mesh.Sim.Net;

/// <summary>A certificate authority for tests: issues what is asked for, however wrong.</summary>
public sealed class SimAuthority
{
    private const string ClientAuth = "1.3.6.1.5.5.7.3.2", ServerAuth = "1.3.6.1.5.5.7.3.1";

    private readonly ECDsa _key;
    private readonly X509Certificate2 _certificate;
    private readonly SimAuthority? _issuer;
    private byte _serial;

    private SimAuthority(ECDsa key, X509Certificate2 certificate, SimAuthority? issuer)
    {
        _key = key;
        _certificate = certificate;
        _issuer = issuer;
    }

    /// <summary>When "now" is for everything issued: certificates are valid from an hour before to a day after.</summary>
    public static DateTimeOffset Now { get; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public byte[] RootPem => Pem(_certificate);

    public X509Certificate2 Certificate => _certificate;

    public static SimAuthority Root(string name = "CN=test root", DateTimeOffset? now = null)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = AuthorityRequest(name, key);
        var at = now ?? Now;
        return new(key, request.CreateSelfSigned(at.AddDays(-1), at.AddYears(10)), null);
    }

    public SimAuthority Intermediate(string name = "CN=test intermediate")
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var certificate = Sign(AuthorityRequest(name, key), _certificate.NotBefore, _certificate.NotAfter.AddDays(-1));
        return new(key, certificate, this);
    }

    /// <summary>A workload's certificate, usable on both sides.</summary>
    public SimIdentity Workload(string uri = "spiffe://cluster.local/ns/default/sa/test", DateTimeOffset? now = null) =>
        Issue(new() { Uris = [uri], NotBefore = (now ?? Now).AddHours(-1), NotAfter = (now ?? Now).AddDays(1) });

    public SimIdentity Server(params string[] dnsNames) => Issue(new() { DnsNames = [.. dnsNames] });

    public SimIdentity Issue(SimCertificate wanted)
    {
        using AsymmetricAlgorithm key = wanted.IsRsa ? RSA.Create(2048) : ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = new X500DistinguishedName(wanted.Subject);
        var request = key is RSA rsa
            ? new CertificateRequest(name, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(name, (ECDsa)key, HashAlgorithmName.SHA256);
        Describe(request, wanted);
        var certificate = wanted.IsSelfSigned ? request.CreateSelfSigned(wanted.NotBefore, wanted.NotAfter) : Sign(request, wanted.NotBefore, wanted.NotAfter);
        return new(certificate, new TlsCertificate(ChainPem(certificate, wanted.IsSelfSigned), Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem())));
    }

    /// <summary>An authority that a leaf pretends to be: what it issues must not be believed.</summary>
    public SimAuthority FromLeaf()
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=leaf that signs", key, HashAlgorithmName.SHA256);
        Describe(request, new());
        return new(key, Sign(request, Now.AddHours(-1), Now.AddDays(1)), this);
    }

    /// <summary>A list of what this authority took back, PEM.</summary>
    public byte[] Revoke(params X509Certificate2[] revoked)
    {
        var list = new CertificateRevocationListBuilder();
        foreach (var certificate in revoked) list.AddEntry(certificate, Now.AddMinutes(-1));
        var der = list.Build(_certificate.CopyWithPrivateKeyIfMissing(_key), 1, Now.AddDays(7), HashAlgorithmName.SHA256, thisUpdate: Now.AddMinutes(-1));
        return Encoding.ASCII.GetBytes(PemEncoding.WriteString("X509 CRL", der));
    }

    private X509Certificate2 Sign(CertificateRequest request, DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        var generator = X509SignatureGenerator.CreateForECDsa(_key);
        return request.Create(_certificate.SubjectName, generator, notBefore, notAfter, [1, ++_serial, (byte)RandomNumberGenerator.GetInt32(128), (byte)RandomNumberGenerator.GetInt32(128)]);
    }

    private static CertificateRequest AuthorityRequest(string name, ECDsa key)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request;
    }

    private static void Describe(CertificateRequest request, SimCertificate wanted)
    {
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(wanted.IsAuthority, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyEncipherment, true));
        var purposes = new OidCollection();
        if (wanted.ForServers) purposes.Add(new Oid(ServerAuth));
        if (wanted.ForClients) purposes.Add(new Oid(ClientAuth));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(purposes, false));
        var names = new SubjectAlternativeNameBuilder();
        foreach (var uri in wanted.Uris) names.AddUri(new Uri(uri));
        foreach (var dns in wanted.DnsNames) names.AddDnsName(dns);
        foreach (var ip in wanted.IpAddresses) names.AddIpAddress(ip);
        if (wanted.Uris.Count + wanted.DnsNames.Count + wanted.IpAddresses.Count > 0) request.CertificateExtensions.Add(names.Build(wanted.Subject.Length == 0));
    }

    private byte[] ChainPem(X509Certificate2 leaf, bool alone)
    {
        var pem = new StringBuilder(leaf.ExportCertificatePem()).Append('\n');
        for (var at = this; !alone && at._issuer is not null; at = at._issuer) pem.Append(at._certificate.ExportCertificatePem()).Append('\n');
        return Encoding.ASCII.GetBytes(pem.ToString());
    }

    private static byte[] Pem(X509Certificate2 certificate) => Encoding.ASCII.GetBytes(certificate.ExportCertificatePem() + "\n");
}

/// <summary>What a test wants certified.</summary>
public sealed record SimCertificate
{
    public string Subject { get; init; } = "O=test";

    public IReadOnlyList<string> Uris { get; init; } = [];

    public IReadOnlyList<string> DnsNames { get; init; } = [];

    public IReadOnlyList<IPAddress> IpAddresses { get; init; } = [];

    public DateTimeOffset NotBefore { get; init; } = SimAuthority.Now.AddHours(-1);

    public DateTimeOffset NotAfter { get; init; } = SimAuthority.Now.AddDays(1);

    public bool IsRsa { get; init; }

    public bool IsAuthority { get; init; }

    public bool IsSelfSigned { get; init; }

    public bool ForServers { get; init; } = true;

    public bool ForClients { get; init; } = true;
}

/// <summary>A certificate and what a TLS context wants of it.</summary>
public sealed record SimIdentity(X509Certificate2 Certificate, TlsCertificate Tls);

file static class Certificates
{
    internal static X509Certificate2 CopyWithPrivateKeyIfMissing(this X509Certificate2 certificate, ECDsa key) =>
        certificate.HasPrivateKey ? certificate : certificate.CopyWithPrivateKey(key);
}
