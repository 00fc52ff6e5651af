using Org.BouncyCastle.X509;

namespace Mesh.ControlPlane.Ca;

/// <summary>
/// A root is changed in three steps: believe the new one beside the old, sign under it, forget the old one. A step that would leave some proxy with a peer that
/// it does not believe is refused; it is tried again by itself and succeeds when nothing stands in its way any more.
/// </summary>
/// <param name="distrustful">Names of the proxies that have not taken the present roots. Of proxies that are not ours it is not known.</param>
internal sealed class RootRotation(CertificateAuthority authority, Func<IReadOnlyList<string>> distrustful, TimeProvider time)
{
    private const int NamesMax = 5;

    /// <returns>Null when the step may be taken; otherwise what stands in its way and what to do.</returns>
    public string? Objection(SigningMaterial next)
    {
        var now = authority.Signer;
        if (!Has(now.Roots, next.Root))
            return Has(next.Roots, now.Root)
                ? $"the new root \"{next.Root.SubjectDN}\" is not believed by the mesh yet: first put it into root-cert.pem beside the old one, with the old signer"
                : $"the new certificates lead to root \"{next.Root.SubjectDN}\" and the old root is gone: change roots in three steps, the first being both roots in root-cert.pem with the old signer";

        if (!next.Root.Equals(now.Root) && distrustful() is { Count: > 0 } proxies)
            return $"{proxies.Count} proxies do not believe the new root yet: {string.Join(", ", proxies.Take(NamesMax))}{(proxies.Count > NamesMax ? ", …" : "")}";

        foreach (var root in now.Roots.Where(root => !Has(next.Roots, root)))
            if (authority.UsedUntil(root) is var until && until > time.GetUtcNow())
                return $"root \"{root.SubjectDN}\" cannot go yet: certificates under it are in force until {until:u}";
        return null;
    }

    private static bool Has(IReadOnlyList<X509Certificate> roots, X509Certificate root) => roots.Any(root.Equals);
}
