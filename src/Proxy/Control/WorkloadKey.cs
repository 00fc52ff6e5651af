using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Proxy.Control;

/// <summary>A key made for one certificate: ECDSA P-256, or RSA where it was asked for.</summary>
internal sealed class WorkloadKey : IDisposable
{
    public const int RsaBitsMin = 2048, RsaBitsMax = 4096;

    private readonly AsymmetricAlgorithm key;

    private WorkloadKey(AsymmetricAlgorithm key) => this.key = key;

    /// <param name="rsaBits">Null: ECDSA.</param>
    public static WorkloadKey Create(int? rsaBits) => new(rsaBits is { } bits ? RSA.Create(bits) : ECDsa.Create(ECCurve.NamedCurves.nistP256));

    /// <summary>A request for a certificate of this identity, in PEM.</summary>
    public string RequestPem(string identity)
    {
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new(identity));
        var subject = new X500DistinguishedName("");
        var request = key is RSA rsa
            ? new CertificateRequest(subject, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(subject, (ECDsa)key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(names.Build(critical: true));
        return request.CreateSigningRequestPem();
    }

    public string ToPem() => key.ExportPkcs8PrivateKeyPem() + "\n";

    public void Dispose() => key.Dispose();
}
