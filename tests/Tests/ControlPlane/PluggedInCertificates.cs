using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Tests.ControlPlane;

/// <summary>A folder as a user plugs it in: root → intermediate, with its key; and files that do not belong there.</summary>
internal sealed class PluggedInCertificates : IDisposable
{
    private readonly Dictionary<string, string> others = [];
    private readonly X509Certificate2 root, middle, other;

    public PluggedInCertificates()
    {
        Path = Directory.CreateTempSubdirectory("mesh-cacerts-").FullName;
        var (root, rootKey) = Root("CN=root");
        var (middle, middleKey) = Signed("CN=intermediate", root, rootKey, isAuthority: true);
        var (leaf, _) = Signed("CN=leaf", middle, middleKey, isAuthority: false);
        var (other, otherKey) = Root("CN=other");
        (this.root, this.middle) = (root, middle.CopyWithPrivateKey(middleKey));
        this.other = other;
        Write("ca-cert.pem", middle.ExportCertificatePem());
        Write("ca-key.pem", middleKey.ExportPkcs8PrivateKeyPem());
        Write("cert-chain.pem", middle.ExportCertificatePem());
        Write("root-cert.pem", root.ExportCertificatePem());
        others["other.pem"] = other.ExportCertificatePem();
        others["other.key"] = otherKey.ExportECPrivateKeyPem();
        others["leaf.pem"] = leaf.ExportCertificatePem();
        others[""] = "";
    }

    public string Path { get; }

    public void Replace(string file, string other) => Write(file, others[other]);

    public string Read(string file) => File.ReadAllText(System.IO.Path.Combine(Path, file));

    /// <summary>A revocation list in PEM.</summary>
    /// <param name="by">root, intermediate or other.</param>
    public string RevocationList(string by, DateTimeOffset until, params X509Certificate2[] revoked)
    {
        var builder = new CertificateRevocationListBuilder();
        foreach (var certificate in revoked) builder.AddEntry(certificate);
        var signer = by switch { "root" => root, "intermediate" => middle, _ => other };
        return PemEncoding.WriteString("X509 CRL", builder.Build(signer, 1, until, HashAlgorithmName.SHA256, thisUpdate: until.AddDays(-2))) + "\n";
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);

    public void Write(string file, string text) => File.WriteAllText(System.IO.Path.Combine(Path, file), text);

    private static (X509Certificate2, ECDsa) Root(string name)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = Request(name, key, isAuthority: true);
        var now = TimeProvider.System.GetUtcNow();
        return (request.CreateSelfSigned(now.AddDays(-1), now.AddDays(30)), key);
    }

    private static (X509Certificate2, ECDsa) Signed(string name, X509Certificate2 by, ECDsa byKey, bool isAuthority)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var generator = X509SignatureGenerator.CreateForECDsa(byKey);
        var now = TimeProvider.System.GetUtcNow();
        return (Request(name, key, isAuthority).Create(by.SubjectName, generator, now.AddDays(-1), now.AddDays(20), [1, 2, 3, (byte)name.Length]), key);
    }

    private static CertificateRequest Request(string name, ECDsa key, bool isAuthority)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, true));
        if (isAuthority) request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        return request;
    }
}
