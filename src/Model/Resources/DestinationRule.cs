using System.Collections.Immutable;

namespace Mesh.Model.Resources;

public sealed class DestinationRule(ResourceMeta meta) : Resource(meta)
{
    public required string Host { get; init; }
    public TrafficPolicy? TrafficPolicy { get; init; }
    public required ImmutableArray<Subset> Subsets { get; init; }
    public required ImmutableArray<string> ExportTo { get; init; }
    public LabelSet? WorkloadSelector { get; init; }

    /// <summary>Made of BackendTLSPolicies: its TLS holds beside what a rule that somebody wrote says of everything else.</summary>
    public bool IsBackendTls { get; init; }

    public static DestinationRule Read(ResourceMeta meta, Fields root)
    {
        var spec = root["spec"];
        return new(meta)
        {
            Host = spec.Text("host").ToLowerInvariant(),
            TrafficPolicy = spec.Maybe("trafficPolicy", TrafficPolicy.Read),
            Subsets = spec.Each("subsets", s => new Subset(s.Text("name"), s.Labels("labels"), s.Maybe("trafficPolicy", TrafficPolicy.Read))),
            ExportTo = spec.Texts("exportTo"),
            WorkloadSelector = spec.Has("workloadSelector") ? spec["workloadSelector"].Labels("matchLabels") : null,
        };
    }
}

public sealed record Subset(string Name, LabelSet Labels, TrafficPolicy? TrafficPolicy);

/// <summary>Blocks are inherited one by one (subset over top level); a port's entry replaces the whole.</summary>
public sealed record TrafficPolicy
{
    public LoadBalancer? LoadBalancer { get; init; }
    public ConnectionPool? ConnectionPool { get; init; }
    public OutlierDetection? OutlierDetection { get; init; }
    public ClientTls? Tls { get; init; }
    public Tunnel? Tunnel { get; init; }
    public int? ProxyProtocolVersion { get; init; }
    public RetryBudget? RetryBudget { get; init; }
    public ImmutableArray<PortPolicy> Ports { get; init; } = [];

    public static TrafficPolicy Read(Fields f) => new()
    {
        LoadBalancer = f.Maybe("loadBalancer", LoadBalancer.Read),
        ConnectionPool = f.Maybe("connectionPool", ConnectionPool.Read),
        OutlierDetection = f.Maybe("outlierDetection", OutlierDetection.Read),
        Tls = f.Maybe("tls", ClientTls.Read),
        Tunnel = f.Maybe("tunnel", t => new Tunnel(t.Text("protocol", "CONNECT"), t.Text("targetHost"), t.Int("targetPort"))),
        ProxyProtocolVersion = f.Has("proxyProtocol") ? (f["proxyProtocol"].Text("version", "V1") == "V2" ? 2 : 1) : null,
        RetryBudget = f.Maybe("retryBudget", r => new RetryBudget(r.DoubleOrNull("percent") ?? 20, r.Int("minRetryConcurrency", 3))),
        Ports = f.Each("portLevelSettings", p => new PortPolicy(p["port"].Int("number"), Read(p))),
    };
}

public sealed record PortPolicy(int Port, TrafficPolicy Policy);

public enum LoadBalancerKind { Unspecified, LeastConn, Random, Passthrough, RoundRobin, LeastRequest }

public sealed record LoadBalancer(LoadBalancerKind Simple, ConsistentHash? Hash, LocalityBalance? Locality, Warmup? Warmup)
{
    public static LoadBalancer Read(Fields f) => new(
        f.Enum("simple", LoadBalancerKind.Unspecified), f.Maybe("consistentHash", ConsistentHash.Read), f.Maybe("localityLbSetting", LocalityBalance.Read),
        f.Has("warmup")
            ? new(f["warmup"].Duration("duration") ?? default, f["warmup"].DoubleOrNull("minimumPercent") ?? 10, f["warmup"].DoubleOrNull("aggression") ?? 1)
            : f.Duration("warmupDurationSecs") is { } old ? new Warmup(old, 10, 1) : null);
}

