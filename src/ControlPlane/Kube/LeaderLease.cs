using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>
/// One replica writes at a time: who holds the Lease. Lost when it cannot be renewed in time, so that two never write at once
/// for longer than a clock's difference. Whether another's Lease has run out is judged by how long we have seen it unrenewed, not by what its
/// clock wrote.
/// </summary>
internal sealed class LeaderLease(KubeApi api, string inNamespace, string name, string replica, TimeSpan duration, TimeProvider time, ILogger log)
{
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'";

    /// <summary>What the Lease said when it last changed, and when we saw that.</summary>
    private (string Record, long At) observed = ("", 0);

    /// <summary>Leads again and again, each time for as long as the Lease is ours; the work's token ends with it.</summary>
    public async Task RunAsync(Func<CancellationToken, Task> work, CancellationToken stop)
    {
        var retry = duration * 2 / 15;
        try
        {
            while (!stop.IsCancellationRequested)
            {
                if (await TryHoldAsync(stop))
                {
                    log.LogInformation("{Replica} leads {Name}", replica, name);
                    await LeadAsync(work, retry, stop);
                    log.LogInformation("{Replica} no longer leads {Name}", replica, name);
                }
                await WaitAsync(retry, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            log.LogDebug("{Replica} no longer asks for {Name}", replica, name);
        }
    }

    private async Task LeadAsync(Func<CancellationToken, Task> work, TimeSpan retry, CancellationToken stop)
    {
        using var term = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var working = work(term.Token);
        var renewed = time.GetTimestamp();
        while (!stop.IsCancellationRequested && !working.IsCompleted)
        {
            await WaitAsync(retry, stop);
            if (await TryHoldAsync(stop)) renewed = time.GetTimestamp();
            else if (time.GetElapsedTime(renewed) > duration * 2 / 3) break;
        }
        await term.CancelAsync();
        try
        {
            await working;
        }
        catch (OperationCanceledException)
        {
            return; // it was told to
        }
        finally
        {
            if (stop.IsCancellationRequested) await ReleaseAsync();
        }
    }

    private async Task<bool> TryHoldAsync(CancellationToken cancel)
    {
        if (cancel.IsCancellationRequested) return false;
        var now = time.GetUtcNow();
        var answer = await api.GetAsync(KubeKinds.Lease, inNamespace, name, cancel);
        if (answer.IsAbsent) return (await api.CreateAsync(KubeKinds.Lease, inNamespace, Lease(null, now, now, 0), cancel)).IsFine;
        if (!answer.IsFine || answer.Body is not { } lease) return false;

        var spec = lease["spec"] as JsonObject ?? [];
        var holder = spec["holderIdentity"]?.GetValue<string>() ?? "";
        var changes = spec["leaseTransitions"]?.GetValue<int>() ?? 0;
        var record = $"{holder} {changes} {spec["renewTime"]?.GetValue<string>()}";
        if (record != observed.Record) observed = (record, time.GetTimestamp());
        var lasts = TimeSpan.FromSeconds(spec["leaseDurationSeconds"]?.GetValue<int>() ?? (int)duration.TotalSeconds);
        if (holder.Length > 0 && holder != replica && time.GetElapsedTime(observed.At) < lasts) return false;

        var acquired = holder == replica ? Time(spec["acquireTime"]) : now;
        // The version we read makes sure that nobody else took it meanwhile.
        var next = Lease(lease["metadata"]?["resourceVersion"]?.GetValue<string>(), acquired, now, holder == replica ? changes : changes + 1);
        return (await api.ReplaceAsync(KubeKinds.Lease, inNamespace, name, next, cancel)).IsFine;
    }

    /// <summary>Gives it back at a planned end, so that the next replica need not wait.</summary>
    private async Task ReleaseAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2), time);
        var answer = await api.GetAsync(KubeKinds.Lease, inNamespace, name, limit.Token);
        if (answer.Body is not { } lease || lease["spec"]?["holderIdentity"]?.GetValue<string>() != replica) return;

        ((JsonObject)lease["spec"]!)["holderIdentity"] = "";
        await api.ReplaceAsync(KubeKinds.Lease, inNamespace, name, lease, limit.Token);
    }

    private JsonObject Lease(string? version, DateTimeOffset acquired, DateTimeOffset renewed, int changes)
    {
        var metadata = new JsonObject { ["name"] = name, ["namespace"] = inNamespace };
        if (version is not null) metadata["resourceVersion"] = version;
        return new()
        {
            ["apiVersion"] = "coordination.k8s.io/v1",
            ["kind"] = "Lease",
            ["metadata"] = metadata,
            ["spec"] = new JsonObject
            {
                ["holderIdentity"] = replica,
                ["leaseDurationSeconds"] = Math.Max(1, (int)duration.TotalSeconds),
                ["acquireTime"] = acquired.ToString(TimeFormat, CultureInfo.InvariantCulture),
                ["renewTime"] = renewed.ToString(TimeFormat, CultureInfo.InvariantCulture),
                ["leaseTransitions"] = changes,
            },
        };
    }

    private static DateTimeOffset Time(JsonNode? value) =>
        DateTimeOffset.TryParse(value?.GetValue<string>(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : DateTimeOffset.UnixEpoch;

    private async Task WaitAsync(TimeSpan wait, CancellationToken stop)
    {
        try
        {
            await Task.Delay(wait, time, stop);
        }
        catch (OperationCanceledException)
        {
            return;
        }
    }
}
