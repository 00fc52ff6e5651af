using System.Collections.Immutable;
using Mesh.Model.Resources;
using Org.BouncyCastle.X509;

namespace Mesh.ControlPlane.Ca;

/// <summary>MeshConfig's <c>caCertificates</c>, read: roots beside those of the mesh's own authority, and for what each of them vouches.</summary>
internal sealed record TrustAnchors
{
    public static readonly TrustAnchors None = new();

    /// <summary>The mesh's own.</summary>
    public string TrustDomain { get; private init; } = "";

    /// <summary>Other names of the mesh's own trust domain.</summary>
    public ImmutableArray<string> Aliases { get; private init; } = [];

    /// <summary>They vouch for the mesh's own trust domain and its aliases.</summary>
    public ImmutableArray<X509Certificate> Local { get; private init; } = [];

    /// <summary>By trust domain: they vouch for that one and no other.</summary>
    public ImmutableSortedDictionary<string, ImmutableArray<X509Certificate>> Foreign { get; private init; } = ImmutableSortedDictionary<string, ImmutableArray<X509Certificate>>.Empty;

    /// <summary>By signer of the certificates.k8s.io API: where its certificates must lead.</summary>
    public ImmutableSortedDictionary<string, ImmutableArray<X509Certificate>> BySigner { get; private init; } = ImmutableSortedDictionary<string, ImmutableArray<X509Certificate>>.Empty;

    /// <summary>What cannot be used, each with its remedy. The other entries count.</summary>
    public ImmutableArray<string> Problems { get; private init; } = [];

    public static TrustAnchors Read(MeshConfig mesh, string trustDomain, ExternalSigners? external)
    {
        var local = ImmutableArray.CreateBuilder<X509Certificate>();
        var foreign = new SortedDictionary<string, List<X509Certificate>>(StringComparer.Ordinal);
        var bySigner = new SortedDictionary<string, List<X509Certificate>>(StringComparer.Ordinal);
        var problems = ImmutableArray.CreateBuilder<string>();
        for (var i = 0; i < mesh.CaCertificates.Length; i++)
        {
            var entry = mesh.CaCertificates[i];
            if (Certificates(entry, out var problem) is not { } certificates)
            {
                problems.Add($"MeshConfig.caCertificates[{i}]: {problem}");
                continue;
            }
            // Roots of signers count where those signers sign; elsewhere they are somebody else's.
            if (!entry.Signers.IsEmpty && (external is null || !entry.Signers.Any(external.Has))) continue;

            foreach (var signer in entry.Signers) Add(bySigner, signer, certificates);
            if (entry.TrustDomains.IsEmpty || entry.TrustDomains.Contains(trustDomain)) local.AddRange(certificates.Where(one => !local.Contains(one)));
            foreach (var domain in entry.TrustDomains.Where(domain => domain != trustDomain)) Add(foreign, domain, certificates);
        }
        return new()
        {
            TrustDomain = trustDomain, Aliases = mesh.TrustDomainAliases, Local = local.ToImmutable(), Foreign = Done(foreign), BySigner = Done(bySigner), Problems = problems.ToImmutable(),
        };
    }

    /// <summary>Where certificates of a signer must lead: to the roots that name it, else to those that name no signer.</summary>
    public ImmutableArray<X509Certificate> RootsOf(string signer) => BySigner.TryGetValue(signer, out var own) ? own : [.. Local.Where(root => !BySigner.Values.Any(of => of.Contains(root)))];

    public bool SameAs(TrustAnchors other) =>
        TrustDomain == other.TrustDomain && Aliases.SequenceEqual(other.Aliases) && Local.SequenceEqual(other.Local) && Same(Foreign, other.Foreign) && Same(BySigner, other.BySigner) && Problems.SequenceEqual(other.Problems);

    private static IReadOnlyList<X509Certificate>? Certificates(TrustAnchor entry, out string problem)
    {
        problem = "";
        if (entry.BundleUrl.Length > 0)
        {
            problem = "spiffeBundleUrl is not fetched by this mesh; give the roots as pem";
            return null;
        }
        try
        {
            if (Pem.Certificates(entry.Pem) is { Count: > 0 } certificates) return certificates;
            problem = "pem holds no certificate";
        }
        catch (Exception e) when (e is IOException or ArgumentException or FormatException or InvalidOperationException or Org.BouncyCastle.Security.GeneralSecurityException)
        {
            problem = $"pem cannot be read: {e.Message}";
        }
        return null;
    }

    private static void Add(SortedDictionary<string, List<X509Certificate>> map, string key, IEnumerable<X509Certificate> certificates)
    {
        if (!map.TryGetValue(key, out var list)) map[key] = list = [];
        list.AddRange(certificates.Where(one => !list.Contains(one)));
    }

    private static ImmutableSortedDictionary<string, ImmutableArray<X509Certificate>> Done(SortedDictionary<string, List<X509Certificate>> map) =>
        map.ToImmutableSortedDictionary(pair => pair.Key, pair => pair.Value.ToImmutableArray(), StringComparer.Ordinal);

    private static bool Same(ImmutableSortedDictionary<string, ImmutableArray<X509Certificate>> a, ImmutableSortedDictionary<string, ImmutableArray<X509Certificate>> b) =>
        a.Count == b.Count && a.All(pair => b.TryGetValue(pair.Key, out var other) && pair.Value.SequenceEqual(other));
}