public sealed record Warmup(TimeSpan Duration, double MinimumPercent, double Aggression);

public sealed record HashCookie(string Name, string Path, TimeSpan? Ttl, ImmutableArray<KeyValuePair<string, string>> Attributes);

public sealed record ConsistentHash(string Header, HashCookie? Cookie, bool SourceIp, string QueryParameter, ulong? MinimumRingSize, ulong? MaglevTableSize, bool IsMaglev)
{
    public static ConsistentHash Read(Fields f) => new(
        f.Text("httpHeaderName"),
        f.Maybe("httpCookie", c => new HashCookie(c.Text("name"), c.Text("path"), c.Duration("ttl"),
            c.Each("attributes", a => new KeyValuePair<string, string>(a.Text("name"), a.Text("value"))))),
        f.Bool("useSourceIp"), f.Text("httpQueryParameterName"),
        f["ringHash"].UIntOrNull("minimumRingSize") ?? f.UIntOrNull("minimumRingSize"), f["maglev"].UIntOrNull("tableSize"), f.Has("maglev"));
}

public sealed record LocalityShare(string From, ImmutableArray<KeyValuePair<string, uint>> To);

public sealed record LocalityBalance(
    ImmutableArray<LocalityShare> Distribute, ImmutableArray<KeyValuePair<string, string>> Failover, ImmutableArray<string> FailoverPriority, bool? Enabled)
{
    public static LocalityBalance Read(Fields f) => new(
        f.Each("distribute", d => new LocalityShare(d.Text("from"), [.. d["to"].Pairs().Select(pair => new KeyValuePair<string, uint>(pair.Key, Share(d, pair)))])),
        f.Each("failover", o => new KeyValuePair<string, string>(o.Text("from"), o.Text("to"))),
        f.Texts("failoverPriority"), f.BoolOrNull("enabled"));

    private static uint Share(Fields f, KeyValuePair<string, string> pair)
    {
        if (uint.TryParse(pair.Value, out var share)) return share;
        f["to"].Refuse($"the share of {pair.Key} must be a whole number");
        return 0;
    }
}

public sealed record TcpKeepalive(uint? Probes, TimeSpan? Time, TimeSpan? Interval)
{
    public static TcpKeepalive Read(Fields f) => new(f.UIntOrNull("probes"), f.Duration("time"), f.Duration("interval"));
}

public enum H2Upgrade { Default, DoNotUpgrade, Upgrade }

public sealed record ConnectionPool
{
    public int MaxConnections { get; init; }
    public TimeSpan? ConnectTimeout { get; init; }
    public TcpKeepalive? Keepalive { get; init; }
    public TimeSpan? MaxConnectionDuration { get; init; }
    public TimeSpan? TcpIdleTimeout { get; init; }
    public bool HasHttp { get; init; }
    public int MaxPendingRequests { get; init; }
    public int MaxRequests { get; init; }
    public int MaxRetries { get; init; }
    public int MaxRequestsPerConnection { get; init; }
    public TimeSpan? HttpIdleTimeout { get; init; }
    public H2Upgrade H2Upgrade { get; init; }
    public bool UsesClientProtocol { get; init; }
    public int MaxConcurrentStreams { get; init; }
    public TimeSpan? Http2KeepaliveInterval { get; init; }
    public TimeSpan? Http2KeepaliveTimeout { get; init; }

