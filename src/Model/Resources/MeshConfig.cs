using System.Collections.Immutable;
using Mesh.Model.Yaml;

namespace Mesh.Model.Resources;

public sealed record ExtensionProvider(string Name, string Kind)
{
    public string Service { get; init; } = "";
    public int Port { get; init; }
    public string Path { get; init; } = "";
    public TimeSpan? Timeout { get; init; }
    public bool FailOpen { get; init; }
    public string StatusOnError { get; init; } = "";
    public string PathPrefix { get; init; } = "";
    public ImmutableArray<string> IncludeRequestHeaders { get; init; } = [];
    public ImmutableArray<KeyValuePair<string, string>> AdditionalHeaders { get; init; } = [];
    public ImmutableArray<string> HeadersToUpstreamOnAllow { get; init; } = [];
    public ImmutableArray<string> HeadersToDownstreamOnDeny { get; init; } = [];
    public ImmutableArray<string> HeadersToDownstreamOnAllow { get; init; } = [];
    public int BodyBytesMax { get; init; }
    public bool AllowsPartialBody { get; init; }
    public bool PacksBodyAsBytes { get; init; }
    public bool HasBody { get; init; }
    public bool ClearsRouteCache { get; init; }
    public string? LogText { get; init; }
    public ImmutableArray<KeyValuePair<string, string>> LogLabels { get; init; } = [];
    public bool HasLogLabels { get; init; }
    public Fields Raw { get; init; }

    public static ExtensionProvider Read(Fields f)
    {
        var (kind, body) = ("", f);
        foreach (var (key, value) in f.Entries())
            if (key != "name") (kind, body) = (key, value);
        var check = body["includeRequestBodyInCheck"];
        return new(f.Text("name"), kind)
        {
            Service = body.Text("service"),
            Port = body.Int("port"),
            Path = body.Text("path"),
            Timeout = body.Duration("timeout"),
            FailOpen = body.Bool("failOpen"),
            ClearsRouteCache = body.Bool("clearRouteCache"),
            StatusOnError = body.Text("statusOnError"),
            PathPrefix = body.Text("pathPrefix"),
            IncludeRequestHeaders = [.. body.Texts("includeRequestHeadersInCheck"), .. body.Texts("includeHeadersInCheck")],
            AdditionalHeaders = body["includeAdditionalHeadersInCheck"].Pairs(),
            HeadersToUpstreamOnAllow = body.Texts("headersToUpstreamOnAllow"),
            HeadersToDownstreamOnDeny = body.Texts("headersToDownstreamOnDeny"),
            HeadersToDownstreamOnAllow = body.Texts("headersToDownstreamOnAllow"),
            HasBody = check.Exists,
            BodyBytesMax = check.Int("maxRequestBytes"),
            AllowsPartialBody = check.Bool("allowPartialMessage"),
            PacksBodyAsBytes = check.Bool("packAsBytes"),
            LogText = body["logFormat"].TextOrNull("text"),
            HasLogLabels = body["logFormat"].Has("labels"),
            LogLabels = [.. body["logFormat"]["labels"].Pairs()],
            Raw = body,
        };
    }
}

public sealed record ProxyHeaders
{
    public string? ForwardedClientCert { get; init; }
    public Fields SetCurrentClientCertDetails { get; init; }
    public bool RequestIdDisabled { get; init; }
    public bool ServerDisabled { get; init; }
    public string ServerValue { get; init; } = "";
    public bool AttemptCountDisabled { get; init; }
    public bool EnvoyDebugHeadersDisabled { get; init; }
    public string MetadataExchange { get; init; } = "";
    public bool PreservesHttp1Case { get; init; }
    public bool ForwardedHostEnabled { get; init; }
    public bool ForwardedPortEnabled { get; init; }

    public static ProxyHeaders Read(Fields f) => new()
    {
        ForwardedClientCert = f.TextOrNull("forwardedClientCert"),
        SetCurrentClientCertDetails = f["setCurrentClientCertDetails"],
        RequestIdDisabled = f["requestId"].Bool("disabled"),
        ServerDisabled = f["server"].Bool("disabled"),
        ServerValue = f["server"].Text("value"),
        AttemptCountDisabled = f["attemptCount"].Bool("disabled"),
        EnvoyDebugHeadersDisabled = f["envoyDebugHeaders"].Bool("disabled"),
        MetadataExchange = f["metadataExchangeHeaders"].Text("mode"),
        PreservesHttp1Case = f["preserveHttp1HeaderCase"].Bool("value", f.Bool("preserveHttp1HeaderCase")),
        ForwardedHostEnabled = f["xForwardedHost"].Bool("enabled"),
        ForwardedPortEnabled = f["xForwardedPort"].Bool("enabled"),
    };
}

/// <summary>The parts of a proxy's own settings that shape its configuration. Comes from the mesh default and the node's PROXY_CONFIG.</summary>
public sealed record ProxySettings
{
    public static ProxySettings Default { get; } = new();

