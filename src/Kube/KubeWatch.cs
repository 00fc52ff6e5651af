using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Kube;

/// <summary>Hears what one kind of object is like now. Called by one task; must not wait long.</summary>
public interface IKubeSink
{
    /// <summary>The whole truth at one moment: what is not in it is gone.</summary>
    void Replace(IReadOnlyList<JsonElement> objects);

    void Changed(JsonElement item);

    void Deleted(JsonElement item);

    /// <summary>The cluster cannot be heard just now. What was heard before stays as it is.</summary>
    void Trouble(string sentence);

    /// <summary>The cluster has nothing new to say, but says so.</summary>
    void Heard()
    {
    }
}

/// <summary>What a watch does when; tests make it short.</summary>
public sealed record KubeWatchTimes
{
    /// <summary>Bookmarks come once a minute; so long without one means a dead connection.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(90);
    public TimeSpan WatchMin { get; init; } = TimeSpan.FromMinutes(5);
    public TimeSpan BackoffMin { get; init; } = TimeSpan.FromMilliseconds(800);
    /// <summary>With its jitter at most one question of a kind in two seconds while the server is away, and heard again soon after it is back.</summary>
    public TimeSpan BackoffMax { get; init; } = TimeSpan.FromSeconds(4);
    /// <summary>How often to ask whether a kind that the cluster did not have has come.</summary>
    public TimeSpan AbsentRetry { get; init; } = TimeSpan.FromSeconds(20);
}

/// <summary>
/// List, then watch, for ever: pages, bookmarks, relist on 410, back-off with jitter, silence detected. An error never empties what was known.
/// </summary>
public sealed class KubeWatch(KubeApi api, KubeKind kind, IKubeSink sink, TimeProvider time, Random random, KubeWatchTimes? times = null, string? inNamespace = null, string selector = "")
{
    private const int PageItems = 500;
    private const int PagesMax = 10_000;

    private readonly KubeWatchTimes times = times ?? new();
    private readonly TaskCompletionSource synced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string version = "";
    private int failures;
    private bool isServed; // a list of this kind was heard

    /// <summary>Completes when the first list has been heard, or the cluster does not have the kind.</summary>
    public Task Synced => synced.Task;

    public KubeKind Kind => kind;

    /// <summary>Names, labels and versions are enough: the objects themselves are not sent.</summary>
    public bool OnlyMetadata { get; init; }

