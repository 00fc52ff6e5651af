namespace Mesh.ControlPlane.Ca;

/// <summary>Signers of the cluster's certificates.k8s.io API that sign for workloads in place of the mesh's own authority.</summary>
/// <param name="Default">The signer of workloads that name none, as <c>domain/name</c> (Istio: K8S_SIGNER). Empty: every workload must name one.</param>
/// <param name="Domain">What stands before the names that workloads give (Istio: CERT_SIGNER_DOMAIN). Empty: workloads may not name one.</param>
public sealed record ExternalSigners(string Default, string Domain)
{
    private const int NameCharsMax = 253;

    /// <returns>Null and a sentence when there is no such signer.</returns>
    public string? NameFor(string wished, out string problem)
    {
        problem = "";
        if (wished.Length == 0)
        {
            if (Default.Length == 0) problem = "the proxy names no signer (ISTIO_META_CERT_SIGNER) and there is no default one (K8S_SIGNER)";
            return Default.Length == 0 ? null : Default;
        }
        if (Domain.Length == 0)
        {
            problem = $"the proxy asks for signer \"{Shown(wished)}\", but no domain of signers is set (CERT_SIGNER_DOMAIN)";
            return null;
        }
        if (wished.Length <= NameCharsMax && wished.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_')) return $"{Domain}/{wished}";

        problem = $"\"{Shown(wished)}\" is no name of a signer";
        return null;
    }

    /// <summary>May certificates of this signer be in the mesh?</summary>
    public bool Has(string signer) => signer == Default || Domain.Length > 0 && signer.StartsWith(Domain + "/", StringComparison.Ordinal);

    private static string Shown(string text) => text.Length > 100 ? text[..100] + "…" : text;
}
