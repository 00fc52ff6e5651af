using System.Threading.Channels;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.ControlPlane.Serve;

/// <summary>One version of the world, as proxies are told of it.</summary>
public sealed record PublishedWorld(World World, long Serial, string Version, DateTimeOffset Published)
{
    /// <summary>When the first of the changes in it came in.</summary>
    public DateTimeOffset ChangedAt { get; init; }
}

/// <summary>
/// Takes resources from the sources, waits for a quiet moment, makes the next <see cref="World"/> and tells who serves it.
/// One task owns the builder; sources may call from any thread.
/// </summary>
internal sealed class WorldFeed(Options options, ServeMetrics metrics, TimeProvider time, ILogger<WorldFeed> log)
{
    // A source that is faster than the builder waits; each item is a batch, and a batch may be large.
    private const int BatchesWaitingMax = 1_024;

    private readonly Channel<Batch> inbox = Channel.CreateBounded<Batch>(BatchesWaitingMax);
    private readonly WorldBuilder builder = new();
    private readonly Debounce debounce = new(options.DebounceQuiet, options.DebounceMax);
    private readonly List<TaskCompletionSource> waiting = [];
    private MeshConfig fileMesh = MeshConfig.Default;
    private DateTimeOffset changedAt;
    private long serial;

    private sealed record Batch(IReadOnlyList<ResourceEvent> Events, MeshConfig? Mesh, TaskCompletionSource? Published)
    {
        public (string Uri, string? Keys)? Keys { get; init; }
    }

    /// <summary>Null until the first World is made.</summary>
    public PublishedWorld? Current { get; private set; }

    /// <summary>Called on the feed's task after <see cref="Current"/> changed; must not wait. One subscriber that fails is logged and counted; the others are told.</summary>
    public event Action<PublishedWorld>? Published;

    public void Submit(IReadOnlyList<ResourceEvent> events)
    {
        foreach (var heard in events) metrics.Heard(heard);
        Write(new(events, null, null));
    }

    public void SubmitMesh(MeshConfig mesh) => Write(new([], mesh, null));

    /// <summary>The keys of a token issuer were fetched; null: nobody asks for them any more.</summary>
    public void SubmitKeys(string uri, string? keys) => Write(new([], null, null) { Keys = (uri, keys) });

    /// <summary>Completes when everything submitted before the call is in <see cref="Current"/>; does not wait for a quiet moment.</summary>
    public async Task FlushAsync(CancellationToken cancellation)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await inbox.Writer.WriteAsync(new([], null, done), cancellation);
        await done.Task.WaitAsync(cancellation);
    }

    public async Task RunAsync(CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            while (inbox.Reader.TryRead(out var batch)) Take(batch);
            if (debounce.IsPending && (waiting.Count > 0 || debounce.Wait(time.GetUtcNow()) == TimeSpan.Zero)) Publish();
            Answer();
            await WaitAsync(cancellation);
        }
    }

    private void Write(Batch batch)
    {
        // Sources write rarely and in batches; where the inbox is full, the source's thread is the one to wait.
        if (!inbox.Writer.TryWrite(batch)) inbox.Writer.WriteAsync(batch).AsTask().GetAwaiter().GetResult();
    }

    private void Take(Batch batch)
    {
        var now = time.GetUtcNow();
        if (!debounce.IsPending) changedAt = now;
        if (batch.Mesh is { } mesh)
        {
            fileMesh = mesh;
            ChooseMesh();
            debounce.Changed(now, urgent: Current is null);
        }
        if (batch.Keys is var (uri, keys))
        {
            builder.SetKeys(uri, keys);
            debounce.Changed(now, urgent: false);
        }
        foreach (var change in batch.Events)
        {
            if (change.Resource is { } resource) builder.Apply(resource);
            else builder.Remove(change.Key);
            if (IsMeshConfig(change.Key)) ChooseMesh();
            debounce.Changed(now, urgent: change.IsAboutEndpoints);
        }
        if (batch.Published is { } asked) waiting.Add(asked);
    }

    private void Publish()
    {
        debounce.Done();
        if (BuildOrKeep() is not { } world) return;
        if (ReferenceEquals(world, Current?.World)) return;

        var now = time.GetUtcNow();
        serial++;
        Current = new(world, serial, $"{now:yyyy-MM-dd'T'HH:mm:ss'Z'}/{serial}", now) { ChangedAt = changedAt };
        log.LogDebug("world {Version}: {Count} resources", Current.Version, world.Resources.Length);
        Tell(Current);
    }

    private void Tell(PublishedWorld world)
    {
        foreach (var subscriber in Published?.GetInvocationList().Cast<Action<PublishedWorld>>() ?? [])
            try
            {
                subscriber(world);
            }
            catch (Exception e)
            {
                // A fault of ours in one part must not end the serving of all: the next World is told to it again.
                metrics.UnheardWorlds.Inc();
                log.LogCritical(e, "{Part} failed when it was told of {Version}; it hears of the next one", subscriber.Method.DeclaringType?.Name, world.Version);
            }
    }

    /// <returns>Null when the builder failed: what is served goes on being served, and the next change tries again.</returns>
    private World? BuildOrKeep()
    {
        try
        {
            return builder.Build();
        }
        catch (Exception e)
        {
            // A fault of ours, not of the input's; it must not end the serving of what is right.
            log.LogCritical(e, "no new configuration could be made; the former one stays");
            return null;
        }
    }

    private void Answer()
    {
        foreach (var asked in waiting) asked.TrySetResult();
        waiting.Clear();
    }

    private async Task WaitAsync(CancellationToken cancellation)
    {
        try
        {
            var more = inbox.Reader.WaitToReadAsync(cancellation).AsTask();
            if (debounce.IsPending) await more.WaitAsync(debounce.Wait(time.GetUtcNow()), time, cancellation);
            else await more;
        }
        catch (TimeoutException)
        {
            // The quiet moment has come: the loop publishes.
            return;
        }
        catch (OperationCanceledException)
        {
            // Stopping: the loop's condition ends it.
            return;
        }
    }

    private bool IsMeshConfig(ResourceKey key) =>
        key is { Kind: "ConfigMap" } && key.Namespace == options.Namespace && key.Name == MeshConfigMap;

    private string MeshConfigMap => options.Revision == "default" ? "istio" : $"istio-{options.Revision}";

    private void ChooseMesh()
    {
        builder.Mesh = fileMesh;
        if (builder.Find(new("", "ConfigMap", options.Namespace, MeshConfigMap)) is not KubeConfigMap map || map.Data["mesh"] is not { } text) return;

        if (MeshConfig.Parse(text, $"ConfigMap {options.Namespace}/{MeshConfigMap}", out var issues) is { } mesh) builder.Mesh = mesh;
        else
            foreach (var issue in issues) log.LogWarning("MeshConfig refused, the former one stays: {Issue}", issue);
    }
}
