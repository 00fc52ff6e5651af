using Envoy.Extensions.TransportSockets.Tls.V3;
using Google.Protobuf;
using Mesh.ControlPlane.Ca;
using Mesh.Xds;

namespace Mesh.ControlPlane.Serve;

/// <summary>The roots in force, and what was revoked under them, as the resource that proxies of ours ask for. The same object until the authority's roots change.</summary>
internal sealed class RootsResource(CertificateAuthority authority)
{
    private readonly Lock guard = new();
    private (SigningMaterial Of, NamedResource Resource)? made;

    public NamedResource Current
    {
        get
        {
            lock (guard)
            {
                var signer = authority.Signer;
                if (made is { } known && ReferenceEquals(known.Of, signer)) return known.Resource;

                var resource = NamedResource.Of(MeshRoots.Name, Message(signer));
                // A new signer under the same roots is nothing that proxies must hear of.
                if (made is { } before && before.Resource.Version == resource.Version) resource = before.Resource;
                made = (signer, resource);
                return resource;
            }
        }
    }

    public ResourceSet With(ResourceSet others) => ResourceSet.Of(others.TypeUrl, [Current, .. others.ByName.Values]);

    private static Secret Message(SigningMaterial signer)
    {
        var context = new CertificateValidationContext { TrustedCa = new() { InlineBytes = ByteString.CopyFromUtf8(string.Concat(signer.Roots.Select(Pem.Write))) } };
        if (signer.RevocationListsPem.Length > 0) context.Crl = new() { InlineBytes = ByteString.CopyFromUtf8(signer.RevocationListsPem) };
        return new() { Name = MeshRoots.Name, ValidationContext = context };
    }
}
