using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Org.BouncyCastle.Asn1.X509;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.X509.Extension;
using X509Certificate = Org.BouncyCastle.X509.X509Certificate;

namespace Mesh.ControlPlane.Ca;

/// <summary>A key that may sign, its certificate, what leads from that to a root, and the roots that the mesh trusts.</summary>
/// <param name="Chain">From the signing certificate to its root, both included.</param>
internal sealed record SigningMaterial(
    X509Certificate Certificate, AsymmetricKeyParameter Key, IReadOnlyList<X509Certificate> Chain, IReadOnlyList<X509Certificate> Roots)
{
    private static readonly TimeSpan SelfMadeLifetime = TimeSpan.FromDays(3650);

    /// <summary>The root that certificates of this signer lead to.</summary>
    public X509Certificate Root => Chain[^1];

    /// <summary>Revocation lists in PEM; empty when there are none.</summary>
    public string RevocationListsPem { get; init; } = "";

    /// <summary>Lower-case hex of the SHA-256 of a certificate, as tools show it.</summary>
    public static string Fingerprint(X509Certificate certificate) => Convert.ToHexStringLower(SHA256.HashData(certificate.GetEncoded()));

    public DateTimeOffset NotAfter => new(DateTime.SpecifyKind(Certificate.NotAfter, DateTimeKind.Utc));

    public string SignatureAlgorithm => Key is ECKeyParameters ec
        ? ec.Parameters.Curve.FieldSize > 384 ? "SHA512withECDSA" : ec.Parameters.Curve.FieldSize > 256 ? "SHA384withECDSA" : "SHA256withECDSA"
        : "SHA256withRSA";

    public AuthorityKeyIdentifier AuthorityKey { get; } = X509ExtensionUtilities.CreateAuthorityKeyIdentifier(Certificate.GetPublicKey());

    /// <summary>
    /// Istio's layout of plugged-in certificates: <c>ca-cert.pem</c>, <c>ca-key.pem</c>, <c>cert-chain.pem</c>, <c>root-cert.pem</c>;
    /// or <c>tls.crt</c>, <c>tls.key</c>, <c>ca.crt</c> as cert-manager writes them.
    /// </summary>
    /// <exception cref="InvalidDataException">Says which file and what is wrong with it.</exception>
    public static SigningMaterial FromFolder(string folder, DateTimeOffset now)
    {
        string Read(string name, string other)
        {
            foreach (var candidate in (string[])[name, other])
                if (File.Exists(Path.Combine(folder, candidate))) return File.ReadAllText(Path.Combine(folder, candidate));
            throw new InvalidDataException($"{folder}: neither {name} nor {other} is there");
        }

        var certificate = Pem.Certificates(Read("ca-cert.pem", "tls.crt")) is [var first, ..] ? first
            : throw new InvalidDataException($"{folder}/ca-cert.pem holds no certificate");
        var key = Pem.PrivateKey(Read("ca-key.pem", "tls.key")) ?? throw new InvalidDataException($"{folder}/ca-key.pem holds no private key");
        var roots = Pem.Certificates(Read("root-cert.pem", "ca.crt"));
        var rest = File.Exists(Path.Combine(folder, "cert-chain.pem")) ? Pem.Certificates(File.ReadAllText(Path.Combine(folder, "cert-chain.pem"))) : [];
        var crl = Path.Combine(folder, "ca-crl.pem");
        var material = Checked(folder, certificate, key, rest, roots, now);
        if (!File.Exists(crl)) return material;

        return material with { RevocationListsPem = RevocationText.Checked(crl, File.ReadAllText(crl), [.. material.Chain, .. roots, .. rest], now) };
    }

    /// <summary>A root of our own, for a mesh that was given none.</summary>
    public static SigningMaterial SelfMade(string trustDomain, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"O={trustDomain}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        using var root = request.CreateSelfSigned(now - TimeSpan.FromMinutes(2), now + SelfMadeLifetime);
        return FromPem(root.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>Reads a self-made root again, or makes and keeps one. The key file is readable by its owner only.</summary>
    public static SigningMaterial Kept(string folder, string trustDomain, DateTimeOffset now)
    {
        var certificatePath = Path.Combine(folder, "root-cert.pem");
        var keyPath = Path.Combine(folder, "root-key.pem");
        if (File.Exists(keyPath) && File.Exists(certificatePath))
        {
            var kept = FromPem(File.ReadAllText(certificatePath), File.ReadAllText(keyPath));
            if (kept.NotAfter > now) return kept;
        }

        var made = SelfMade(trustDomain, now);
        PrivateFile.Write(keyPath, Pem.Write(made.Key));
        PrivateFile.Write(certificatePath, Pem.Write(made.Certificate));
        return made;
    }

    private static SigningMaterial FromPem(string certificatePem, string keyPem)
    {
        var certificate = Pem.Certificates(certificatePem)[0];
        return new(certificate, Pem.PrivateKey(keyPem)!, [certificate], [certificate]);
    }

    private static SigningMaterial Checked(
        string folder, X509Certificate certificate, AsymmetricKeyParameter key, IReadOnlyList<X509Certificate> rest, IReadOnlyList<X509Certificate> roots, DateTimeOffset now)
    {
        if (roots.Count == 0) throw new InvalidDataException($"{folder}/root-cert.pem holds no certificate");
        if (certificate.GetBasicConstraints() < 0) throw new InvalidDataException($"{folder}/ca-cert.pem is no CA certificate (basicConstraints CA:TRUE is missing)");
        if (certificate.GetKeyUsage() is { } usage && !usage[5]) throw new InvalidDataException($"{folder}/ca-cert.pem may not sign certificates (keyUsage keyCertSign is missing)");
        if (certificate.NotAfter.ToUniversalTime() <= now.UtcDateTime) throw new InvalidDataException($"{folder}/ca-cert.pem ended at {certificate.NotAfter:u}");
        if (!Matches(certificate, key)) throw new InvalidDataException($"{folder}/ca-key.pem is not the key of ca-cert.pem");

        var chain = new List<X509Certificate> { certificate };
        var candidates = rest.Concat(roots).ToList();
        while (!chain[^1].SubjectDN.Equivalent(chain[^1].IssuerDN))
        {
            var issuer = candidates.Find(c => c.SubjectDN.Equivalent(chain[^1].IssuerDN) && IsSignedBy(chain[^1], c));
            if (issuer is null || chain.Count > 8)
                throw new InvalidDataException($"{folder}: nothing in cert-chain.pem and root-cert.pem has signed \"{chain[^1].SubjectDN}\"");
            chain.Add(issuer);
        }
        return new(certificate, key, chain, roots);
    }

    private static bool IsSignedBy(X509Certificate certificate, X509Certificate issuer)
    {
        try
        {
            certificate.Verify(issuer.GetPublicKey());
            return true;
        }
        catch (Exception e) when (e is Org.BouncyCastle.Security.Certificates.CertificateException or Org.BouncyCastle.Security.GeneralSecurityException)
        {
            return false;
        }
    }

    private static bool Matches(X509Certificate certificate, AsymmetricKeyParameter key) => (certificate.GetPublicKey(), key) switch
    {
        (ECPublicKeyParameters open, ECPrivateKeyParameters secret) => secret.Parameters.G.Multiply(secret.D).Equals(open.Q),
        (RsaKeyParameters open, RsaPrivateCrtKeyParameters secret) => secret.Modulus.Equals(open.Modulus),
        _ => false,
    };
}

/// <summary>Files that hold secrets.</summary>
internal static class PrivateFile
{
    /// <summary>Whole or not at all, and readable by its owner only.</summary>
    public static void Write(string path, string text)
    {
        var next = path + ".next";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite };
        using (var writer = new StreamWriter(next, options)) writer.Write(text);
        File.Move(next, path, overwrite: true);
    }
}
