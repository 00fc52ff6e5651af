using System.Text;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Ca;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>
/// Keeps the webhooks of this revision in order: they carry the root that our certificate leads to, and validation is made binding once it answers.
/// </summary>
internal sealed class WebhookCertificates(KubeApi api, CertificateAuthority authority, Options options, TimeProvider time, ILogger<WebhookCertificates> log)
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(10);

    /// <summary>Between an installation and its first answer.</summary>
    private static readonly TimeSpan LookSoon = TimeSpan.FromSeconds(1);

    public async Task RunAsync(CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            await TendAsync(KubeKinds.MutatingWebhook, binding: false, cancel);
            var binding = await RefusesNonsenseAsync(cancel);
            await TendAsync(KubeKinds.ValidatingWebhook, binding, cancel);
            try
            {
                await Task.Delay(binding ? LookAgain : LookSoon, time, cancel);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    internal async Task TendAsync(KubeKind kind, bool binding, CancellationToken cancel)
    {
        var revision = options.Revision.Length == 0 ? "default" : options.Revision;
        var list = await api.ListAsync(kind, null, "labelSelector=" + Uri.EscapeDataString($"istio.io/rev={revision}"), cancel);
        if (!list.IsFine)
        {
            if (!cancel.IsCancellationRequested) log.LogWarning("{Kind} cannot be read: {Answer}", kind, list);
            return;
        }
        var bundle = Convert.ToBase64String(Encoding.UTF8.GetBytes(authority.RootsPem));
        foreach (var configuration in (list.Body?["items"] as JsonArray ?? []).OfType<JsonObject>())
        {
            var patch = Patch(configuration, bundle, binding);
            if (patch.Count == 0) continue;

            var name = configuration["metadata"]!["name"]!.GetValue<string>();
            var answer = await api.PatchAsync(kind, null, name, patch, cancel);
            if (answer.IsFine) log.LogInformation("{Kind} {Name}: certificate put in", kind, name);
            else log.LogWarning("{Kind} {Name} cannot be changed: {Answer}", kind, name, answer);
        }
    }

    /// <summary>Only what differs, so that two revisions never fight over one object.</summary>
    internal static JsonArray Patch(JsonObject configuration, string bundle, bool binding)
    {
        var patch = new JsonArray();
        var webhooks = configuration["webhooks"] as JsonArray ?? [];
        for (var i = 0; i < webhooks.Count; i++)
        {
            if (webhooks[i] is not JsonObject webhook || webhook["clientConfig"]?["service"] is null) continue; // a URL is served by somebody else
            if (webhook["clientConfig"]!["caBundle"]?.GetValue<string>() != bundle) Add(i, "clientConfig/caBundle", bundle);
            if (binding && webhook["failurePolicy"]?.GetValue<string>() == "Ignore") Add(i, "failurePolicy", "Fail");
        }
        return patch;

        void Add(int at, string path, string value) =>
            patch.Add((JsonNode)new JsonObject { ["op"] = "add", ["path"] = $"/webhooks/{at}/{path}", ["value"] = value });
    }

    /// <summary>Asks the cluster to take a Gateway that makes no sense, as a dry run. Only the webhook can refuse it.</summary>
    private async Task<bool> RefusesNonsenseAsync(CancellationToken cancel)
    {
        var nonsense = new JsonObject
        {
            ["apiVersion"] = "networking.istio.io/v1",
            ["kind"] = "Gateway",
            ["metadata"] = new JsonObject { ["name"] = "invalid-gateway", ["namespace"] = options.Namespace },
            ["spec"] = new JsonObject(),
        };
        var answer = await api.SendAsync(HttpMethod.Post, $"/apis/networking.istio.io/v1/namespaces/{options.Namespace}/gateways?dryRun=All", nonsense, "application/json", cancel);
        return !answer.IsFine && answer.Message.Contains("denied the request", StringComparison.Ordinal);
    }
}
