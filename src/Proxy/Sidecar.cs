using System.Text.Json.Nodes;
using Mesh.Net;
using Mesh.Net.Tls;
using Mesh.Proxy.Config;
using Mesh.Proxy.Control;
using Mesh.Proxy.Downstream;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Upstream;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy;

/// <summary>Who is given what: the only place where the proxy's parts are put together.</summary>
internal sealed class Sidecar : IDisposable
{
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly ConcurrentExclusiveSchedulerPair _control = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly long _startedAt;
    private readonly long[] _applied;
    private readonly MemoryPressure? _pressure;
    private bool _isReady;

    public Sidecar(Bootstrap bootstrap, IReadOnlyDictionary<string, string> environment, Func<Transport> transport, TlsProvider tls, TimeProvider time, int seed, ILogger log)
    {
        (Bootstrap, _time, _log) = (bootstrap, time, log);
        _startedAt = time.GetTimestamp();
        Node = NodeOf(bootstrap, environment);
        Gate = new(ProcessLimits.ConnectionsMax());
        _pressure = Watch(new());
        Keeper = new(time, Publish, PostToControl, log);
        Certificates = new(bootstrap, Keeper, time, new Random(seed), log);
        _applied = new long[bootstrap.LoopCount];
        Loops = [.. Enumerable.Range(0, bootstrap.LoopCount).Select(index => CreateLoop(index, transport(), tls, seed + index))];
        foreach (var (worker, _) in Loops) worker.Siblings = [.. Loops.Select(loop => loop.Worker).Where(other => other != worker)];
    }

    public Bootstrap Bootstrap { get; }
    public ProxyNode Node { get; }
    public ConnectionGate Gate { get; }
    public LogFiles Files { get; } = new();
    public SnapshotKeeper Keeper { get; }
    /// <summary>Null where the process is not ours alone, as in tests.</summary>
    public MemoryTrim? Memory { get; init; }
    public CertificateClient Certificates { get; }
    public IReadOnlyList<(Worker Worker, Listeners Listeners)> Loops { get; }

    /// <summary>What is served now. Any thread.</summary>
    public Snapshot Snapshot => _snapshot;
    private volatile Snapshot _snapshot = Snapshot.Empty;

    public bool IsDraining { get; private set; }
    public TimeSpan Uptime => _time.GetElapsedTime(_startedAt);
    public TimeProvider Time => _time;
    public ILogger Log => _log;

    /// <summary>Null when traffic may come; otherwise why not, in the words of Istio's agent.</summary>
    public string? NotReady()
    {
        if (IsDraining) return "server is not live, current state is: DRAINING";

        var state = Keeper.State;
        if (state.GoesOnSince is { } since)
        {
            if (Certificates.Current is not { } held || held.NotAfter <= _time.GetUtcNow())
                return $"no control plane answers; the configuration last confirmed at {since:u} is there, but no valid certificate: keys are kept in memory-backed volumes only ({Bootstrap.SecretsFolder})";
            return HasBeenApplied() ? null : "server is not live, current state is: INITIALIZING";
        }
        var (cds, lds) = (state.StatusOf(ResourceFromXds.ClusterType), state.StatusOf(ResourceFromXds.ListenerType));
        if (cds.Accepted + cds.Rejected + lds.Accepted + lds.Rejected == 0)
            return "config not received from XDS server (is Istiod running?): cds updates: 0 successful, 0 rejected; lds updates: 0 successful, 0 rejected"
                + (state.NothingKept is { } nothing ? $"; no configuration to go on with: {nothing}" : "");
        if (cds.Accepted == 0 && cds.Rejected > 0 || lds.Accepted == 0 && lds.Rejected > 0)
            return $"config received from XDS server, but was rejected: cds updates: {cds.Accepted} successful, {cds.Rejected} rejected; lds updates: {lds.Accepted} successful, {lds.Rejected} rejected";
        if (cds.Accepted == 0 || lds.Accepted == 0)
            return $"config not fully received from XDS server: cds updates: {cds.Accepted} successful, {cds.Rejected} rejected; lds updates: {lds.Accepted} successful, {lds.Rejected} rejected";

        return HasBeenApplied() ? null : "server is not live, current state is: INITIALIZING";
    }

