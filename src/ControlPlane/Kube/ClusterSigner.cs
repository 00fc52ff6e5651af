using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Grpc.Core;
using Mesh.ControlPlane.Ca;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>
/// An authority outside, reached by the cluster's certificates.k8s.io API: each request becomes a CertificateSigningRequest that we approve, wait for, check and take away
/// again. We have vouched for the caller; the signer holds the key. What comes back is believed as little as what a workload sends.
/// </summary>
internal sealed class ClusterSigner(KubeApi api, ExternalSigners signers, TrustBundle bundle, ClusterSignerMetrics metrics, TimeProvider time, ILogger<ClusterSigner> log) : IWorkloadSigner, IDisposable
{
    /// <summary>A proxy gives up after half a minute; it is told why before that.</summary>
    internal static readonly TimeSpan WaitMax = TimeSpan.FromSeconds(20);

    private const int InFlightMax = 64;
    private const int SecondsMin = 600; // the API takes no fewer
    private static readonly TimeSpan LookFirst = TimeSpan.FromMilliseconds(100), LookMax = TimeSpan.FromSeconds(1), CleanUpMax = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim free = new(InFlightMax);

    public async Task<SigningAnswer> SignAsync(WorkloadRequest request, CancellationToken cancel)
    {
        if (signers.NameFor(request.SignerName, out var problem) is not { } signer) return Refuse("", "no_signer", StatusCode.InvalidArgument, problem);
        if (bundle.Anchors.RootsOf(signer) is { IsEmpty: true })
            return Refuse("", "no_root", StatusCode.FailedPrecondition, $"nobody believes signer {signer}: put its root into MeshConfig.caCertificates with certSigners [{signer}]");
        if (SigningRequest.ForSigner(request.CsrPem, request.Identity, out problem) is not { } csr) return Refuse(signer, "excessive_request", StatusCode.InvalidArgument, problem);

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        using var timer = time.CreateTimer(static state => ((CancellationTokenSource)state!).Cancel(), limit, WaitMax, Timeout.InfiniteTimeSpan);
        try
        {
            await free.WaitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            return Refuse(signer, "busy", StatusCode.ResourceExhausted, $"{InFlightMax} requests to signers are under way and none ended within {WaitMax.TotalSeconds:0} s");
        }
        try
        {
            return await SignAsync(request with { CsrPem = csr }, signer, limit.Token);
        }
        catch (OperationCanceledException)
        {
            return Refuse(signer, "timeout", StatusCode.DeadlineExceeded, $"signer {signer} did not sign within {WaitMax.TotalSeconds:0} s: is it running, and does it watch this signerName?");
        }
        finally
        {
            free.Release();
        }
    }

    public void Dispose() => free.Dispose();

    private async Task<SigningAnswer> SignAsync(WorkloadRequest request, string signer, CancellationToken cancel)
    {
        var created = await api.CreateAsync(KubeKinds.SigningRequest, null, Resource(request, signer), cancel);
        cancel.ThrowIfCancellationRequested();
        if (!created.IsFine) return Refuse(signer, Outcome(created), CodeOf(created), $"no CertificateSigningRequest can be made for signer {signer}: {created}");

        var name = created.Body!["metadata"]!["name"]!.GetValue<string>();
        try
        {
            var approved = await api.MergeAsync(KubeKinds.SigningRequest, null, name, Approval(), cancel, "/approval");
            cancel.ThrowIfCancellationRequested();
            if (!approved.IsFine)
                return Refuse(signer, Outcome(approved), CodeOf(approved), $"the request to signer {signer} cannot be approved: {approved}{(approved.Status == 403 ? "; list the signer in values.global.certSigners" : "")}");

            return await TakeAsync(request, signer, name, cancel);
        }
        finally
        {
            await RemoveAsync(name);
        }
    }

