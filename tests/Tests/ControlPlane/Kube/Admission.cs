using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Kube;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>The API server's side of admission: which webhooks are asked, over TLS that their caBundle must vouch for, and what becomes of their answer.</summary>
internal sealed class Admission
{
    /// <summary>Where the Service of the webhooks leads. Null: nowhere, and nobody is asked.</summary>
    public Uri? Address { get; set; }

    public async Task<(JsonObject Object, string? Refusal)> AskAsync(FakeCluster cluster, string plural, JsonObject item, string operation)
    {
        if (Address is null) return (item, null);
        foreach (var kind in (KubeKind[])[KubeKinds.MutatingWebhook, KubeKinds.ValidatingWebhook])
            foreach (var webhook in cluster.All(kind).SelectMany(c => c["webhooks"].Objects()))
            {
                if (!Selects(cluster, webhook, plural, item, operation)) continue;
                var (answer, problem) = await CallAsync(webhook, item, operation);
                if (problem is not null && webhook["failurePolicy"].Text() == "Ignore") continue;
                if (problem is not null) return (item, $"failed calling webhook \"{webhook["name"].Text()}\": {problem}");
                if (!answer.At("response", "allowed").IsTrue()) return (item, $"admission webhook \"{webhook["name"].Text()}\" denied the request: {answer.At("response", "status", "message").Text()}");
                if (answer.At("response", "patch").Text() is { } patch) item = JsonPatches.Apply(item, (JsonArray)JsonNode.Parse(Convert.FromBase64String(patch))!);
            }
        return (item, null);
    }

    private static bool Selects(FakeCluster cluster, JsonObject webhook, string plural, JsonObject item, string operation)
    {
        var group = item["apiVersion"].Text()!.Split('/') is [var g, _] ? g : "";
        if (!webhook["rules"].Objects().Any(r => Has(r["operations"], operation) && Has(r["apiGroups"], group) && Has(r["resources"], plural))) return false;
        var space = cluster.Get(KubeKinds.Namespace, "", item.At("metadata", "namespace").Text() ?? "");
        return LabelSelector.Parse(webhook["namespaceSelector"])!.Matches(space.At("metadata", "labels").Strings())
            && LabelSelector.Parse(webhook["objectSelector"])!.Matches(item.At("metadata", "labels").Strings());

        static bool Has(JsonNode? list, string value) => list.Texts().Any(one => one == "*" || one == value);
    }

    private async Task<(JsonNode? Answer, string? Problem)> CallAsync(JsonObject webhook, JsonObject item, string operation)
    {
        var bundle = webhook.At("clientConfig", "caBundle").Text() is { Length: > 0 } encoded ? Encoding.UTF8.GetString(Convert.FromBase64String(encoded)) : "";
        var service = webhook.At("clientConfig", "service");
        var host = $"{service.At("name").Text()}.{service.At("namespace").Text()}.svc";
        using var http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancel) =>
            {
                var socket = new System.Net.Sockets.Socket(System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(IPAddress.Loopback, Address!.Port, cancel);
                return new System.Net.Sockets.NetworkStream(socket, ownsSocket: true);
            },
            SslOptions = new()
            {
                RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
                {
                    if (certificate is null || bundle.Length == 0 || errors.HasFlag(System.Net.Security.SslPolicyErrors.RemoteCertificateNameMismatch)) return false;
                    using var chain = new X509Chain { ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck } };
                    chain.ChainPolicy.CustomTrustStore.ImportFromPem(bundle);
                    return chain.Build(new X509Certificate2(certificate));
                },
            },
        });
        var review = new JsonObject
        {
            ["apiVersion"] = "admission.k8s.io/v1",
            ["kind"] = "AdmissionReview",
            ["request"] = new JsonObject { ["uid"] = Guid.NewGuid().ToString(), ["namespace"] = item.At("metadata", "namespace").Text(), ["operation"] = operation, ["object"] = item.Copy() },
        };
        try
        {
            using var body = new StringContent(review.ToJsonString());
            body.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var response = await http.PostAsync($"https://{host}{service.At("path").Text()}?timeout=10s", body);
            return response.IsSuccessStatusCode ? (JsonNode.Parse(await response.Content.ReadAsStringAsync()), null) : (null, $"{(int)response.StatusCode}");
        }
        catch (HttpRequestException e)
        {
            return (null, e.InnerException?.Message ?? e.Message);
        }
    }
}