    /// <summary>What they were read from, in one canonical form: settings of equal text are equal.</summary>
    public string Text { get; init; } = "";

    public bool Equals(ProxySettings? other) => other is not null && other.Text == Text;

    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    public uint TrustedProxies { get; init; }
    public string ForwardClientCertDetails { get; init; } = "";
    public bool AcceptsProxyProtocol { get; init; }
    public ProxyHeaders? Headers { get; init; }
    public double? TracingSampling { get; init; }
    public uint? MaxPathTagLength { get; init; }
    public ImmutableArray<CustomTag> TracingTags { get; init; } = [];
    public string InterceptionMode { get; init; } = "REDIRECT";
    public string StatNameLength { get; init; } = "";
    public ImmutableArray<KeyValuePair<string, string>> Metadata { get; init; } = [];

    public static ProxySettings Read(Fields f) => new()
    {
        Text = f.Canonical(),
        TrustedProxies = f["gatewayTopology"].UIntOrNull("numTrustedProxies") ?? 0,
        ForwardClientCertDetails = f["gatewayTopology"].Text("forwardClientCertDetails"),
        AcceptsProxyProtocol = f["gatewayTopology"].Has("proxyProtocol"),
        Headers = f.Maybe("proxyHeaders", ProxyHeaders.Read),
        TracingSampling = f["tracing"].DoubleOrNull("sampling"),
        MaxPathTagLength = f["tracing"].UIntOrNull("maxPathTagLength"),
        TracingTags = [.. f["tracing"]["customTags"].Entries().OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => Telemetry.ReadTag(t.Key, t.Value))],
        InterceptionMode = f.Text("interceptionMode", "REDIRECT"),
        Metadata = f["proxyMetadata"].Pairs(),
    };
}

/// <summary>An entry of <c>caCertificates</c>: roots beside the mesh's own, for some signers or some trust domains.</summary>
public sealed record TrustAnchor(string Pem, string BundleUrl, ImmutableArray<string> Signers, ImmutableArray<string> TrustDomains)
{
    public static TrustAnchor Read(Fields f) => new(f.Text("pem"), f.Text("spiffeBundleUrl"), f.Texts("certSigners"), f.Texts("trustDomains"));
}

public enum PathNormalization { Default, None, Base, MergeSlashes, DecodeAndMergeSlashes }

/// <summary>The mesh-wide settings (ConfigMap <c>istio</c>, key <c>mesh</c>).</summary>
public sealed class MeshConfig
{
    public static MeshConfig Default { get; } = Read(null, []);

    private MeshConfig(Fields f)
    {
        ConnectTimeout = f.Duration("connectTimeout") ?? TimeSpan.FromSeconds(10);
        ProtocolDetectionTimeout = f.Duration("protocolDetectionTimeout") ?? TimeSpan.Zero;
        Keepalive = f.Maybe("tcpKeepalive", TcpKeepalive.Read);
        IngressService = f.Text("ingressService", "istio-ingressgateway");
        IngressSelector = f.Text("ingressSelector", "ingressgateway");
        IngressClass = f.Text("ingressClass", "istio");
        IngressMode = f.Text("ingressControllerMode", "STRICT");
        AccessLogFile = f.Text("accessLogFile");
        AccessLogFormat = f.Text("accessLogFormat");
        AccessLogIsJson = f.Text("accessLogEncoding") == "JSON";
        DisableListenerLog = f.Bool("disableEnvoyListenerLog");
        EnableTracing = f.Bool("enableTracing", true);
        TrustDomain = f.Text("trustDomain", "cluster.local");
        TrustDomainAliases = f.Texts("trustDomainAliases");
        CaCertificates = f.Each("caCertificates", TrustAnchor.Read);
        AutoMutualTls = f.Bool("enableAutoMtls", true);
        Outbound = f["outboundTrafficPolicy"].Enum("mode", OutboundMode.AllowAny);
        InboundIsLocalhost = f["inboundTrafficPolicy"].Text("mode") == "LOCALHOST";
        RootNamespace = f.Text("rootNamespace", "istio-system");
        ServiceExportTo = Exports(f, "defaultServiceExportTo");
        VirtualServiceExportTo = Exports(f, "defaultVirtualServiceExportTo");
        DestinationRuleExportTo = Exports(f, "defaultDestinationRuleExportTo");
        Locality = f.Maybe("localityLbSetting", LocalityBalance.Read);
        DnsRefreshRate = f.Duration("dnsRefreshRate") ?? TimeSpan.FromSeconds(60);
        H2Upgrade = f.Enum("h2UpgradePolicy", H2Upgrade.DoNotUpgrade);
        PathNormalization = f["pathNormalization"].Enum("normalization", PathNormalization.Default);
        OutboundRetry = f.Maybe("defaultHttpRetryPolicy", Retry.Read);
        InboundRetry = f.Maybe("defaultInboundHttpRetryPolicy", Retry.Read);
        DefaultPolicy = f.Maybe("defaultTrafficPolicy", TrafficPolicy.Read);
        MinTlsVersion = f["meshMTLS"].Text("minProtocolVersion");
        MeshCiphers = f["meshMTLS"].Texts("cipherSuites");
        TlsCurves = f["tlsDefaults"].Texts("ecdhCurves");
        TlsCiphers = f["tlsDefaults"].Texts("cipherSuites");
        TlsMinVersion = f["tlsDefaults"].Text("minProtocolVersion");
        Providers = f.Each("extensionProviders", ExtensionProvider.Read);
        DefaultTracing = f["defaultProviders"].Texts("tracing");
        DefaultMetrics = f["defaultProviders"].Texts("metrics");
        DefaultLogging = f["defaultProviders"].Texts("accessLogging");
        Proxy = ProxySettings.Read(f["defaultConfig"]);
        DiscoverySelectors = f.Each("discoverySelectors", LabelSelector.Read);
        HttpProxyPort = f.Int("proxyHttpPort");
        OutboundStatName = f.Text("outboundClusterStatName");
        InboundStatName = f.Text("inboundClusterStatName");
        ServiceSettings = f.Each("serviceSettings", s => new KeyValuePair<bool, ImmutableArray<string>>(s["settings"].Bool("clusterLocal"), s.Texts("hosts")));
    }

