using System.Collections.Immutable;
using Mesh.ControlPlane.Serve;
using Mesh.Model.Resources;
using Org.BouncyCastle.X509;

namespace Mesh.ControlPlane.Ca;

/// <summary>
/// Whom the mesh believes at this moment: the roots of its own authority, or in its place those of the signers outside, with what MeshConfig adds.
/// Any thread; changes are told.
/// </summary>
internal sealed class TrustBundle
{
    private readonly CertificateAuthority authority;
    private readonly Options options;
    private volatile TrustAnchors anchors = TrustAnchors.None;

    public TrustBundle(CertificateAuthority authority, Options options)
    {
        (this.authority, this.options) = (authority, options);
        authority.Replaced += () => Changed?.Invoke();
    }

    /// <summary>Other roots are in force, or other revocation lists.</summary>
    public event Action? Changed;

    public TrustAnchors Anchors => anchors;

    /// <summary>Roots of the mesh's own trust domain: one of them must be at the end of every workload's chain.</summary>
    public ImmutableArray<X509Certificate> Workloads
    {
        get
        {
            var (own, added) = (authority.Signer.Roots, anchors.Local);
            // The own authority keeps the control plane's doors. Where another signs for workloads, it vouches for none of them.
            return options.External is null || added.IsEmpty ? [.. own.Concat(added).Distinct()] : added;
        }
    }

    /// <summary>What a new pod must believe to begin: the control plane's root, and the workloads'.</summary>
    public string BootstrapPem => string.Concat(authority.Signer.Roots.Concat(anchors.Local).Distinct().Select(Pem.Write));

    public string RevocationListsPem => authority.Signer.RevocationListsPem;

    /// <returns>The problems that were not there before.</returns>
    public IReadOnlyList<string> Take(MeshConfig mesh)
    {
        var next = TrustAnchors.Read(mesh, options.TrustDomain ?? mesh.TrustDomain, options.External);
        var before = anchors;
        if (next.SameAs(before)) return [];

        anchors = next;
        Changed?.Invoke();
        return [.. next.Problems.Except(before.Problems)];
    }

    public static Action<PublishedWorld> Following(TrustBundle bundle, ILogger log) => published =>
    {
        foreach (var problem in bundle.Take(published.World.Mesh)) log.LogError("{Problem}", problem);
    };
}
