using System.Collections.Immutable;
using System.Diagnostics;
using Mesh.Http;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http;

/// <summary>
/// One request and its response in flight: what the rooms hand to each other, what filters and the router see, what the access log tells.
/// Reused for one request after the other (<see cref="Begin"/>), so nothing may keep a reference to it or to its spans past the end. Loop thread only.
/// </summary>
internal sealed class Exchange
{
    private const int HeadBytesKept = 4 * 1024;

    private readonly Worker worker;
    private readonly LoopTimer _routeTimer, _tryTimer, _idleTimer, _durationTimer;
    private readonly LoopSignal _cut;
    private RequestHead? _ownRequest;
    private TimeSpan _idleLimit;
    private long _movedAt;
    private readonly Dictionary<(string Filter, string Key), MetadataValue> _metadata = [];
    private readonly Dictionary<string, string> _filterState = [];
    private readonly List<EndpointState> _tried = [];

    public Exchange(Worker worker)
    {
        this.worker = worker;
        Upload = new(this);
        _cut = new(worker.Loop);
        _routeTimer = new(worker.Loop, () => Cut(FailureKind.Timeout));
        _tryTimer = new(worker.Loop, () => Cut(FailureKind.PerTryTimeout));
        _idleTimer = new(worker.Loop, OnIdle);
        _durationTimer = new(worker.Loop, () => Cut(FailureKind.MaxDuration));
    }

    public Worker Worker => worker;
    public Loop Loop => worker.Loop;
    public LoopClock Clock => worker.Loop.Clock;
    public Random Random => worker.Loop.Random;

    // ---- room 3: what arrived, from whom

    public ClientConnection Client { get; private set; } = null!;
    public HttpConnectionSettings Settings { get; private set; } = null!;
    /// <summary>What the proxy had been told when the request began; later changes do not concern it.</summary>
    public Snapshot Snapshot { get; private set; } = Snapshot.Empty;
    /// <summary><see cref="OwnRequest"/>, or its stream's own where a session keeps them.</summary>
    public RequestHead Request { get; private set; } = null!;
    public IDownstreamStream Downstream { get; private set; } = null!;
    /// <summary>Unique within the process.</summary>
    public long StreamId { get; private set; }
    public bool IsGrpc { get; private set; }
    /// <summary>Our name in the response, as bytes.</summary>
    public byte[] Server { get; private set; } = [];
    /// <summary>The path as it arrived, kept only once something has rewritten it.</summary>
    public string? OriginalPath { get; set; }
    /// <summary>The client's address as trusted proxies and X-Forwarded-For tell it; the connection's own otherwise.</summary>
    public System.Net.IPEndPoint Source { get; set; } = null!;
    /// <summary>The caller is in the same mesh or network (x-envoy-internal).</summary>
    public bool IsInternal { get; set; }
    /// <summary>Whether this request's spans are reported; decided once, when its head is there.</summary>
    public bool IsTraced { get; set; }
    /// <summary>The caller named the operation (x-envoy-decorator-operation), so its answer need not.</summary>
    public bool IsOperationNamed { get; set; }
    /// <summary>Private to the tracer.</summary>
    public object? Span { get; set; }

    // ---- room 4: where to

    public RouteTable? Routes { get; set; }
    public VirtualHost? VirtualHost { get; set; }
    /// <summary>How many of the chain's filters have seen the request.</summary>
    public int FiltersAsked { get; set; }
    /// <summary>Null when nothing matched: filters still run, then the answer is 404.</summary>
    public Route? Route { get; set; }
    /// <summary>The entry of a weighted route that was drawn; null when there is only one or none.</summary>
    public WeightedCluster? WeightedCluster { get; set; }
    /// <summary>Set by a filter whose edits may change the choice: it is made again before the request goes on.</summary>
    public bool RouteIsStale { get; set; }
    /// <summary>Names of a header or cookie that decides the endpoint, by consistent hashing; null without.</summary>
    public ulong? Hash { get; set; }
    /// <summary>The cookie that makes the next request hash alike; sent with the response.</summary>
    public string? HashCookie { get; set; }
    /// <summary>ALPN to offer by the protocol spoken upstream, instead of the cluster's own list (Istio's alpn filter); empty: the cluster's.</summary>
    public ImmutableArray<AlpnOverride> AlpnOverrides { get; set; } = [];
    public Deadline Deadline { get; set; } = Deadline.Never;

