using Mesh.Net;
using Mesh.Net.Tls;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Security;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Upstream;

/// <summary>One loop and all that the proxy keeps on it: its clusters, its counters, what it was last told. Nothing here is shared with another loop.</summary>
internal sealed class Worker
{
    /// <summary>Peers whose own words are remembered; beyond it all are forgotten and heard again.</summary>
    private const int PeersMax = 4096;

    /// <summary>As many exchanges as may be under way at once without being made anew.</summary>
    private const int SpareExchangesMax = 16 * 1024;

    private const int SpareExchangesMin = 64;

    private static readonly TimeSpan SparesRest = TimeSpan.FromSeconds(10);

    private readonly Spares<Exchange> _spareExchanges = new(SpareExchangesMax, SpareExchangesMin);
    private readonly LoopTimer _spareTimer;
    private readonly Dictionary<string, ClusterState> _clusters = [];
    private readonly Dictionary<string, byte[]> _bytes = [];
    private readonly byte[] _date = new byte[29], _iso = new byte[24];
    private string _lastText = "";
    private (string? Name, ClusterState? State) _lastCluster;
    private byte[] _lastBytes = [];
    private readonly Dictionary<byte[], WorkloadLabels?> _peers = new(BytesComparer.Instance);
    private long _streamIds, _connectionIds, _dateSecond = -1, _isoMillisecond = -1;

    public Worker(int index, Loop loop, TlsProvider tls, ProxyNode node, LogFiles files, ILogger log)
    {
        (Index, Loop, Node, Log) = (index, loop, node, log);
        Secure = new(tls, loop.Clock);
        _spareTimer = new(loop, LetGoOfSpares);
        Exports = new(this);
        Logs = new(loop, files, Exports);
    }

    public int Index { get; }
    public Loop Loop { get; }
    public ProxyNode Node { get; }
    public ILogger Log { get; }
    public Counters Counters { get; } = new();
    public LogBuffers Logs { get; }
    /// <summary>Spans and log records on their way to collectors.</summary>
    public Exports Exports { get; }
    public AddressTexts Addresses { get; } = new();
    /// <summary>Requests that a tap wants to see.</summary>
    public RequestSamples Samples { get; } = new();
    /// <summary>TLS contexts made ready.</summary>
    public TlsContexts Secure { get; }
    public Snapshot Snapshot { get; private set; } = Snapshot.Empty;
    public IReadOnlyDictionary<string, ClusterState> Clusters => _clusters;
    /// <summary>The same, for readers of other threads.</summary>
    public IReadOnlyList<ClusterState> PublishedClusters => _published;
    private volatile ClusterState[] _published = [];

    /// <summary>The other loops of the process, for the little they must tell each other.</summary>
    public Worker[] Siblings { get; set; } = [];

    /// <summary>Copies of requests that are being sent.</summary>
    public int MirrorsUnderWay { get; set; }

    /// <summary>Bodies of large requests that are kept in case they must be sent again.</summary>
    public int ReplayBytes { get; set; }

    /// <summary>The whole process is on its way out: responses close their connections.</summary>
    public bool IsDraining { get; set; }

    /// <summary>How near the process is to its memory's end.</summary>
    public Pressure Pressure { get; set; }

    public ClusterState? Cluster(string name)
    {
        if (ReferenceEquals(name, _lastCluster.Name)) return _lastCluster.State;

        var state = _clusters.GetValueOrDefault(name);
        if (state is not null) _lastCluster = (name, state);
        return state;
    }

    /// <summary>An exchange for one request: a connection that waits for its next one holds none.</summary>
    public Exchange RentExchange() => _spareExchanges.TryTake() ?? new(this);

    public int SpareExchanges => _spareExchanges.Count;

    public void GiveBack(Exchange exchange)
    {
        _spareExchanges.Keep(exchange);
        if (_spareExchanges.HasMany && !_spareTimer.IsArmed) _spareTimer.Arm(Deadline.After(Loop.Clock, SparesRest));
    }

    private void LetGoOfSpares()
    {
        _spareExchanges.LetGoOfUnused();
        if (_spareExchanges.HasMany) _spareTimer.Arm(Deadline.After(Loop.Clock, SparesRest));
    }

    // Ids are unique over loops without any loop asking another.
    public long NextStreamId() => (++_streamIds << 8) | (uint)Index;

    public long NextConnectionId() => (++_connectionIds << 8) | (uint)Index;

    /// <summary>What this proxy says of itself at the beginning of TCP connections; written once.</summary>
    public byte[]? PeerPreamble { get; set; }

    /// <summary>Series of requests that reached no cluster.</summary>
    public SeriesCache SeriesWithoutCluster { get; } = new();

