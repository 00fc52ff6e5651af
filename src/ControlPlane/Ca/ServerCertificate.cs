using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.ControlPlane.Ca;

/// <summary>
/// The control plane's own certificate, made by its own authority and renewed at half its life; and whom it believes among those who call.
/// </summary>
internal sealed class ServerCertificate(CertificateAuthority authority, TrustBundle bundle, Options options, TimeProvider? clock = null)
{
    private readonly TimeProvider time = clock ?? TimeProvider.System;
    private readonly Lock guard = new();
    private X509Certificate2? current;
    private SslStreamCertificateContext? context;
    private SigningMaterial? signer;
    private DateTimeOffset renewAt;

    public IReadOnlyList<string> Names { get; } =
    [
        $"istiod.{options.Namespace}.svc", $"istiod-{options.Revision}.{options.Namespace}.svc", $"istiod.{options.Namespace}", "istiod",
        $"istiod.{options.Namespace}.svc.cluster.local", "istio-pilot.istio-system.svc", "localhost",
    ];

    /// <summary>The certificate with its chain.</summary>
    public SslStreamCertificateContext Context()
    {
        lock (guard)
        {
            Current();
            return context!;
        }
    }

    public X509Certificate2 Current()
    {
        lock (guard)
        {
            if (current is not null && time.GetUtcNow() < renewAt && ReferenceEquals(signer, authority.Signer)) return current;

            signer = authority.Signer;
            var (issued, keyPem) = authority.IssueServer(Names, TimeSpan.Zero);
            renewAt = time.GetUtcNow() + (issued.NotAfter - time.GetUtcNow()) / 2;
            using var withKey = X509Certificate2.CreateFromPem(issued.ChainPem[0], keyPem);
            // Through PKCS#12, because the platform's TLS wants a key that it has loaded itself.
            current = X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null);
            context = SslStreamCertificateContext.Create(current, [.. issued.ChainPem.Skip(1).Select(pem => X509Certificate2.CreateFromPem(pem))], offline: true);
            return current;
        }
    }

    /// <summary>A client certificate counts when it leads to one of the mesh's roots and is in force; its name is looked at later.</summary>
    public bool Trusts(X509Certificate2 certificate, X509Chain? presented)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = time.GetUtcNow().UtcDateTime;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.2"));
        foreach (var root in bundle.Workloads) chain.ChainPolicy.CustomTrustStore.Add(X509CertificateLoader.LoadCertificate(root.GetEncoded()));
        foreach (var extra in authority.Signer.Chain) chain.ChainPolicy.ExtraStore.Add(X509CertificateLoader.LoadCertificate(extra.GetEncoded()));
        foreach (var element in presented?.ChainElements ?? Enumerable.Empty<X509ChainElement>()) chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        return chain.Build(certificate);
    }
}