    // ---- rooms 5 to 7: to whom, how often

    public ClusterState? Cluster { get; set; }
    /// <summary>Where the cluster counted this request in, so that it is counted out there even if the limits have changed since.</summary>
    public CircuitBudget? Budget { get; set; }
    public EndpointState? Endpoint { get; set; }
    /// <summary>Endpoints that earlier attempts went to.</summary>
    public IReadOnlyList<EndpointState> Tried => _tried;
    /// <summary>The endpoint that has this exchange among its active ones; kept by the cluster.</summary>
    public EndpointState? CountedAt { get; set; }
    public bool IsCountedAsRetry { get; set; }
    /// <summary>It was asked again once because its pooled connection was just being closed.</summary>
    public bool HasBeenAskedAgain { get; set; }
    /// <summary>1 while the first try is under way; 0 before.</summary>
    public int Attempt { get; set; }
    /// <summary>The stream of the present attempt; null between attempts.</summary>
    public IUpstreamStream? Upstream { get; private set; }
    /// <summary>The request's body on its way.</summary>
    public Upload Upload { get; }
    /// <summary>Why the present attempt was ended from our side; null while it was not.</summary>
    public FailureKind? CutBy { get; private set; }
    public System.Net.IPEndPoint? UpstreamLocal { get; set; }
    public System.Net.IPEndPoint? UpstreamRemote { get; set; }
    /// <summary>The certificate the upstream showed.</summary>
    public Security.PeerIdentity? UpstreamPeer { get; set; }
    /// <summary>How the upstream connection is secured; null over plain text.</summary>
    public Mesh.Net.Tls.TlsConnection? UpstreamTls { get; private set; }
    public string UpstreamProtocol { get; set; } = "";
    public WorkloadLabels? UpstreamLabels { get; set; }
    /// <summary>The caller told its metadata on this exchange: the answer brings ours.</summary>
    public bool OwesPeerMetadata { get; set; }
    /// <summary>Whom the request came from, by its peer metadata; null when it brought none.</summary>
    public WorkloadLabels? DownstreamLabels { get; set; }

    // ---- the answer

    /// <summary>The authorization policy that let the request pass or refused it; empty when none had a say.</summary>
    public string DecidedBy { get; set; } = "";

    /// <summary>The upstream's head, or <see cref="OwnResponse"/> for an answer of our own.</summary>
    public ResponseHead Response { get; set; } = null!;
    public ResponseHead OwnResponse { get; } = new();
    /// <summary>Room for a head that has no other home.</summary>
    public RequestHead OwnRequest => _ownRequest ??= new();
    /// <summary>Trailers of the response, when it has ended with some.</summary>
    public Headers ResponseTrailers { get; } = new();
    /// <summary>The head has been written towards the caller: from here on a failure can only cut the answer short.</summary>
    public bool ResponseStarted { get; set; }
    /// <summary>What the caller got; 0 when it got no answer.</summary>
    public int Status { get; set; }
    public ResponseFlags Flags { get; set; }
    /// <summary>%RESPONSE_CODE_DETAILS%</summary>
    public string Details { get; set; } = "";
    /// <summary>%UPSTREAM_TRANSPORT_FAILURE_REASON%</summary>
    public string? UpstreamFailure { get; set; }
    /// <summary>-1 as long as none was seen.</summary>
    public int GrpcStatus { get; set; }
    public long RequestMessages { get; set; }
    public long ResponseMessages { get; set; }

    // ---- sizes (bodies, as in the access log) and instants (timestamps of the loop's clock; 0 when it did not happen)

    public long RequestBytes { get; set; }
    public long ResponseBytes { get; set; }
    public DateTimeOffset StartedUtc { get; private set; }
    public long StartedAt { get; private set; }
    public long RequestEndedAt { get; set; }
    public long UpstreamStartedAt { get; set; }
    public long UpstreamFirstByteAt { get; set; }
    public long UpstreamEndedAt { get; set; }
    public long ResponseStartedAt { get; set; }
    public long EndedAt { get; set; }

