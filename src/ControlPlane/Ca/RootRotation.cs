using Org.BouncyCastle.X509;

namespace Mesh.ControlPlane.Ca;

/// <summary>
/// A root is changed in three steps: believe the new one beside the old, sign under it, forget the old one. A step that would leave some proxy with a peer that
/// it does not believe is refused; it is tried again by itself and succeeds when nothing stands in its way any more.
/// </summary>
/// <param name="distrustful">Names of the proxies that have not taken the present roots. Of proxies that are not ours it is not known.</param>
/// <param name="others">The same of the proxies of other replicas.</param>
internal sealed class RootRotation(CertificateAuthority authority, Func<IReadOnlyList<string>> distrustful, Func<OtherReplicas> others, TimeProvider time)
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

        var leaving = now.Roots.Where(root => !Has(next.Roots, root)).ToList();
        if (next.Root.Equals(now.Root) && leaving.Count == 0) return null;

        var known = others();
        if (known.Problem is { } problem) return $"what proxies of other replicas of the control plane believe is not known: {problem}";
        if (!next.Root.Equals(now.Root) && NotBelieved(next.Root, known) is { } distrust) return distrust;
        return leaving.Select(root => StillInUse(root, known)).FirstOrDefault(objection => objection is not null);
    }

    private string? NotBelieved(X509Certificate root, OtherReplicas known)
    {
        if (distrustful() is { Count: > 0 } proxies) return Waiting(proxies.Count, proxies, "");
        foreach (var report in known.Reports)
        {
            if (!report.Roots.ContainsKey(SigningMaterial.Fingerprint(root))) return $"replica {report.Replica} does not give out the new root yet";
            if (report.Waiting > 0) return Waiting(report.Waiting, report.Names, $" of replica {report.Replica}");
        }
        return null;
    }

    private static string Waiting(int count, IReadOnlyList<string> names, string where) =>
        $"{count} proxies{where} do not believe the new root yet: {string.Join(", ", names.Take(NamesMax))}{(count > Math.Min(names.Count, NamesMax) ? ", …" : "")}";

    private string? StillInUse(X509Certificate root, OtherReplicas known)
    {
        var name = SigningMaterial.Fingerprint(root);
        if (known.Reports.FirstOrDefault(report => report.SignsUnder == name) is { } signing) return $"root \"{root.SubjectDN}\" cannot go yet: replica {signing.Replica} signs under it";

        var until = known.Reports.Select(report => report.Roots.GetValueOrDefault(name)).Append(authority.UsedUntil(root)).Max();
        return until > time.GetUtcNow() ? $"root \"{root.SubjectDN}\" cannot go yet: certificates under it are in force until {until:u}" : null;
    }

    private static bool Has(IReadOnlyList<X509Certificate> roots, X509Certificate root) => roots.Any(root.Equals);
}
