using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>The kinds of value that ProxyConfig's fields hold.</summary>
internal enum FieldKind
{
    Text,
    Integer,
    /// <summary>An optional integer: 0 is a value, absence is another.</summary>
    OptionalInteger,
    Flag,
    /// <summary>An optional boolean: false is a value, absence is another.</summary>
    OptionalFlag,
    Number,
    Duration,
    Choice,
    TextMap,
    Texts,
    /// <summary>A message that is carried on as it was written.</summary>
    Message,
}

/// <param name="Choices">The names of an enum, the default first.</param>
internal sealed record FieldRule(FieldKind Kind, string[]? Choices = null);

/// <summary>The fields of Istio's ProxyConfig (mesh config's defaultConfig and the annotation proxy.istio.io/config).</summary>
internal static class ProxyConfigSchema
{
    private static readonly FieldRule Text = new(FieldKind.Text);
    private static readonly FieldRule Integer = new(FieldKind.Integer);
    private static readonly FieldRule Duration = new(FieldKind.Duration);
    private static readonly FieldRule Message = new(FieldKind.Message);

    public static readonly Dictionary<string, FieldRule> Fields = new(StringComparer.Ordinal)
    {
        ["configPath"] = Text,
        ["binaryPath"] = Text,
        ["serviceCluster"] = Text,
        ["tracingServiceName"] = Choice("APP_LABEL_AND_NAMESPACE", "CANONICAL_NAME_ONLY", "CANONICAL_NAME_AND_NAMESPACE"),
        ["drainDuration"] = Duration,
        ["discoveryAddress"] = Text,
        ["discoveryRefreshDelay"] = Duration,
        ["zipkinAddress"] = Text,
        ["statsdUdpAddress"] = Text,
        ["envoyMetricsServiceAddress"] = Text,
        ["proxyAdminPort"] = Integer,
        ["availabilityZone"] = Text,
        ["controlPlaneAuthPolicy"] = Choice("NONE", "MUTUAL_TLS"),
        ["customConfigFile"] = Text,
        ["statNameLength"] = Integer,
        ["concurrency"] = new(FieldKind.OptionalInteger),
        ["proxyBootstrapTemplatePath"] = Text,
        ["interceptionMode"] = Choice("REDIRECT", "TPROXY", "NONE"),
        ["tracing"] = Message,
        ["sds"] = Message,
        ["envoyAccessLogService"] = Message,
        ["envoyMetricsService"] = Message,
        ["proxyMetadata"] = new(FieldKind.TextMap),
        ["runtimeValues"] = new(FieldKind.TextMap),
        ["statusPort"] = Integer,
        ["extraStatTags"] = new(FieldKind.Texts),
        ["gatewayTopology"] = Message,
        ["terminationDrainDuration"] = Duration,
        ["meshId"] = Text,
        ["readinessProbe"] = Message,
        ["proxyStatsMatcher"] = Message,
        ["holdApplicationUntilProxyStarts"] = new(FieldKind.OptionalFlag),
        ["caCertificatesPem"] = new(FieldKind.Texts),
        ["image"] = Message,
        ["privateKeyProvider"] = Message,
        ["proxyHeaders"] = Message,
        ["fileFlushInterval"] = Duration,
        ["fileFlushMinSizeKb"] = Integer,
        ["statsCompression"] = new(FieldKind.OptionalFlag),
        ["connectionSettings"] = Message,
    };

    /// <summary>What every proxy has before anyone says anything.</summary>
    public static JsonObject Defaults() => new()
    {
        ["configPath"] = "./etc/istio/proxy",
        ["binaryPath"] = "/usr/local/bin/envoy",
        ["serviceCluster"] = "istio-proxy",
        ["drainDuration"] = "45s",
        ["terminationDrainDuration"] = "5s",
        ["proxyAdminPort"] = 15000,
        ["controlPlaneAuthPolicy"] = "MUTUAL_TLS",
        ["discoveryAddress"] = "istiod.istio-system.svc:15012",
        ["statNameLength"] = 189,
        ["statusPort"] = 15020,
    };

    /// <summary>Fields within messages whose kind is checked too: a wrong one refuses the pod rather than the proxy's start.</summary>
    public static readonly Dictionary<string, FieldRule> Inner = new(StringComparer.Ordinal)
    {
        ["tracing.sampling"] = new(FieldKind.Number),
        ["tracing.maxPathTagLength"] = Integer,
        ["tracing.enableIstioTags"] = new(FieldKind.OptionalFlag),
        ["tracing.zipkin"] = Message,
        ["tracing.lightstep"] = Message,
        ["tracing.datadog"] = Message,
        ["tracing.customTags"] = Message,
        ["tracing.tlsSettings"] = Message,
        ["image.imageType"] = Text,
        ["gatewayTopology.numTrustedProxies"] = Integer,
        ["gatewayTopology.forwardClientCertDetails"] = Choice("UNDEFINED", "SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY"),
        ["proxyStatsMatcher.inclusionPrefixes"] = new(FieldKind.Texts),
        ["proxyStatsMatcher.inclusionSuffixes"] = new(FieldKind.Texts),
        ["proxyStatsMatcher.inclusionRegexps"] = new(FieldKind.Texts),
        ["envoyAccessLogService.address"] = Text,
        ["envoyMetricsService.address"] = Text,
        ["connectionSettings.profile"] = Choice("SIDECAR", "EDGE"),
        ["proxyHeaders.forwardedClientCert"] = Choice("UNDEFINED", "SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY"),
        ["proxyHeaders.requestId"] = Message,
        ["proxyHeaders.server"] = Message,
        ["proxyHeaders.attemptCount"] = Message,
        ["proxyHeaders.envoyDebugHeaders"] = Message,
        ["proxyHeaders.metadataExchangeHeaders"] = Message,
        ["proxyHeaders.setCurrentClientCertDetails"] = Message,
        ["proxyHeaders.preserveHttp1HeaderCase"] = new(FieldKind.OptionalFlag),
    };

    private static FieldRule Choice(params string[] names) => new(FieldKind.Choice, names);
}
