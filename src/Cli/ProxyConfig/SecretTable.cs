using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Cli.Output;

namespace Mesh.Cli.ProxyConfig;

internal static class SecretTable
{
    public static Table Of(ConfigDump dump, DateTimeOffset now, string prefix = "")
    {
        var table = new Table(gap: 5).Add("RESOURCE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE");
        foreach (var (entry, name, status) in dump.Secrets)
        {
            var secret = entry.Get("secret");
            var chain = Pem(secret.Get("tls_certificate", "certificate_chain"));
            var roots = Pem(secret.Get("validation_context", "trusted_ca"));
            var type = chain is not null ? "Cert Chain" : roots is not null ? "CA" : "";
            using var certificate = First(chain ?? roots);
            table.Add(prefix + name, type, status, IsValid(certificate, now) ? "true" : "false", Serial(certificate), Instant(certificate?.NotAfter), Instant(certificate?.NotBefore));
        }
        return table;
    }

    private static string? Pem(JsonNode? source)
    {
        if (source.Text("inline_string") is { Length: > 0 } text) return text;
        if (source.Text("inline_bytes") is not { Length: > 0 } base64) return null;

        var bytes = new byte[base64.Length];
        return Convert.TryFromBase64String(base64, bytes, out var length) ? Encoding.ASCII.GetString(bytes, 0, length) : null;
    }

    /// <summary>Null when there is none, or it is not one.</summary>
    private static X509Certificate2? First(string? pem)
    {
        if (pem is null) return null;
        try
        {
            return X509Certificate2.CreateFromPem(pem);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static bool IsValid(X509Certificate2? certificate, DateTimeOffset now) =>
        certificate is not null && certificate.NotBefore <= now && now <= certificate.NotAfter;

    private static string Serial(X509Certificate2? certificate) =>
        certificate is null ? "" : certificate.SerialNumber.ToLowerInvariant().TrimStart('0').PadLeft(32, '0');

    private static string Instant(DateTime? local) => local is { } time ? time.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ssZ") : "";
}
