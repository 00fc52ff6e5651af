using System.Text.Json;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>Lets who misses a kind wait for it: until its definition changes in the cluster, or for a while. Any thread.</summary>
internal sealed class KindArrivals(TimeProvider time) : IKubeSink
{
    /// <summary>So long after a change of its definition a kind may still be on its way into the API server's paths.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(500);

    private readonly Lock guard = new();
    private readonly Dictionary<string, Definition> definitions = new(StringComparer.Ordinal);

    private sealed class Definition
    {
        public TaskCompletionSource Next { get; set; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public long? ChangedAt { get; set; }
    }

    /// <summary>Returns when it is worth to look again whether the cluster has the kind.</summary>
    public async Task WaitAsync(KubeKind kind, TimeSpan atMost, CancellationToken cancel)
    {
        Task next;
        bool settles;
        lock (guard)
        {
            var definition = Of($"{kind}");
            next = definition.Next.Task;
            settles = definition.ChangedAt is { } at && time.GetElapsedTime(at) < Settling;
        }
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        await Task.WhenAny(next, Task.Delay(settles ? Glance : atMost, time, over.Token));
        await over.CancelAsync();
        cancel.ThrowIfCancellationRequested();
    }

    public void Replace(IReadOnlyList<JsonElement> objects)
    {
        foreach (var item in objects) Changed(item);
    }

    public void Changed(JsonElement item)
    {
        if (!item.TryGetProperty("metadata", out var metadata) || !metadata.TryGetProperty("name", out var name) || name.GetString() is not { } text) return;
        TaskCompletionSource woken;
        lock (guard)
        {
            var definition = Of(text);
            woken = definition.Next;
            definition.Next = new(TaskCreationOptions.RunContinuationsAsynchronously);
            definition.ChangedAt = time.GetTimestamp();
        }
        woken.TrySetResult();
    }

    public void Deleted(JsonElement item)
    {
        if (item.TryGetProperty("metadata", out var metadata) && metadata.TryGetProperty("name", out var name))
            lock (guard) definitions.Remove(name.GetString() ?? "");
    }

    public void Trouble(string sentence)
    {
        // Then kinds are looked for from time to time.
    }

    private Definition Of(string name) => definitions.TryGetValue(name, out var known) ? known : definitions[name] = new();
}
