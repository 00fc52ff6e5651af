using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Org.BouncyCastle.X509;
using X509Certificate = Org.BouncyCastle.X509.X509Certificate;

namespace Mesh.ControlPlane.Ca;

/// <summary>
/// What a signer outside has signed. It counts when it is for the workload's key and its identity and nothing more, for both ends of a connection, and leads
/// to a root that the mesh believes for that signer: a peer would refuse anything else.
/// </summary>
internal static class DeliveredChain
{
    private const string ServerAuth = "1.3.6.1.5.5.7.3.1", ClientAuth = "1.3.6.1.5.5.7.3.2";
    private const int CharsMax = 256 * 1024, CertificatesMax = 16;

    /// <param name="encoded">Base64 of PEM, the leaf first, as the API hands it out.</param>
    /// <returns>Null and a sentence when it cannot be used.</returns>
    public static IssuedCertificate? Read(string encoded, WorkloadRequest request, IReadOnlyList<X509Certificate> roots, DateTimeOffset now, out string problem)
    {
        using var delivered = new Owned();
        using var trusted = new Owned();
        try
        {
            if (encoded.Length > CharsMax) return Nothing($"it is larger than {CharsMax / 1024} KiB", out problem);

            delivered.All.ImportFromPem(Encoding.ASCII.GetString(Convert.FromBase64String(encoded)));
            if (delivered.All.Count is 0 or > CertificatesMax) return Nothing($"it holds {delivered.All.Count} certificates; 1 to {CertificatesMax} are taken", out problem);
        }
        catch (Exception e) when (e is FormatException or CryptographicException)
        {
            return Nothing($"it is no PEM of certificates ({e.Message})", out problem);
        }
        foreach (var root in roots) trusted.All.Add(X509CertificateLoader.LoadCertificate(root.GetEncoded()));
        var leaf = delivered.All[0];
        if (LeafProblem(leaf, request) is { } wrong) return Nothing(wrong, out problem);

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = now.UtcDateTime;
        chain.ChainPolicy.CustomTrustStore.AddRange(trusted.All);
        chain.ChainPolicy.ExtraStore.AddRange(delivered.All);
        if (!chain.Build(leaf)) return Nothing($"it does not lead to the signer's root in MeshConfig.caCertificates ({string.Join(", ", chain.ChainStatus.Select(s => s.Status))})", out problem);

        problem = "";
        return new([.. chain.ChainElements.Select(element => element.Certificate.ExportCertificatePem() + "\n")], leaf.NotAfter.ToUniversalTime());
    }

    private static string? LeafProblem(X509Certificate2 leaf, WorkloadRequest request)
    {
        var key = SubjectPublicKeyInfoFactory.CreateSubjectPublicKeyInfo(request.PublicKey).GetDerEncoded();
        if (!leaf.PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(key)) return "it is for another key";
        if (SubjectUris.Of(leaf) is not [var uri] || uri != request.Identity) return $"it names [{string.Join(", ", SubjectUris.Of(leaf))}] where {request.Identity} was asked for";
        var names = leaf.Extensions.OfType<X509SubjectAlternativeNameExtension>().Single();
        if (names.EnumerateDnsNames().Any() || names.EnumerateIPAddresses().Any()) return "it names hosts beside the identity";
        if (leaf.Extensions.OfType<X509BasicConstraintsExtension>().Any(e => e.CertificateAuthority)) return "it is an authority's";
        if (leaf.Extensions.OfType<X509KeyUsageExtension>().Any(e => (e.KeyUsages & (X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign)) != 0)) return "it may sign others";
        foreach (var usages in leaf.Extensions.OfType<X509EnhancedKeyUsageExtension>())
            foreach (var wanted in (string[])[ServerAuth, ClientAuth])
                if (!usages.EnhancedKeyUsages.OfType<Oid>().Any(usage => usage.Value == wanted)) return $"its extended key usage lacks {(wanted == ServerAuth ? "serverAuth" : "clientAuth")}";
        return null;
    }

    private static IssuedCertificate? Nothing(string why, out string problem)
    {
        problem = why;
        return null;
    }

    /// <summary>Certificates with handles of the platform's, given back together.</summary>
    private sealed class Owned : IDisposable
    {
        public X509Certificate2Collection All { get; } = [];

        public void Dispose()
        {
            foreach (var certificate in All) certificate.Dispose();
        }
    }
}