    public static ConnectionPool Read(Fields f)
    {
        var (tcp, http) = (f["tcp"], f["http"]);
        return new()
        {
            MaxConnections = tcp.Int("maxConnections"),
            ConnectTimeout = tcp.Duration("connectTimeout"),
            Keepalive = tcp.Maybe("tcpKeepalive", TcpKeepalive.Read),
            MaxConnectionDuration = tcp.Duration("maxConnectionDuration"),
            TcpIdleTimeout = tcp.Duration("idleTimeout"),
            HasHttp = http.Exists,
            MaxPendingRequests = http.Int("http1MaxPendingRequests"),
            MaxRequests = http.Int("http2MaxRequests"),
            MaxRetries = http.Int("maxRetries"),
            MaxRequestsPerConnection = http.Int("maxRequestsPerConnection"),
            HttpIdleTimeout = http.Duration("idleTimeout"),
            H2Upgrade = http.Enum("h2UpgradePolicy", H2Upgrade.Default),
            UsesClientProtocol = http.Bool("useClientProtocol"),
            MaxConcurrentStreams = http.Int("maxConcurrentStreams"),
            Http2KeepaliveInterval = http["http2KeepAlive"].Duration("interval"),
            Http2KeepaliveTimeout = http["http2KeepAlive"].Duration("timeout"),
        };
    }
}

public sealed record OutlierDetection
{
    public uint? Consecutive5xx { get; init; }
    public uint? ConsecutiveGatewayErrors { get; init; }
    public bool SplitsLocalErrors { get; init; }
    public uint? ConsecutiveLocalFailures { get; init; }
    public TimeSpan? Interval { get; init; }
    public TimeSpan? BaseEjectionTime { get; init; }
    public int MaxEjectionPercent { get; init; }
    public int MinHealthPercent { get; init; }

    /// <summary>The statuses that count as errors; empty: all from 500 on.</summary>
    public ImmutableArray<uint> HttpErrorCodes { get; init; } = [];

    public static OutlierDetection Read(Fields f) => new()
    {
        Consecutive5xx = f.UIntOrNull("consecutive5xxErrors"),
        ConsecutiveGatewayErrors = f.UIntOrNull("consecutiveGatewayErrors"),
        SplitsLocalErrors = f.Bool("splitExternalLocalOriginErrors"),
        ConsecutiveLocalFailures = f.UIntOrNull("consecutiveLocalOriginFailures"),
        Interval = f.Duration("interval"),
        BaseEjectionTime = f.Duration("baseEjectionTime"),
        MaxEjectionPercent = f.Int("maxEjectionPercent"),
        MinHealthPercent = f.Int("minHealthPercent"),
        HttpErrorCodes = [.. f.Texts("outlierDetectionHttpErrorCodes").Select(code => uint.TryParse(code, out var status) ? status : 0).Where(status => status > 0)],
    };
}

public enum ClientTlsMode { Disable, Simple, Mutual, IstioMutual }

public sealed record ClientTls(ClientTlsMode Mode)
{
    public string ClientCertificate { get; init; } = "";
    public string PrivateKey { get; init; } = "";
    public string CaCertificates { get; init; } = "";
    public string CredentialName { get; init; } = "";
    public ImmutableArray<string> SubjectAltNames { get; init; } = [];
    public string Sni { get; init; } = "";
    public bool? InsecureSkipVerify { get; init; }
    public string CaCrl { get; init; } = "";

    /// <summary>A gateway that has a certificate of its own toward backends presents it here.</summary>
    public bool TakesGatewayCertificate { get; init; }

    public static ClientTls Read(Fields f) => new(f.Enum("mode", ClientTlsMode.Disable))
    {
        ClientCertificate = f.Text("clientCertificate"),
        PrivateKey = f.Text("privateKey"),
        CaCertificates = f.Text("caCertificates"),
        CredentialName = f.Text("credentialName"),
        SubjectAltNames = f.Texts("subjectAltNames"),
        Sni = f.Text("sni"),
        InsecureSkipVerify = f.BoolOrNull("insecureSkipVerify"),
        CaCrl = f.Text("caCrl"),
    };
}

public sealed record Tunnel(string Protocol, string TargetHost, int TargetPort);

public sealed record RetryBudget(double Percent, int MinRetryConcurrency);