    /// <summary>What a peer said of itself; the same object for the same text.</summary>
    public WorkloadLabels? PeerLabels(ReadOnlySpan<byte> text)
    {
        var known = _peers.GetAlternateLookup<ReadOnlySpan<byte>>();
        if (known.TryGetValue(text, out var labels)) return labels;

        if (_peers.Count >= PeersMax) _peers.Clear();
        labels = PeerMetadata.Read(text);
        _peers[text.ToArray()] = labels;
        return labels;
    }

    /// <summary>The present second as HTTP writes it, written once a second.</summary>
    public ReadOnlySpan<byte> HttpDate()
    {
        var second = Loop.Clock.GetTimestamp() / 1_000_000_000;
        if (second != _dateSecond)
        {
            _dateSecond = second;
            Loop.Clock.GetUtcNow().TryFormat(_date, out _, "r", System.Globalization.CultureInfo.InvariantCulture);
        }
        return _date;
    }

    /// <summary>An instant as log lines write it, written once a millisecond. Valid until the next call.</summary>
    public ReadOnlySpan<byte> IsoTime(DateTimeOffset at)
    {
        var millisecond = at.UtcTicks / TimeSpan.TicksPerMillisecond;
        if (millisecond != _isoMillisecond)
        {
            _isoMillisecond = millisecond;
            var line = new ByteLine(_iso);
            TimeFormat.Iso.Write(ref line, at);
        }
        return _iso;
    }

    /// <summary>The same array for the same text, so that configured words are encoded once.</summary>
    public byte[] Bytes(string text)
    {
        if (ReferenceEquals(text, _lastText)) return _lastBytes;
        if (!_bytes.TryGetValue(text, out var bytes)) _bytes[text] = bytes = System.Text.Encoding.Latin1.GetBytes(text);
        (_lastText, _lastBytes) = (text, bytes);
        return bytes;
    }

    /// <summary>Takes the snapshot over. Clusters that stay keep their connections and their experience; those that went live until their last exchange ends.</summary>
    public void Use(Snapshot snapshot)
    {
        Loop.AssertOwned();
        var before = Snapshot;
        Snapshot = snapshot;
        _lastCluster = default;
        Secure.Use(snapshot.Secrets);
        // Who was believed under a root that is gone must show itself anew.
        if (TrustedRoots.HasLost(before.Secrets, snapshot.Secrets))
            foreach (var cluster in _clusters.Values) cluster.RenewConnections();
        if (ReferenceEquals(before.Clusters, snapshot.Clusters) && ReferenceEquals(before.Endpoints, snapshot.Endpoints)) return;

        foreach (var (name, cluster) in snapshot.Clusters)
        {
            var endpoints = snapshot.EndpointsOf(cluster);
            if (_clusters.TryGetValue(name, out var state)) state.Update(cluster, endpoints);
            else _clusters[name] = new(this, cluster, endpoints);
        }
        if (_clusters.Count != snapshot.Clusters.Count)
        {
            foreach (var name in _clusters.Keys.Where(name => !snapshot.Clusters.ContainsKey(name)).ToList())
            {
                _clusters.Remove(name, out var gone);
                gone!.Retire();
            }
        }
        _published = [.. _clusters.Values];
    }
}

/// <summary>What this proxy is, as filters, logs and peers need to know it.</summary>
internal sealed record ProxyNode
{
    public required string Id { get; init; }
    public required string Cluster { get; init; }
    public Locality Locality { get; init; } = Locality.Nowhere;
    public WorkloadLabels Labels { get; init; } = WorkloadLabels.Unknown;
    public string Namespace { get; init; } = "";
    public string ServiceAccount { get; init; } = "";
    public string TrustDomain { get; init; } = "cluster.local";
    public bool IsGateway { get; init; }
    /// <summary>Our own SPIFFE id.</summary>
    public string Identity { get; init; } = "unknown";
    /// <summary>Our workload metadata as peers get it: base64 of the serialised struct; empty when none is told.</summary>
    public string PeerMetadata { get; init; } = "";
    /// <summary>HTTP/2 between this mesh's own sidecars.</summary>
    public bool Http2BetweenSidecars { get; init; } = true;
    /// <summary>The least that a request's body must bring, on average after a grace; 0: nothing.</summary>
    public int RequestBodyBytesPerSecondMin { get; init; }
    /// <summary>%ENVIRONMENT(X)% and custom tags read from here, never from the process.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
    public IReadOnlyDictionary<string, string> PodLabels { get; init; } = new Dictionary<string, string>();
    public string InstanceIp { get; init; } = "";
}
