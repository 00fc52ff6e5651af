using System.Text;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Ca;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>
/// The mesh's signing certificate in a cluster: the Secret `cacerts` (mounted) where the user plugs one in, else the Secret istio-ca-secret,
/// which the first replica makes and all share.
/// </summary>
internal static class KubeAuthority
{
    public const string SecretName = "istio-ca-secret";

    /// <exception cref="InvalidDataException">The Secret holds no usable certificate, or the cluster refuses it; says why.</exception>
    public static async Task<SigningMaterial> MaterialAsync(KubeApi api, string inNamespace, string trustDomain, TimeProvider time, ILogger log, CancellationToken cancel)
    {
        for (var attempt = 0; ; attempt++)
        {
            var answer = await api.GetAsync(KubeKinds.Secret, inNamespace, SecretName, cancel);
            if (answer.IsFine && answer.Body?["data"] is JsonObject data && data["ca-key.pem"] is not null) return Read(data, time);

            if (answer.IsAbsent || answer.IsFine)
            {
                var made = SigningMaterial.SelfMade(trustDomain, time.GetUtcNow());
                var created = await api.CreateAsync(KubeKinds.Secret, inNamespace, Secret(made, inNamespace), cancel);
                if (created.IsFine)
                {
                    log.LogInformation("made the mesh's own authority and keep it in Secret {Namespace}/{Name}", inNamespace, SecretName);
                    return made;
                }
                if (!created.IsConflict && !created.IsPassing) throw new InvalidDataException($"Secret {inNamespace}/{SecretName} cannot be made: {created}");
                continue; // another replica was faster: read what it made
            }
            if (!answer.IsPassing) throw new InvalidDataException($"Secret {inNamespace}/{SecretName} cannot be read: {answer}");

            log.LogWarning("waiting for the API server: {Answer}", answer);
            await Task.Delay(TimeSpan.FromSeconds(Math.Min(1 << Math.Min(attempt, 4), 15)), time, cancel);
        }
    }

    private static SigningMaterial Read(JsonObject data, TimeProvider time)
    {
        var folder = Directory.CreateTempSubdirectory("mesh-ca-");
        try
        {
            foreach (var name in (string[])["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"])
                if (Decoded(data[name]) is { Length: > 0 } text) PrivateFile.Write(Path.Combine(folder.FullName, name), text);
            // A self-made authority of Istio's has no root-cert.pem of its own: it is its own root.
            var root = Path.Combine(folder.FullName, "root-cert.pem");
            if (!File.Exists(root)) File.Copy(Path.Combine(folder.FullName, "ca-cert.pem"), root);
            return SigningMaterial.FromFolder(folder.FullName, time.GetUtcNow());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string Decoded(JsonNode? value) =>
        value?.GetValue<string>() is { Length: > 0 } text ? Encoding.UTF8.GetString(Convert.FromBase64String(text)) : "";

    private static JsonObject Secret(SigningMaterial material, string inNamespace) => new()
    {
        ["apiVersion"] = "v1",
        ["kind"] = "Secret",
        ["type"] = "istio.io/ca-root",
        ["metadata"] = new JsonObject { ["name"] = SecretName, ["namespace"] = inNamespace },
        ["data"] = new JsonObject
        {
            ["ca-cert.pem"] = Encoded(Pem.Write(material.Certificate)),
            ["ca-key.pem"] = Encoded(Pem.Write(material.Key)),
            ["root-cert.pem"] = Encoded(string.Concat(material.Roots.Select(Pem.Write))),
            ["cert-chain.pem"] = "",
        },
    };

    private static string Encoded(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
