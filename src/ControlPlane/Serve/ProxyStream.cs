using Envoy.Service.Discovery.V3;
using Grpc.Core;
using Mesh.ControlPlane.Ca;
using Mesh.Model.Translate;
using Mesh.Model.World;
using Mesh.Xds;

namespace Mesh.ControlPlane.Serve;

/// <summary>
/// One proxy's stream. Requests come from the reader; one sending task answers them and pushes news, at most one push pending: later news
/// is merged into it, so that a slow proxy costs nothing but its own delay. State is guarded by one lock that is never held while waiting.
/// </summary>
internal sealed class ProxyStream(
    ReplyWriter replies, string peer, CallerIdentity? who, CancellationTokenSource cut, ProxyStreams owner, TimeProvider time) : IDisposable
{
    // A proxy asks for each of a dozen types and answers each response; more than this waiting to be looked at is not a proxy's way.
    private const int RequestsWaitingMax = 256;

    private readonly Lock guard = new();
    private readonly SemaphoreSlim work = new(0, 1);
    private bool isOver;
    private readonly Dictionary<string, DeltaWatch> delta = [];
    private readonly Dictionary<string, SotwWatch> whole = [];
    private readonly HashSet<string> asked = [];
    private TaskCompletionSource? drained;
    private int unanswered;
    private NamedResource? rootsSent;

    public string Id { get; private set; } = peer;
    public string Peer { get; } = peer;
    public CallerIdentity? Who { get; } = who;
    public DateTimeOffset Connected { get; } = time.GetUtcNow();

    /// <summary>Null until the first request has come.</summary>
    public ProxyNode? Proxy { get; private set; }
    public Node? Node { get; private set; }

    /// <summary>Serial of the newest World that this proxy has been sent entirely; zero before the first.</summary>
    public long SerialSent { get; private set; }

    /// <summary>Why the stream ends, where the proxy should be told.</summary>
    public Status? Fault { get; private set; }

    /// <summary>Whether the proxy has taken the mesh's roots as they are now; null for one that does not ask for them.</summary>
    public bool? HasRoots
    {
        get
        {
            lock (guard)
            {
                if (!delta.TryGetValue(TypeUrl.Secret, out var watch) || !watch.Wanted.Contains(MeshRoots.Name)) return null;
                return ReferenceEquals(rootsSent, owner.Roots.Current) && watch.IsSettled && watch.Error is null;
            }
        }
    }

    public bool IsOverloaded => Volatile.Read(ref unanswered) >= RequestsWaitingMax;

    public void Take(DeltaDiscoveryRequest request)
    {
        lock (guard)
        {
            if (!Introduce(request.Node)) return;
            if (!delta.TryGetValue(request.TypeUrl, out var watch)) delta[request.TypeUrl] = watch = new(request.TypeUrl, owner.Names);
            var kind = watch.Take(request);
            owner.Note(this, request.TypeUrl, kind, watch.Error);
            if (kind is DeltaRequestKind.First or DeltaRequestKind.Interest) Ask(request.TypeUrl);
        }
        Wake();
    }

    public void Take(DiscoveryRequest request)
    {
        lock (guard)
        {
            if (!Introduce(request.Node)) return;
            if (!whole.TryGetValue(request.TypeUrl, out var watch)) whole[request.TypeUrl] = watch = new(request.TypeUrl);
            var kind = watch.Take(request);
            owner.Note(this, request.TypeUrl, kind, watch.Error);
            if (kind is DeltaRequestKind.First or DeltaRequestKind.Interest) Ask(request.TypeUrl);
        }
        Wake();
    }

    /// <summary>There is a newer World. Any thread.</summary>
    public void News() => Wake();

    /// <summary>There are other roots. Any thread.</summary>
    public void NewsOfRoots()
    {
        lock (guard)
            if (delta.ContainsKey(TypeUrl.Secret)) asked.Add(TypeUrl.Secret);
        Wake();
    }

    public async Task DrainedAsync(CancellationToken cancellation)
    {
        TaskCompletionSource waiting;
        lock (guard)
        {
            if (!IsOverloaded) return;
            waiting = drained ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        await waiting.Task.WaitAsync(cancellation);
    }

    /// <summary>Runs until the stream ends; never throws.</summary>
    public async Task SendAsync(CancellationToken cancellation)
    {
        try
        {
            while (!cancellation.IsCancellationRequested)
            {
                await work.WaitAsync(cancellation);
                await owner.Pushes.RunAsync(this, cancellation);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or InvalidOperationException or RpcException)
        {
            // The stream is over, by either side; the reader ends as well.
            await cut.CancelAsync();
        }
    }

    /// <summary>What is to be sent now, in order. Empty when nothing; then the proxy has all of <paramref name="now"/>.</summary>
    public IReadOnlyList<DiscoveryReply> Replies(PublishedWorld now, Translator translator)
    {
        lock (guard)
        {
            // By number and not by a flag: a World may be published between the wake and this line, and must not be taken for the one before.
            var all = SerialSent < now.Serial;
            var types = all ? delta.Keys.Concat(whole.Keys).ToHashSet() : [.. asked];
            asked.Clear();
            Interlocked.Exchange(ref unanswered, 0);
            drained?.TrySetResult();
            drained = null;
            if (Proxy is null || types.Count == 0) return [];

            var configuration = translator.For(now.World, Proxy);
            var list = new List<DiscoveryReply>();
            foreach (var type in TypeUrl.PushOrder.Where(types.Contains).Concat(types.Except(TypeUrl.PushOrder)))
                if (Reply(type, now, configuration) is { } reply) list.Add(reply);
            if (all) SerialSent = now.Serial;
            return list;
        }
    }

    /// <param name="waitMax">A reader that takes longer is cut: it would hold its response in our memory.</param>
    public async Task WriteAsync(DiscoveryReply reply, int bytes, TimeSpan waitMax, CancellationToken cancellation)
    {
        try
        {
            await replies.WriteAsync(reply, bytes, cancellation).WaitAsync(waitMax, time, cancellation);
        }
        catch (TimeoutException)
        {
            owner.Slow(this, reply, waitMax);
            await cut.CancelAsync();
            throw new OperationCanceledException("the reader is too slow", cancellation);
        }
    }

    /// <summary>True when everything sent was answered and nothing is waiting to be sent.</summary>
    public bool IsSettled(long serial)
    {
        lock (guard)
            return SerialSent >= serial && asked.Count == 0 && delta.Values.All(w => w.IsSettled)
                && whole.Values.All(w => w.IsSettled);
    }

    public IReadOnlyList<WatchState> States()
    {
        lock (guard)
            return [.. delta.Values.Select(w => new WatchState(w.TypeUrl, w.NonceSent, w.NonceAcked, w.VersionSent, w.VersionAcked, w.Error, w.Wanted.Count, w.IsSettled)),
                .. whole.Values.Select(w => new WatchState(w.TypeUrl, w.NonceSent, w.NonceAcked, w.VersionSent, w.VersionAcked, w.Error, w.Wanted.Count, w.IsSettled))];
    }

    public void End(StatusCode code, string reason)
    {
        Fault = new(code, reason);
        cut.Cancel();
    }

    public void Dispose()
    {
        lock (guard)
        {
            isOver = true;
            work.Dispose();
        }
    }

    private DiscoveryReply? Reply(string type, PublishedWorld now, ProxyConfiguration configuration)
    {
        var set = SetOf(type, configuration);
        if (!delta.TryGetValue(type, out var watch)) return whole[type].Send(set, now.Version);

        var reply = watch.Send(set, now.Version);
        if (type == TypeUrl.Secret && watch.Wanted.Contains(MeshRoots.Name)) rootsSent = set.Find(MeshRoots.Name);
        // Envoy waits for the endpoints of a changed cluster and does not ask for them where it already watches them.
        if (type == TypeUrl.Cluster && reply is not null && Node!.Agent is ("envoy" or "") && delta.TryGetValue(TypeUrl.Endpoints, out var endpoints))
            endpoints.Resend(reply.Resources.Select(r => r.Name));
        return reply;
    }

    private ResourceSet SetOf(string type, ProxyConfiguration configuration)
    {
        if (type == TypeUrl.Secret)
        {
            // Keys leave only to whom has proved who it is, and only where it lives. Roots are no secret.
            var keys = Who?.Namespace == Proxy!.Namespace ? configuration.Of(type) : ResourceSet.Empty(type);
            return delta.TryGetValue(type, out var secrets) && secrets.Wanted.Contains(MeshRoots.Name) ? owner.Roots.With(keys) : keys;
        }
        if (Node!.Generator != "grpc") return configuration.Of(type);

        return owner.Proxyless.Of(configuration, type, delta.TryGetValue(type, out var watch) ? watch.Wanted : (IEnumerable<string>)whole[type].Wanted);
    }

    private void Ask(string type)
    {
        asked.Add(type);
        Interlocked.Increment(ref unanswered);
    }

    private bool Introduce(Envoy.Config.Core.V3.Node? node)
    {
        if (Proxy is not null) return true;
        if (node is null || ProxyNodes.From(node) is not { } proxy)
        {
            End(StatusCode.InvalidArgument, $"the first request needs a node with an id like sidecar~IP~POD.NAMESPACE~DOMAIN, not \"{node?.Id}\"");
            return false;
        }
        if (Who is not null && Who.Namespace != proxy.Namespace)
        {
            End(StatusCode.PermissionDenied, $"{Who.Namespace}/{Who.ServiceAccount} may not speak for a proxy in namespace {proxy.Namespace}");
            return false;
        }
        Node = Node.From(node);
        Id = $"{proxy.Name}.{proxy.Namespace}";
        Proxy = proxy; // last: whoever sees it sees the others
        return true;
    }

    private void Wake()
    {
        lock (guard)
            if (!isOver && work.CurrentCount == 0) work.Release(); // news may come to a stream that is just ending
    }
}

/// <summary>Where one type of one stream stands.</summary>
public sealed record WatchState(
    string TypeUrl, string NonceSent, string NonceAcked, string VersionSent, string VersionAcked, string? Error, int Names, bool IsSettled);
