using System.Text.Json;
using Mesh.ControlPlane.Ca;
using Mesh.ControlPlane.Serve;
using Org.BouncyCastle.X509;

namespace Mesh.ControlPlane.Debug;

/// <summary>/debug/ca: who signs, whom the mesh believes, and why what lies in the folder of plugged-in certificates is not in use. No keys.</summary>
internal static class AuthorityPage
{
    public static void Write(Utf8JsonWriter writer, CertificateAuthority authority, PluggedInFolder folder, ProxyStreams streams)
    {
        var signer = authority.Signer;
        writer.WriteStartObject();
        writer.WriteStartObject("signer");
        Describe(writer, signer.Certificate);
        writer.WriteString("root", SigningMaterial.Fingerprint(signer.Root));
        writer.WriteEndObject();
        writer.WriteStartArray("roots");
        foreach (var root in signer.Roots)
        {
            writer.WriteStartObject();
            Describe(writer, root);
            writer.WriteString("certificatesUntil", authority.UsedUntil(root));
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteString("problem", folder.Problem);
        writer.WriteStartArray("proxiesWithoutTheseRoots");
        foreach (var name in streams.WithoutRoots) writer.WriteStringValue(name);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void Describe(Utf8JsonWriter writer, X509Certificate certificate)
    {
        writer.WriteString("subject", certificate.SubjectDN.ToString());
        writer.WriteString("sha256", SigningMaterial.Fingerprint(certificate));
        writer.WriteString("notAfter", DateTime.SpecifyKind(certificate.NotAfter, DateTimeKind.Utc));
    }
}