    /// <summary>Every loop serves what was known when somebody asked. Once true it stays true.</summary>
    private bool HasBeenApplied()
    {
        if (_isReady) return true;

        var number = _snapshot.Number;
        for (var i = 0; i < _applied.Length; i++)
            if (Volatile.Read(ref _applied[i]) < number) return false;
        if (Keeper.State.Waiting.Length > 0) return false;

        Observe.Log.Ready(_log, (long)Uptime.TotalMilliseconds);
        return _isReady = true;
    }

    /// <summary>Starts the loops, asks for the certificate and the configuration.</summary>
    public void Start()
    {
        _pressure?.Start();
        Observe.Log.Starts(_log, Bootstrap.Role, Bootstrap.NodeId, Loops.Count, Bootstrap.DiscoveryAddress);
        foreach (var (worker, _) in Loops) worker.Loop.Start($"loop {worker.Index}");

        var ads = new AdsClient(Keeper, ControlNode.Create(Bootstrap), ConnectAds, Bootstrap.DiscoveryAddress, Bootstrap.DnsCapture, _time, new Random(Bootstrap.NodeId.Length), _log);
        _restart = new(new(Bootstrap, ControlNode.Create(Bootstrap), _time, _log), Keeper, Certificates, ads, PostToControl, _time, _log);
        RunOnControl(() => Certificates.RunAsync(_stop.Token));
        RunOnControl(() => ads.RunAsync(_stop.Token));
        RunOnControl(() => Reporter().RunAsync(_stop.Token));
        if (Bootstrap.DnsCapture && Bootstrap.DnsPort > 0) StartDns(Loops[0].Worker);
    }

    /// <summary>On loopback, where the redirection leads the pod's own queries.</summary>
    private void StartDns(Worker worker)
    {
        var resolvers = File.Exists(ResolverFile) ? Dns.ResolverConfig.Parse(File.ReadAllText(ResolverFile)) : new([], []);
        worker.Loop.Post(() =>
        {
            _dns = new(worker.Loop, resolvers, Bootstrap.Domain);
            _dns.Use(worker.Snapshot);
            _dns.Start(new(System.Net.IPAddress.Loopback, Bootstrap.DnsPort));
        });
    }

    /// <summary>Readiness fails from now on.</summary>
    public void LeaveRotation() => IsDraining = true;

    /// <summary>Inbound traffic is asked to go elsewhere: responses close their connections, readiness fails. Listening goes on, for those who have not heard.</summary>
    public void BeginDrain()
    {
        LeaveRotation();
        OnLoops((worker, listeners) =>
        {
            worker.IsDraining = true;
            listeners.Drain(listener => listener.IsInbound || worker.Node.IsGateway);
        });
    }

    public void StopAccepting() => OnLoops((worker, listeners) =>
    {
        listeners.StopAccepting(_ => true);
        worker.Logs.Flush();
        worker.Exports.Flush();
    });

    public void OnLoops(Action<Worker, Listeners> action)
    {
        foreach (var (worker, listeners) in Loops) worker.Loop.Post(() => action(worker, listeners));
    }

    public void Dispose()
    {
        _stop.Cancel();
        OnLoops((_, listeners) => listeners.CutAll());
        foreach (var (worker, _) in Loops) worker.Loop.Stop();
        Keeper.Dispose();
        _restart?.Dispose();
        Memory?.Dispose();
        _pressure?.Dispose();
        Files.Dispose();
    }

    /// <summary>Sheds load while the container's memory runs out; given back is what only waits to be used again.</summary>
    private MemoryPressure? Watch(ContainerMemory container)
    {
        if (container.LimitBytes is null) return null;

        var before = Pressure.None;
        // The collector has a limit of its own below the container's.
        double Share() => Math.Max(container.Share(), HeapShare());
        double HeapShare() => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes is > 0 and var most ? GC.GetTotalMemory(false) / (double)most : 0;
        return new(_time, Share, level =>
        {
            if (level != before) Observe.Log.MemoryPressure(_log, level, (int)(Share() * 100));
            before = level;
            OnLoops((worker, _) =>
            {
                worker.Pressure = level;
                if (level != Pressure.None) worker.Loop.Buffers.Trim();
            });
            if (level == Pressure.Critical) Memory?.Now();
        });
    }

