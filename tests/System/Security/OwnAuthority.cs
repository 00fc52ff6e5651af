using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.SystemTests.Security;

/// <summary>A root and a signing certificate under it, as a user plugs them in; and leaves of any kind, which the mesh's own authority would never sign.</summary>
internal sealed class OwnAuthority
{
    private static readonly DateTimeOffset From = TimeProvider.System.GetUtcNow().AddHours(-1);

    private readonly X509Certificate2 root, signer;
    private readonly ECDsa rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256), signerKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public OwnAuthority(string name)
    {
        root = Request($"CN={name} root", rootKey, isAuthority: true).CreateSelfSigned(From, From.AddDays(30));
        signer = Request($"CN={name}", signerKey, isAuthority: true).Create(root.SubjectName, X509SignatureGenerator.CreateForECDsa(rootKey), From, From.AddDays(20), RandomNumberGenerator.GetBytes(12));
    }

    public string RootPem => root.ExportCertificatePem() + "\n";

    public string RootFingerprint => Convert.ToHexStringLower(SHA256.HashData(root.RawData));

    /// <summary>Whole files, one after the other; the last one written is the one that makes them fit.</summary>
    public void WriteSigner(string folder)
    {
        Put(folder, "cert-chain.pem", signer.ExportCertificatePem() + "\n");
        Put(folder, "ca-key.pem", signerKey.ExportPkcs8PrivateKeyPem() + "\n");
        Put(folder, "ca-cert.pem", signer.ExportCertificatePem() + "\n");
    }

    public static void Put(string folder, string file, string text)
    {
        var next = Path.Combine(folder, file + ".next");
        File.WriteAllText(next, text);
        File.Move(next, Path.Combine(folder, file), overwrite: true);
    }

    /// <summary>A leaf with its key and the chain to show with it.</summary>
    public (X509Certificate2 Leaf, X509Certificate2Collection Chain) Issue(string uri, TimeSpan? from = null, TimeSpan? to = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = Request("", key, isAuthority: false);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1"), new("1.3.6.1.5.5.7.3.2")], critical: false));
        request.CertificateExtensions.Add(new X509Extension("2.5.29.17", UriName(uri), critical: true));
        var now = TimeProvider.System.GetUtcNow();
        using var leaf = request.Create(signer.SubjectName, X509SignatureGenerator.CreateForECDsa(signerKey), now + (from ?? TimeSpan.FromMinutes(-5)), now + (to ?? TimeSpan.FromHours(1)), RandomNumberGenerator.GetBytes(12));
        using var whole = leaf.CopyWithPrivateKey(key);
        return (X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null), [X509CertificateLoader.LoadCertificate(signer.RawData)]);
    }

    // By hand: the class library would not write a name with a NUL in it.
    private static byte[] UriName(string uri)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence()) writer.WriteCharacterString(UniversalTagNumber.IA5String, uri, new Asn1Tag(TagClass.ContextSpecific, 6));
        return writer.Encode();
    }

    private static CertificateRequest Request(string name, ECDsa key, bool isAuthority)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(isAuthority ? X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign : X509KeyUsageFlags.DigitalSignature, true));
        return request;
    }
}