    private async Task<SigningAnswer> TakeAsync(WorkloadRequest request, string signer, string name, CancellationToken cancel)
    {
        for (var wait = LookFirst; ; wait = wait * 1.5 < LookMax ? wait * 1.5 : LookMax)
        {
            await Task.Delay(wait, time, cancel);
            var answer = await api.GetAsync(KubeKinds.SigningRequest, null, name, cancel);
            cancel.ThrowIfCancellationRequested();
            if (answer.IsPassing) continue;
            if (!answer.IsFine) return Refuse(signer, Outcome(answer), CodeOf(answer), $"the request to signer {signer} is gone: {answer}");

            var status = answer.Body?["status"] as JsonObject;
            foreach (var condition in (status?["conditions"] as JsonArray ?? []).OfType<JsonObject>())
                if (Text(condition, "type") is var type && type is "Denied" or "Failed")
                    return Refuse(signer, type == "Denied" ? "denied" : "failed", StatusCode.PermissionDenied, $"signer {signer} says {type}: {Text(condition, "reason")} {Text(condition, "message")}".TrimEnd());

            if (Text(status, "certificate") is { Length: > 0 } certificate) return Checked(request, signer, certificate);
        }
    }

    private SigningAnswer Checked(WorkloadRequest request, string signer, string certificate)
    {
        if (DeliveredChain.Read(certificate, request, bundle.Anchors.RootsOf(signer), time.GetUtcNow(), out var problem) is not { } issued)
            return Refuse(signer, "unusable", StatusCode.FailedPrecondition, $"what signer {signer} signed cannot be used: {problem}");

        metrics.Count(signer, "issued");
        return SigningAnswer.Of(issued);
    }

    /// <summary>Whatever became of it, and whoever has given up waiting: it must not stay.</summary>
    private async Task RemoveAsync(string name)
    {
        using var limit = new CancellationTokenSource(CleanUpMax, time);
        try
        {
            var answer = await api.DeleteAsync(KubeKinds.SigningRequest, null, name, limit.Token);
            if (!answer.IsFine && !answer.IsAbsent) log.LogWarning("CertificateSigningRequest {Name} stays behind: {Answer}", name, answer);
        }
        catch (OperationCanceledException)
        {
            log.LogWarning("CertificateSigningRequest {Name} stays behind: no answer within {Seconds} s", name, CleanUpMax.TotalSeconds);
        }
    }

    private SigningAnswer Refuse(string signer, string outcome, StatusCode code, string problem)
    {
        metrics.Count(signer, outcome);
        return SigningAnswer.Refused(code, problem);
    }

    private static JsonObject Resource(WorkloadRequest request, string signer)
    {
        var spec = new JsonObject
        {
            ["request"] = Convert.ToBase64String(Encoding.ASCII.GetBytes(request.CsrPem)),
            ["signerName"] = signer,
            ["usages"] = new JsonArray("digital signature", "key encipherment", "server auth", "client auth"),
        };
        if (request.Wished > TimeSpan.Zero) spec["expirationSeconds"] = (int)Math.Clamp(request.Wished.TotalSeconds, SecondsMin, int.MaxValue);
        return new()
        {
            ["apiVersion"] = "certificates.k8s.io/v1",
            ["kind"] = "CertificateSigningRequest",
            ["metadata"] = new JsonObject
            {
                ["name"] = "csr-workload-" + RandomNumberGenerator.GetHexString(20, lowercase: true),
                ["annotations"] = new JsonObject { ["mesh.local/identity"] = request.Identity },
            },
            ["spec"] = spec,
        };
    }

    private static JsonObject Approval() => new()
    {
        ["status"] = new JsonObject
        {
            ["conditions"] = new JsonArray(new JsonObject
            {
                ["type"] = "Approved",
                ["status"] = "True",
                ["reason"] = "WorkloadAuthenticated",
                ["message"] = "the workload's token was reviewed, and the request asks for its identity alone",
            }),
        },
    };

    private static string Outcome(KubeAnswer answer) => answer.IsUnreachable ? "unreachable" : answer.Status == 403 ? "forbidden" : "refused";

    private static StatusCode CodeOf(KubeAnswer answer) => answer.IsPassing ? StatusCode.Unavailable : StatusCode.FailedPrecondition;

    private static string Text(JsonObject? node, string name) => node?[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : "";
}