    private (Worker, Listeners) CreateLoop(int index, Transport transport, TlsProvider tls, int seed)
    {
        var loop = new Loop(transport, _time, seed, e => Observe.Log.Bug(_log, e, "an exception escaped a flow"));
        var worker = new Worker(index, loop, tls, Node, Files, _log);
        return (worker, new(worker, Gate));
    }

    private Mesh.Xds.IAdsStream ConnectAds(CancellationToken cancellation)
    {
        var channel = GrpcChannels.Create(Bootstrap.DiscoveryAddress, Bootstrap.DiscoveryTls, Bootstrap.DiscoveryServerName, Bootstrap.DiscoveryRootPath, () => Certificates.DeliveredRootsPem);
        return new GrpcAdsStream(channel, GrpcChannels.Credentials(Bootstrap.TokenPath, Bootstrap.Text(Bootstrap.Metadata, "CLUSTER_ID") ?? ""), cancellation);
    }

    private TrafficReporter Reporter() => new(
        () => GrpcChannels.Create(Bootstrap.DiscoveryAddress, Bootstrap.DiscoveryTls, Bootstrap.DiscoveryServerName, Bootstrap.DiscoveryRootPath, () => Certificates.DeliveredRootsPem),
        () => GrpcChannels.Credentials(Bootstrap.TokenPath, Bootstrap.Text(Bootstrap.Metadata, "CLUSTER_ID") ?? ""),
        ControlNode.Create(Bootstrap), [.. Loops.Select(loop => (loop.Worker.Counters, loop.Worker.Samples))], Node.Labels,
        () => Certificates.Current is { } held ? (held.NotAfter, held.Serial) : null, _time, _log);

    private const string ResolverFile = "/etc/resolv.conf";

    private Restart? _restart;

    // Of the first loop's thread.
    private Dns.DnsProxy? _dns;

    private void Publish(Snapshot next)
    {
        _snapshot = next;
        OnLoops((worker, listeners) =>
        {
            worker.Use(next);
            listeners.Use(next);
            if (worker.Index == 0) _dns?.Use(next);
            Volatile.Write(ref _applied[worker.Index], next.Number);
        });
        Memory?.Changed();
        _restart?.Changed();
    }

    private void PostToControl(Action action) => Task.Factory.StartNew(action, _stop.Token, TaskCreationOptions.None, _control.ExclusiveScheduler);

    private void RunOnControl(Func<Task> run)
    {
        var task = Task.Factory.StartNew(run, _stop.Token, TaskCreationOptions.None, _control.ExclusiveScheduler).Unwrap();
        task.ContinueWith(ended => Observe.Log.Bug(_log, ended.Exception!, "a control task ended"), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
    }

    private static ProxyNode NodeOf(Bootstrap bootstrap, IReadOnlyDictionary<string, string> environment)
    {
        var labels = (bootstrap.Metadata["LABELS"] as JsonObject ?? []).ToDictionary(pair => pair.Key, pair => pair.Value?.ToString() ?? "");
        string Label(string name, string fallback) => labels.GetValueOrDefault(name) is { Length: > 0 } text ? text : fallback;

        var workload = Bootstrap.Text(bootstrap.Metadata, "WORKLOAD_NAME") ?? bootstrap.PodName;
        return new()
        {
            Id = bootstrap.NodeId,
            Cluster = bootstrap.ServiceCluster,
            Locality = new(bootstrap.Region, bootstrap.Zone, bootstrap.SubZone),
            Labels = new(workload, bootstrap.PodNamespace, Label("service.istio.io/canonical-name", workload), Label("service.istio.io/canonical-revision", "latest"),
                Label("app", "unknown"), Label("version", "unknown"), Bootstrap.Text(bootstrap.Metadata, "CLUSTER_ID") ?? "Kubernetes"),
            Namespace = bootstrap.PodNamespace,
            ServiceAccount = bootstrap.ServiceAccount,
            TrustDomain = bootstrap.TrustDomain,
            IsGateway = bootstrap.IsGateway,
            Identity = bootstrap.Identity,
            PeerMetadata = ControlNode.PeerMetadata(bootstrap),
            Http2BetweenSidecars = bootstrap.Http2BetweenSidecars,
            RequestBodyBytesPerSecondMin = bootstrap.RequestBodyBytesPerSecondMin,
            Environment = environment,
            PodLabels = labels,
            InstanceIp = bootstrap.InstanceIp,
        };
    }
}
