using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Ca;
using Mesh.Injector;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>
/// Replicas of the control plane tell each other what their proxies believe: a Lease each, renewed while the replica lives, with a <see cref="ReplicaReport"/>. Whether one
/// lives is judged by how long we have seen its Lease unrenewed, not by its clock. Only where certificates are plugged in: elsewhere no root is changed.
/// </summary>
internal sealed class RootReports(KubeApi api, CertificateAuthority authority, Func<IReadOnlyList<string>> distrustful, Options options, TimeProvider time, ILogger<RootReports> log)
{
    private const string Label = "mesh.local/root-report", Annotation = "mesh.local/roots";

    private static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(5);
    /// <summary>So long an unrenewed report counts: the proxies of a replica that died come to another one meanwhile.</summary>
    private static readonly TimeSpan LivesFor = TimeSpan.FromMinutes(1);
    /// <summary>Nobody will renew it: it is deleted by whoever sees it.</summary>
    private static readonly TimeSpan LeftBehindAfter = TimeSpan.FromMinutes(10);

    private readonly string self = options.Kube!.Replica;
    // By Lease: its version, and since when it has been so.
    private readonly Dictionary<string, (string Version, long Since)> seen = new(StringComparer.Ordinal);
    private readonly Lock guard = new();
    private (OtherReplicas Replicas, long At) heard = (new([], "they have not been heard yet"), time.GetTimestamp());

    public OtherReplicas Others
    {
        get
        {
            lock (guard) return heard.Replicas.Problem is null && time.GetElapsedTime(heard.At) > LivesFor ? heard.Replicas with { Problem = "they were last heard over a minute ago" } : heard.Replicas;
        }
    }

    public async Task RunAsync(CancellationToken stop)
    {
        if (options.CaFolder is null) return;

        using var timer = new PeriodicTimer(RenewEvery, time);
        try
        {
            do await RoundAsync(stop);
            while (await timer.WaitForNextTickAsync(stop));
        }
        catch (OperationCanceledException)
        {
            await WithdrawAsync();
        }
    }

    /// <summary>Says what is so here, then listens.</summary>
    internal async Task RoundAsync(CancellationToken stop)
    {
        var told = await api.ApplyAsync(KubeKinds.Lease, options.Namespace, NameOf(self), Lease(ReplicaReport.Of(self, authority, distrustful())), "istiod", dryRun: false, stop);
        // Who cannot tell the others must not trust that they could tell him: they would be as silent for the same reason.
        var problem = told.IsFine ? null : $"this replica's own Lease cannot be written: {told}";
        var answer = await api.ListAsync(KubeKinds.Lease, options.Namespace, $"labelSelector={Uri.EscapeDataString(Label)}", stop);
        if (!answer.IsFine)
        {
            Trouble(problem ?? $"their Leases cannot be listed: {answer}");
            return;
        }
        var leases = answer.Body.At("items").Objects().ToList();
        foreach (var gone in seen.Keys.Except(leases.Select(lease => lease.At("metadata", "name").Text() ?? "")).ToList()) seen.Remove(gone);
        var reports = ImmutableArray.CreateBuilder<ReplicaReport>();
        foreach (var lease in leases)
        {
            var replica = lease.At("spec", "holderIdentity").Text() ?? "";
            if (replica == self) continue;

            var age = AgeOf(lease);
            if (age > LeftBehindAfter) await api.DeleteAsync(KubeKinds.Lease, options.Namespace, lease.At("metadata", "name").Text() ?? "", stop);
            if (age > LivesFor) continue;
            if (ReplicaReport.Read(replica, lease.At("metadata", "annotations", Annotation).Text() ?? "") is { } report) reports.Add(report);
            else problem ??= $"the report of replica {replica} cannot be read";
        }
        if (problem is not null) Trouble(problem);
        else lock (guard) heard = (new(reports.ToImmutable(), null), time.GetTimestamp());
    }

    private void Trouble(string problem)
    {
        lock (guard)
        {
            if (heard.Replicas.Problem != problem) log.LogWarning("no root can be changed: {Problem}", problem);
            heard.Replicas = heard.Replicas with { Problem = problem };
        }
    }

    /// <summary>At a planned end nobody need wait for us.</summary>
    internal async Task WithdrawAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2), time);
        await api.DeleteAsync(KubeKinds.Lease, options.Namespace, NameOf(self), limit.Token);
    }

    private TimeSpan AgeOf(JsonObject lease)
    {
        var (name, version) = (lease.At("metadata", "name").Text() ?? "", lease.At("metadata", "resourceVersion").Text() ?? "");
        if (!seen.TryGetValue(name, out var last) || last.Version != version) seen[name] = last = (version, time.GetTimestamp());
        return time.GetElapsedTime(last.Since);
    }

    private static string NameOf(string replica) => $"istio-roots-{replica}".ToLowerInvariant();

    private JsonObject Lease(ReplicaReport report) => new()
    {
        ["apiVersion"] = "coordination.k8s.io/v1",
        ["kind"] = "Lease",
        ["metadata"] = new JsonObject
        {
            ["name"] = NameOf(self), ["namespace"] = options.Namespace,
            ["labels"] = new JsonObject { [Label] = "true" }, ["annotations"] = new JsonObject { [Annotation] = report.ToJson() },
        },
        ["spec"] = new JsonObject
        {
            ["holderIdentity"] = self,
            ["leaseDurationSeconds"] = (int)LivesFor.TotalSeconds,
            ["renewTime"] = time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture),
        },
    };
}
