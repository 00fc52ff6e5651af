using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Org.BouncyCastle.Asn1;
using Org.BouncyCastle.Asn1.X509;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Operators;
using Org.BouncyCastle.Crypto.Prng;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Security;
using Org.BouncyCastle.X509;
using X509Certificate = Org.BouncyCastle.X509.X509Certificate;

namespace Mesh.ControlPlane.Ca;

/// <summary>A leaf for one identity, and what the peer needs to trace it to a root.</summary>
/// <param name="ChainPem">Leaf first, root last, one certificate each.</param>
public sealed record IssuedCertificate(IReadOnlyList<string> ChainPem, DateTimeOffset NotAfter);

/// <summary>
/// Signs the mesh's certificates. The identity in a certificate is the one that was authenticated; nothing in a request but its public key is believed.
/// The signer may be replaced while it runs; requests in progress finish with the old one.
/// </summary>
internal sealed class CertificateAuthority(SigningMaterial material, TimeSpan lifetime, TimeSpan lifetimeMax, TimeProvider time)
{
    // Clocks of pods differ; Istio uses two minutes as well.
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(2);

    private readonly SecureRandom random = new(new CryptoApiRandomGenerator());
    private readonly ConcurrentDictionary<string, DateTimeOffset> usedUntil = Unknown(material, time.GetUtcNow() + lifetime);
    private volatile SigningMaterial signer = material;

    public SigningMaterial Signer => signer;

    /// <summary>Another signer or other roots are in force.</summary>
    public event Action? Replaced;

    /// <summary>Every root that peers may chain to, as one PEM text.</summary>
    public string RootsPem => string.Concat(signer.Roots.Select(Pem.Write));

    public void Replace(SigningMaterial next)
    {
        // Other replicas may sign under the old root for a moment longer.
        if (!next.Root.Equals(signer.Root)) Use(signer.Root, time.GetUtcNow() + lifetime);
        signer = next;
        Replaced?.Invoke();
    }

    /// <summary>Until when a certificate is in force that leads to this root. Of the time before this process nothing is known but the usual lifetime.</summary>
    public DateTimeOffset UsedUntil(X509Certificate root) => usedUntil.GetValueOrDefault(SigningMaterial.Fingerprint(root));

    private void Use(X509Certificate root, DateTimeOffset until) =>
        usedUntil.AddOrUpdate(SigningMaterial.Fingerprint(root), until, (_, known) => known > until ? known : until);

    private static ConcurrentDictionary<string, DateTimeOffset> Unknown(SigningMaterial material, DateTimeOffset until) =>
        new(material.Roots.Select(root => KeyValuePair.Create(SigningMaterial.Fingerprint(root), until)));

    /// <param name="uri">The authenticated identity: <c>spiffe://trust.domain/ns/…/sa/…</c>.</param>
    /// <param name="wished">Zero or less: the default. More than the maximum: the maximum. Never longer than the signer itself.</param>
    public IssuedCertificate Issue(AsymmetricKeyParameter publicKey, string uri, TimeSpan wished) =>
        Sign(publicKey, [new(GeneralName.UniformResourceIdentifier, uri)], wished);

    /// <summary>A server certificate for the control plane's own doors.</summary>
    public (IssuedCertificate Certificate, string KeyPem) IssueServer(IReadOnlyList<string> names, TimeSpan wished)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var publicKey = PublicKeyFactory.CreateKey(key.ExportSubjectPublicKeyInfo());
        var certificate = Sign(publicKey, [.. names.Select(n => new GeneralName(GeneralName.DnsName, n))], wished);
        return (certificate, key.ExportPkcs8PrivateKeyPem());
    }

    private IssuedCertificate Sign(AsymmetricKeyParameter publicKey, GeneralName[] names, TimeSpan wished)
    {
        var by = signer;
        var now = time.GetUtcNow();
        var life = wished <= TimeSpan.Zero ? lifetime : wished < lifetimeMax ? wished : lifetimeMax;
        var notAfter = now + life;
        if (notAfter > by.NotAfter) notAfter = by.NotAfter;
        if (notAfter <= now) throw new SignerExpiredException($"the signing certificate ended at {by.NotAfter:u}; replace ca-cert.pem and ca-key.pem");

        var generator = new X509V3CertificateGenerator();
        generator.SetSerialNumber(new BigInteger(1, random.GenerateSeed(16)));
        generator.SetIssuerDN(by.Certificate.SubjectDN);
        generator.SetSubjectDN(new X509Name(new List<DerObjectIdentifier>(), new List<string>())); // empty, as Istio issues them
        generator.SetNotBefore((now - ClockSkew).UtcDateTime);
        generator.SetNotAfter(notAfter.UtcDateTime);
        generator.SetPublicKey(publicKey);
        generator.AddExtension(X509Extensions.KeyUsage, critical: true, new KeyUsage(KeyUsage.DigitalSignature | KeyUsage.KeyEncipherment));
        generator.AddExtension(X509Extensions.ExtendedKeyUsage, critical: false, new ExtendedKeyUsage(KeyPurposeID.id_kp_serverAuth, KeyPurposeID.id_kp_clientAuth));
        generator.AddExtension(X509Extensions.BasicConstraints, critical: true, new BasicConstraints(cA: false));
        generator.AddExtension(X509Extensions.AuthorityKeyIdentifier, critical: false, by.AuthorityKey);
        // The subject is empty, so the name must be critical (RFC 5280 §4.2.1.6).
        generator.AddExtension(X509Extensions.SubjectAlternativeName, critical: true, new GeneralNames(names));
        Use(by.Root, notAfter);
        var leaf = generator.Generate(new Asn1SignatureFactory(by.SignatureAlgorithm, by.Key, random));
        return new([Pem.Write(leaf), .. by.Chain.Select(Pem.Write)], notAfter);
    }
}

/// <summary>The signing certificate is over: nothing can be issued until it is replaced.</summary>
public sealed class SignerExpiredException(string message) : Exception(message);
