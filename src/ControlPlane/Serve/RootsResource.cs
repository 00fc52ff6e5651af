using Envoy.Config.Core.V3;
using Envoy.Extensions.TransportSockets.Tls.V3;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Mesh.ControlPlane.Ca;
using Mesh.Xds;
using Org.BouncyCastle.X509;

namespace Mesh.ControlPlane.Serve;

/// <summary>The roots in force, and what was revoked under them, as the resource that proxies of ours ask for. The same object until one of them changes.</summary>
internal sealed class RootsResource(CertificateAuthority authority, TrustBundle bundle)
{
    private readonly Lock guard = new();
    private (SigningMaterial Signer, TrustAnchors Anchors, NamedResource Resource)? made;

    public NamedResource Current
    {
        get
        {
            lock (guard)
            {
                var (signer, anchors) = (authority.Signer, bundle.Anchors);
                if (made is { } known && ReferenceEquals(known.Signer, signer) && ReferenceEquals(known.Anchors, anchors)) return known.Resource;

                var resource = NamedResource.Of(MeshRoots.Name, Message(anchors));
                // A new signer under the same roots is nothing that proxies must hear of.
                if (made is { } before && before.Resource.Version == resource.Version) resource = before.Resource;
                made = (signer, anchors, resource);
                return resource;
            }
        }
    }

    public ResourceSet With(ResourceSet others) => ResourceSet.Of(others.TypeUrl, [Current, .. others.All]);

    private Secret Message(TrustAnchors anchors)
    {
        var local = Text(bundle.Workloads);
        var context = new CertificateValidationContext { TrustedCa = local };
        if (bundle.RevocationListsPem is { Length: > 0 } lists) context.Crl = new() { InlineBytes = ByteString.CopyFromUtf8(lists) };
        if (!anchors.Foreign.IsEmpty) context.CustomValidatorConfig = ByTrustDomain(anchors);
        return new() { Name = MeshRoots.Name, ValidationContext = context };
    }

    /// <summary>Each trust domain has its own roots, so that nobody's authority can speak for another domain. The mesh's own roots vouch for its aliases too.</summary>
    private TypedExtensionConfig ByTrustDomain(TrustAnchors anchors)
    {
        var config = new SPIFFECertValidatorConfig();
        config.TrustDomains.Add(new SPIFFECertValidatorConfig.Types.TrustDomain { Name = anchors.TrustDomain, TrustBundle = Text(bundle.Workloads) });
        foreach (var alias in anchors.Aliases.Where(alias => alias != anchors.TrustDomain && !anchors.Foreign.ContainsKey(alias)).Distinct())
            config.TrustDomains.Add(new SPIFFECertValidatorConfig.Types.TrustDomain { Name = alias, TrustBundle = Text(bundle.Workloads) });
        foreach (var (domain, roots) in anchors.Foreign)
            config.TrustDomains.Add(new SPIFFECertValidatorConfig.Types.TrustDomain
            {
                Name = domain,
                TrustBundle = Text(anchors.Aliases.Contains(domain) ? bundle.Workloads.Concat(roots).Distinct() : roots),
            });
        return new() { Name = "envoy.tls.cert_validator.spiffe", TypedConfig = Any.Pack(config) };
    }

    private static DataSource Text(IEnumerable<X509Certificate> roots) => new() { InlineBytes = ByteString.CopyFromUtf8(string.Concat(roots.Select(Pem.Write))) };
}
