using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Cli.Output;

namespace Mesh.Cli.ProxyConfig;

internal static class SecretTable
{
    private const string SubjectAltName = "2.5.29.17";
    private const string TrustDomains = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig";

    /// <summary>One row a certificate. The trust domains are shown when all are known: where domains trust each other they say which root is whose.</summary>
    public static Table Of(ConfigDump dump, DateTimeOffset now, string prefix = "")
    {
        var rows = dump.Secrets.SelectMany(secret => Certificates(secret.Secret.Get("secret")).Select(found => Row(prefix + secret.Name, secret.Status, found.Pem, found.TrustDomain, now))).ToList();
        if (rows.Count == 0) return new Table().Add("No active or warming secrets found.");

        var shown = rows.TrueForAll(row => row[^1].Length > 0) ? rows[0].Length : rows[0].Length - 1;
        var table = new Table(gap: 5).Add([.. ((string[])["RESOURCE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE", "TRUST DOMAIN"]).Take(shown)]);
        foreach (var row in rows) table.Add([.. row.Take(shown)]);
        return table;
    }

    /// <summary>A chain, roots, or the roots of several trust domains; one empty entry where a secret has none of them.</summary>
    private static IEnumerable<(string? Pem, string TrustDomain)> Certificates(JsonNode? secret)
    {
        if (Pem(secret.Get("tls_certificate", "certificate_chain")) is { } chain) return [(chain, "")];
        if (Pem(secret.Get("validation_context", "trusted_ca")) is { } roots) return [(roots, "")];

        var validator = secret.Get("validation_context", "custom_validator_config", "typed_config");
        if (validator.Text("@type") != TrustDomains) return [(null, "")];
        return validator.Items("trust_domains").Select(domain => (Pem(domain.Get("trust_bundle")), domain.Text("name")));
    }

    private static string[] Row(string name, string status, string? pem, string trustDomain, DateTimeOffset now)
    {
        using var certificate = First(pem);
        if (certificate is null) return [name, "", status, "false", "", "", "", ""];

        var isAuthority = certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(constraints => constraints.CertificateAuthority);
        var isValid = certificate.NotBefore < now && now < certificate.NotAfter;
        return
        [
            name, isAuthority ? "CA" : "Cert Chain", status, isValid ? "true" : "false", certificate.SerialNumber.ToLowerInvariant().TrimStart('0').PadLeft(32, '0'),
            Instant(certificate.NotAfter), Instant(certificate.NotBefore), trustDomain.Length > 0 ? trustDomain : TrustDomain(certificate),
        ];
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

    /// <summary>The host of the SPIFFE name; empty without one.</summary>
    private static string TrustDomain(X509Certificate2 certificate)
    {
        if (certificate.Extensions[SubjectAltName] is not { } names) return "";

        var text = new AsnEncodedData(names.Oid, names.RawData).Format(multiLine: false);
        const string Scheme = "spiffe://";
        var at = text.LastIndexOf(Scheme, StringComparison.Ordinal);
        return at < 0 ? "" : new string([.. text.Skip(at + Scheme.Length).TakeWhile(c => c is not ('/' or ',' or ' '))]);
    }

    private static string Instant(DateTime local) => local.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ssZ");
}