    public TimeSpan ConnectTimeout { get; }
    public TimeSpan ProtocolDetectionTimeout { get; }
    public TcpKeepalive? Keepalive { get; }
    public string IngressService { get; }
    public string IngressSelector { get; }
    public string IngressClass { get; }
    public string IngressMode { get; }
    public string AccessLogFile { get; }
    public string AccessLogFormat { get; }
    public bool AccessLogIsJson { get; }
    public bool DisableListenerLog { get; }
    public bool EnableTracing { get; }
    public string TrustDomain { get; }
    public ImmutableArray<string> TrustDomainAliases { get; }
    public ImmutableArray<TrustAnchor> CaCertificates { get; }
    public bool AutoMutualTls { get; }
    public OutboundMode Outbound { get; }
    public bool InboundIsLocalhost { get; }
    public string RootNamespace { get; }
    public ImmutableArray<string> ServiceExportTo { get; }
    public ImmutableArray<string> VirtualServiceExportTo { get; }
    public ImmutableArray<string> DestinationRuleExportTo { get; }
    public LocalityBalance? Locality { get; }
    public TimeSpan DnsRefreshRate { get; }
    public H2Upgrade H2Upgrade { get; }
    public PathNormalization PathNormalization { get; }
    public Retry? OutboundRetry { get; }
    public Retry? InboundRetry { get; }
    public TrafficPolicy? DefaultPolicy { get; }
    public string MinTlsVersion { get; }
    public ImmutableArray<string> MeshCiphers { get; }
    public ImmutableArray<string> TlsCurves { get; }
    public ImmutableArray<string> TlsCiphers { get; }
    public string TlsMinVersion { get; }
    public ImmutableArray<ExtensionProvider> Providers { get; }
    public ImmutableArray<string> DefaultTracing { get; }
    public ImmutableArray<string> DefaultMetrics { get; }
    public ImmutableArray<string> DefaultLogging { get; }
    public ProxySettings Proxy { get; }
    public ImmutableArray<LabelSelector> DiscoverySelectors { get; }
    public int HttpProxyPort { get; }
    public string OutboundStatName { get; }
    public string InboundStatName { get; }
    public ImmutableArray<KeyValuePair<bool, ImmutableArray<string>>> ServiceSettings { get; }

    /// <summary>The cluster's DNS suffix.</summary>
    public string Domain { get; init; } = "cluster.local";

    public ExtensionProvider? Provider(string name)
    {
        foreach (var provider in Providers)
            if (provider.Name == name) return provider;
        return null;
    }

    public static MeshConfig Read(Node? node, List<FieldIssue> issues) => new(new(node, issues));

    /// <summary>Reads YAML text; null, with the reasons in <paramref name="issues"/>, when it cannot be used.</summary>
    public static MeshConfig? Parse(string yaml, string file, out IReadOnlyList<FieldIssue> issues)
    {
        var found = new List<FieldIssue>();
        issues = found;
        var documents = YamlReader.Read(yaml, file, out var error);
        if (error is not null)
        {
            found.Add(new(error.Origin, "", error.Message));
            return null;
        }
        var mesh = Read(documents.Count > 0 ? documents[0] : null, found);
        return found.Count == 0 ? mesh : null;
    }

    private static ImmutableArray<string> Exports(Fields f, string key) => f.Texts(key) is { IsEmpty: false } some ? some : ["*"];
}
