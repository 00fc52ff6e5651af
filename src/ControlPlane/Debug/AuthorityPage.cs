using System.Text.Json;
using Mesh.ControlPlane.Ca;
using Mesh.ControlPlane.Serve;
using Org.BouncyCastle.X509;

namespace Mesh.ControlPlane.Debug;

/// <summary>/debug/ca: who signs, whom the mesh believes, and why what lies in the folder of plugged-in certificates is not in use. No keys.</summary>
internal static class AuthorityPage
{
    public static void Write(Utf8JsonWriter writer, CertificateAuthority authority, TrustBundle bundle, PluggedInFolder folder, ProxyStreams streams, OtherReplicas others, Options options)
    {
        var signer = authority.Signer;
        writer.WriteStartObject();
        writer.WriteStartObject("signer");
        Describe(writer, signer.Certificate);
        writer.WriteString("root", SigningMaterial.Fingerprint(signer.Root));
        writer.WriteEndObject();
        if (options.External is { } external) External(writer, external);
        Roots(writer, "roots", signer.Roots, authority);
        // Beside those of the authority: MeshConfig.caCertificates.
        Roots(writer, "addedRoots", bundle.Anchors.Local, null);
        writer.WriteStartObject("trustDomains");
        foreach (var (domain, roots) in bundle.Anchors.Foreign) Roots(writer, domain, roots, null);
        writer.WriteEndObject();
        Texts(writer, "trustProblems", bundle.Anchors.Problems);
        writer.WriteNumber("revoked", RevocationText.Count(signer.RevocationListsPem));
        if (RevocationText.NextUpdate(signer.RevocationListsPem) is { } next) writer.WriteString("revocationListsUntil", next);
        writer.WriteString("problem", folder.Problem);
        Texts(writer, "proxiesWithoutTheseRoots", streams.WithoutRoots);
        if (options is { Kube: not null, CaFolder: not null }) Replicas(writer, others);
        writer.WriteEndObject();
    }

    private static void Replicas(Utf8JsonWriter writer, OtherReplicas others)
    {
        writer.WriteStartArray("otherReplicas");
        foreach (var report in others.Reports)
        {
            writer.WriteStartObject();
            writer.WriteString("name", report.Replica);
            writer.WriteString("signsUnder", report.SignsUnder);
            Texts(writer, "roots", report.Roots.Keys);
            writer.WriteNumber("proxiesWithoutTheseRoots", report.Waiting);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        if (others.Problem is { } problem) writer.WriteString("otherReplicasProblem", problem);
    }

    private static void External(Utf8JsonWriter writer, ExternalSigners external)
    {
        writer.WriteStartObject("workloadSigners");
        writer.WriteString("default", external.Default);
        writer.WriteString("domain", external.Domain);
        writer.WriteEndObject();
    }

    private static void Roots(Utf8JsonWriter writer, string name, IReadOnlyList<X509Certificate> roots, CertificateAuthority? authority)
    {
        writer.WriteStartArray(name);
        foreach (var root in roots)
        {
            writer.WriteStartObject();
            Describe(writer, root);
            if (authority is not null) writer.WriteString("certificatesUntil", authority.UsedUntil(root));
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    private static void Texts(Utf8JsonWriter writer, string name, IEnumerable<string> texts)
    {
        writer.WriteStartArray(name);
        foreach (var text in texts) writer.WriteStringValue(text);
        writer.WriteEndArray();
    }

    private static void Describe(Utf8JsonWriter writer, X509Certificate certificate)
    {
        writer.WriteString("subject", certificate.SubjectDN.ToString());
        writer.WriteString("sha256", SigningMaterial.Fingerprint(certificate));
        writer.WriteString("notAfter", DateTime.SpecifyKind(certificate.NotAfter, DateTimeKind.Utc));
    }
}