    public void Begin(ClientConnection client, HttpConnectionSettings settings, Snapshot snapshot, RequestHead request, IDownstreamStream downstream)
    {
        Loop.AssertOwned();
        (Client, Settings, Snapshot, Request, Downstream) = (client, settings, snapshot, request, downstream);
        Server = worker.Bytes(settings.ServerName);
        StreamId = worker.NextStreamId();
        StartedAt = Clock.GetTimestamp();
        StartedUtc = Clock.GetUtcNow();
        Source = client.Source;
        IsInternal = OwesPeerMetadata = IsTraced = IsOperationNamed = ResponseStarted = RouteIsStale = false;
        HasBeenAskedAgain = false;
        Span = null;
        OriginalPath = HashCookie = UpstreamFailure = null;
        (Routes, VirtualHost, Route, WeightedCluster, Hash) = (null, null, null, null, null);
        (Cluster, Endpoint, UpstreamLocal, UpstreamRemote, UpstreamPeer, UpstreamTls) = (null, null, null, null, null, null);
        (UpstreamLabels, DownstreamLabels) = (null, client.PeerLabels);
        AlpnOverrides = [];
        Deadline = Deadline.Never;
        Timeout = null;
        UpstreamProtocol = Details = DecidedBy = "";
        Attempt = Status = FiltersAsked = 0;
        GrpcStatus = -1;
        Flags = default;
        RequestMessages = ResponseMessages = RequestBytes = ResponseBytes = 0;
        RequestEndedAt = UpstreamStartedAt = UpstreamFirstByteAt = UpstreamEndedAt = ResponseStartedAt = EndedAt = 0;
        Response = OwnResponse;
        OwnResponse.Clear();
        ResponseTrailers.Clear();
        IsGrpc = Grpc.IsRequest(Request);
        CutBy = null;
        Upstream = null;
        Upload.Begin();
        if (_metadata.Count > 0) _metadata.Clear();
        if (_filterState.Count > 0) _filterState.Clear();
        if (_tried.Count > 0) _tried.Clear();
    }

    /// <summary>Back to the loop that made it: the memory of a large message goes, and so does everything by which it would hold on to a connection or to an old configuration.</summary>
    public void Rest()
    {
        _ownRequest?.Headers.Trim(HeadBytesKept);
        OwnResponse.Headers.Trim(HeadBytesKept);
        ResponseTrailers.Trim(HeadBytesKept);
        (Client, Settings, Request, Downstream, Response) = (null!, null!, null!, null!, OwnResponse);
        (Snapshot, Routes, VirtualHost, Route, WeightedCluster) = (Snapshot.Empty, null, null, null, null);
        (Cluster, Endpoint, Upstream, Span, UpstreamPeer, UpstreamTls) = (null, null, null, null, null, null);
        worker.GiveBack(this);
    }

    /// <summary>What filters tell each other and the access log: dynamic metadata, by filter and key.</summary>
    public MetadataValue? GetMetadata(string filter, string key) => _metadata.GetValueOrDefault((filter, key));

    public void SetMetadata(string filter, string key, MetadataValue value) => _metadata[(filter, key)] = value;

    public string? GetFilterState(string key) => _filterState.GetValueOrDefault(key);

    public void SetFilterState(string key, string value) => _filterState[key] = value;

    /// <summary>What the route (or else its virtual host, or else the table) says about the filter of that name, most specific first; null when nobody does.</summary>
    public FilterOverride? OverrideFor(string filter)
    {
        return Named(WeightedCluster?.FilterOverrides, filter) ?? Named(Route?.FilterOverrides, filter) ?? Named(VirtualHost?.FilterOverrides, filter) ?? Named(Routes?.FilterOverrides, filter);
    }

    // Mostly empty, and an empty table would compute the name's hash all the same.
    private static FilterOverride? Named(ImmutableDictionary<string, FilterOverride>? overrides, string filter) =>
        overrides is { Count: > 0 } ? overrides.GetValueOrDefault(filter) : null;

