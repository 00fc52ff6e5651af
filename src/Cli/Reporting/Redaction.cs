using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mesh.Injector;

namespace Mesh.Cli.Reporting;

/// <summary>Takes out of text and objects what nobody else may read: keys, tokens, passwords, the content of Secrets.</summary>
internal static partial class Redaction
{
    public const string Mark = "[redacted]";

    /// <summary>Private keys, JSON web tokens, bearer credentials, and passwords in URLs.</summary>
    public static string Of(string text)
    {
        text = PrivateKey().Replace(text, Mark);
        text = EncodedPrivateKey().Replace(text, Mark);
        text = WebToken().Replace(text, Mark);
        text = Credentials().Replace(text, "$1" + Mark);
        return Password().Replace(text, "$1" + Mark + "@");
    }

    /// <summary>An object of the cluster without secrets: a Secret's values become their sizes, a container's secret variables a mark.</summary>
    public static JsonObject Of(JsonObject item)
    {
        var copy = item.Copy();
        if (copy["metadata"] is JsonObject metadata)
        {
            metadata.Remove("managedFields");
            if (metadata["annotations"] is JsonObject annotations) annotations.Remove("kubectl.kubernetes.io/last-applied-configuration"); // the whole object once more, secrets included
        }
        if (copy["kind"].Text() == "Secret")
        {
            foreach (var part in (string[])["data", "stringData"])
                if (copy[part] is JsonObject data)
                    foreach (var key in data.Select(pair => pair.Key).ToList()) data[key] = $"{Mark} {data[key].Text()?.Length ?? 0} characters";
        }
        Walk(copy);
        return copy;
    }

    private static void Walk(JsonNode? node)
    {
        switch (node)
        {
            case JsonObject map:
                if (map["name"].Text() is { } name && SecretName().IsMatch(name) && map["value"].Text() is not null) map["value"] = Mark;
                foreach (var key in map.Select(pair => pair.Key).ToList())
                {
                    if (map[key] is not JsonValue) Walk(map[key]);
                    else if (SecretField().IsMatch(key) && map[key].Text() is { Length: > 0 }) map[key] = Mark;
                }
                break;
            case JsonArray list:
                foreach (var item in list) Walk(item);
                break;
        }
    }

    [GeneratedRegex(@"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\z)", RegexOptions.Singleline, 5_000)]
    private static partial Regex PrivateKey();

    // "-----BEGIN " in base64, followed by what such a key begins with; a certificate's goes on with CERT.
    [GeneratedRegex(@"LS0tLS1CRUdJTi(BQUklWQVRF|BFQyBQUklW|BSU0EgUFJJ|BFTkNSWVBU)[A-Za-z0-9+/=]*", RegexOptions.None, 5_000)]
    private static partial Regex EncodedPrivateKey();

    [GeneratedRegex(@"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*", RegexOptions.None, 5_000)]
    private static partial Regex WebToken();

    [GeneratedRegex(@"((?:authorization|cookie|x-api-key)""?\s*[:=]\s*""?(?:(?:bearer|basic)\s+)?)[^\s"",;]+", RegexOptions.IgnoreCase, 5_000)]
    private static partial Regex Credentials();

    [GeneratedRegex(@"(://[^/\s:@""]{1,200}:)[^@/\s""]{1,200}@", RegexOptions.None, 5_000)]
    private static partial Regex Password();

    [GeneratedRegex(@"(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL)", RegexOptions.IgnoreCase, 5_000)]
    private static partial Regex SecretName();

    [GeneratedRegex(@"^(privateKey|private_key|password|client_secret|clientSecret|inline_private_key)$", RegexOptions.None, 5_000)]
    private static partial Regex SecretField();
}