    public async Task RunAsync(CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            try
            {
                if (version.Length == 0 && !await ListAsync(cancel)) continue;
                await FollowAsync(cancel);
            }
            catch (KubeWatchRefusedException e) when (e.Status == 410)
            {
                version = ""; // too old: list again, at once
            }
            catch (KubeWatchRefusedException e)
            {
                if (e.Status == 404) version = "";
                await BackOffAsync($"watching {kind}: {e.Status} {e.Message}", times.BackoffMax, cancel);
            }
            catch (Exception e) when (e is HttpRequestException or IOException or JsonException or InvalidOperationException or System.Security.Authentication.AuthenticationException or k8s.Exceptions.KubernetesClientException)
            {
                await BackOffAsync($"watching {kind}: {e.InnerException?.Message ?? e.Message}", times.BackoffMax, cancel);
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                sink.Trouble($"watching {kind}: nothing was heard for {times.Silence.TotalSeconds:0} s; connecting again");
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <returns>False when there is nothing to follow yet; the wait is over then.</returns>
    private async Task<bool> ListAsync(CancellationToken cancel)
    {
        var objects = new List<JsonElement>();
        var token = "";
        for (var page = 0; page < PagesMax; page++)
        {
            var query = $"limit={PageItems}{(selector.Length > 0 ? "&" + selector : "")}{(token.Length > 0 ? "&continue=" + Uri.EscapeDataString(token) : "")}";
            var answer = await api.ListAsync(kind, inNamespace, query, cancel, OnlyMetadata);
            if (answer.IsGone)
            {
                // The pages belong to a moment that is forgotten: begin anew, in a moment.
                await BackOffAsync($"listing {kind}: {answer}", times.BackoffMax, cancel);
                return false;
            }
            if (answer.IsAbsent)
            {
                // What was there is not given up for a 404 alone: a server that starts, or a proxy in between, says it too.
                if (isServed && await api.ServesAsync(kind, cancel) != false)
                {
                    await BackOffAsync($"listing {kind}: {answer}; what was heard before stays", times.BackoffMax, cancel);
                    return false;
                }
                isServed = false;
                sink.Replace([]);
                synced.TrySetResult();
                await WaitAsync(times.AbsentRetry, cancel);
                return false;
            }
            if (!answer.IsFine || answer.Body is not { } body || !IsList(body))
            {
                await BackOffAsync($"listing {kind}: {(answer.IsFine && answer.Message.Length == 0 ? "the answer is no list" : answer.ToString())}", times.BackoffMax, cancel);
                return false;
            }

            foreach (var item in (body["items"] as JsonArray ?? []).OfType<JsonObject>())
            {
                // Items of a list do not repeat what the list says.
                item["apiVersion"] ??= kind.ApiVersion;
                item["kind"] ??= kind.Kind;
                using var document = JsonDocument.Parse(item.ToJsonString());
                if (IsNamed(document.RootElement)) objects.Add(document.RootElement.Clone());
                else sink.Trouble($"listing {kind}: an object without a name is passed over");
            }
            token = body["metadata"]?["continue"]?.GetValue<string>() ?? "";
            if (token.Length > 0) continue;

            version = body["metadata"]?["resourceVersion"]?.GetValue<string>() ?? "0";
            isServed = true;
            sink.Replace(objects);
            synced.TrySetResult();
            return true;
        }
        await BackOffAsync($"listing {kind}: more than {PagesMax} pages", times.BackoffMax, cancel);
        return false;
    }

    private async Task FollowAsync(CancellationToken cancel)
    {
        // Spread, so that all watches of a cluster do not end at one moment.
        var seconds = (int)(times.WatchMin.TotalSeconds * (1 + random.NextDouble()));
        var path = $"{kind.ListPath(inNamespace)}?watch=true&allowWatchBookmarks=true&timeoutSeconds={Math.Max(seconds, 1)}&resourceVersion={Uri.EscapeDataString(version)}{(selector.Length > 0 ? "&" + selector : "")}";
        await foreach (var heard in api.WatchAsync(path, times.Silence, time, cancel, OnlyMetadata))
        {
            using (heard)
            {
                var root = heard.RootElement;
                if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("object", out var item) || !root.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String)
                    throw new JsonException("a line is no event");
                switch (type.GetString())
                {
                    case "ADDED" or "MODIFIED" or "DELETED" when !IsNamed(item):
                        sink.Trouble($"watching {kind}: an object without a name is passed over");
                        break;
                    case "ADDED" or "MODIFIED":
                        sink.Changed(item.Clone());
                        break;
                    case "DELETED":
                        sink.Deleted(item.Clone());
                        break;
                    case "BOOKMARK":
                        sink.Heard();
                        break;
                    case "ERROR":
                        var code = item.TryGetProperty("code", out var number) && number.TryGetInt32(out var status) ? status : 500;
                        throw new KubeWatchRefusedException(code, item.TryGetProperty("message", out var message) ? message.GetString() ?? "" : "");
                    default:
                        continue; // a kind of event that is not known yet carries no version we may rely on
                }
                failures = 0;
                if (item.ValueKind == JsonValueKind.Object && item.TryGetProperty("metadata", out var metadata) && metadata.ValueKind == JsonValueKind.Object && metadata.TryGetProperty("resourceVersion", out var next) && next.ValueKind == JsonValueKind.String && next.GetString() is { Length: > 0 } text) version = text;
            }
        }
        sink.Heard();
        // The server ended it in order: go on from where it ended, without haste.
        await WaitAsync(TimeSpan.FromMilliseconds(50 + random.Next(100)), cancel);
    }

    /// <summary>An empty list is a list; an empty answer is none.</summary>
    private static bool IsList(JsonObject body) =>
        body["items"] is JsonArray || body["items"] is null && body["metadata"]?["resourceVersion"] is not null && body["kind"] is JsonValue value && value.ToString().EndsWith("List", StringComparison.Ordinal);

    private static bool IsNamed(JsonElement item) =>
        item.ValueKind == JsonValueKind.Object && item.TryGetProperty("metadata", out var metadata) && metadata.ValueKind == JsonValueKind.Object
        && metadata.TryGetProperty("name", out var name) && name.ValueKind == JsonValueKind.String;

    private async Task BackOffAsync(string trouble, TimeSpan longest, CancellationToken cancel)
    {
        sink.Trouble(trouble);
        var wait = times.BackoffMin * Math.Pow(2, Math.Min(failures++, 10));
        if (wait > longest) wait = longest;
        await WaitAsync(wait * (0.5 + random.NextDouble() * 0.5), cancel);
    }

    private async Task WaitAsync(TimeSpan wait, CancellationToken cancel)
    {
        try
        {
            await Task.Delay(wait, time, cancel);
        }
        catch (OperationCanceledException)
        {
            return; // the loop's condition ends it
        }
    }
}