    public void Raise(ResponseFlag flag) => Flags = Flags.With(flag);

    /// <summary>Ends what is under way for a reason of ours or the caller's. The first reason counts; it answers whoever waits for the upstream.</summary>
    public void Cut(FailureKind why)
    {
        if (CutBy is not null) return;

        CutBy = why;
        Upstream?.Abort();
        _cut.Wake();
    }

    /// <summary>Waits that long, or until the exchange is cut.</summary>
    public async ValueTask PauseAsync(TimeSpan time)
    {
        if (CutBy is null) await _cut.WaitAsync(Deadline.After(Clock, time));
    }

    public bool CallerIsGone => CutBy is FailureKind.DownstreamClosed or FailureKind.DownstreamReset;

    /// <summary>An attempt begins: an earlier attempt's own timeout is forgotten.</summary>
    public void BeginAttempt(IUpstreamStream stream, TimeSpan? timeout)
    {
        Upstream = stream;
        var connection = stream.Connection;
        (UpstreamLocal, UpstreamRemote, UpstreamPeer, UpstreamTls) = (connection.Local, connection.Remote, connection.Peer, connection.Tls);
        // Between our own sidecars one HTTP/2 connection carries both: what counts is what the other side's application will see.
        var isHttp2 = connection.Alpn == Security.TlsContexts.MeshH2
            ? Request.Version == Mesh.Http.HttpVersion.Http2 && Cluster?.Config.Protocol is not Config.UpstreamProtocol.Http1
            : stream is Upstream.H2UpstreamStream;
        UpstreamProtocol = isHttp2 ? "HTTP/2" : "HTTP/1.1";
        UpstreamStartedAt = Clock.GetTimestamp();
        if (timeout is { } limit) _tryTimer.Arm(Deadline.After(Clock, limit));
    }

    public void EndAttempt()
    {
        _tryTimer.Disarm();
        if (CutBy == FailureKind.PerTryTimeout) CutBy = null;
        Upstream?.Release();
        Upstream = null;
    }

    /// <summary>Gave its connection back already.</summary>
    public void ForgetUpstream()
    {
        _tryTimer.Disarm();
        Upstream = null;
    }

    /// <summary>The route's timeout counts from the end of the request.</summary>
    public void OnRequestEnded()
    {
        if (RequestEndedAt != 0) return;

        RequestEndedAt = Clock.GetTimestamp();
        if (Timeout is { } limit)
        {
            Deadline = Deadline.After(Clock, limit);
            _routeTimer.Arm(Deadline);
        }
    }

    /// <summary>The route's limit for the whole request; null is none. Set once, when the route is known.</summary>
    public TimeSpan? Timeout { get; set; }

    /// <summary>Limits of the stream itself, from the moment its route is known.</summary>
    public void StartTimers()
    {
        if (Timeouts.StreamDurationOf(this) is { } duration) _durationTimer.Arm(Deadline.After(Clock, duration));
        if (Timeouts.IdleOf(this) is not { Ticks: > 0 } idle) return;

        _idleLimit = idle;
        _movedAt = Clock.GetTimestamp();
        _idleTimer.Arm(Deadline.After(Clock, idle));
    }

    /// <summary>Bytes of the exchange moved.</summary>
    public void Moved() => _movedAt = Clock.GetTimestamp();

    private void OnIdle()
    {
        var still = Clock.GetElapsedTime(_movedAt);
        if (still >= _idleLimit) Cut(FailureKind.StreamIdle);
        else _idleTimer.Arm(Deadline.After(Clock, _idleLimit - still));
    }

    public void StopTimers()
    {
        _idleTimer.Disarm();
        _durationTimer.Disarm();
        _routeTimer.Disarm();
        _tryTimer.Disarm();
    }

    public void RememberTried(EndpointState endpoint)
    {
        Debug.Assert(_tried.Count < 64, "retries are bounded far below this");
        if (!_tried.Contains(endpoint)) _tried.Add(endpoint);
    }
}
