using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Proxy;

/// <summary>Everything the process was told at its start. Read once, from arguments, environment and the pod's files; nobody else looks there.</summary>
internal sealed record Bootstrap
{
    public static readonly string Version = typeof(Bootstrap).Assembly.GetName().Version!.ToString(3);

    /// <summary>"sidecar" or "router" (a gateway). Only the node's name and the drain's direction depend on it.</summary>
    public required string Role { get; init; }
    public required string PodName { get; init; }
    public required string PodNamespace { get; init; }
    public required string ServiceAccount { get; init; }
    public required string InstanceIp { get; init; }
    public required string Domain { get; init; }
    public required string ServiceCluster { get; init; }
    public required string TrustDomain { get; init; }
    public required JsonObject Metadata { get; init; }
    public string Region { get; init; } = "";
    public string Zone { get; init; } = "";
    public string SubZone { get; init; } = "";

    public required string DiscoveryAddress { get; init; }
    /// <summary>False for istiod's plain port: no TLS and no token.</summary>
    public required bool DiscoveryTls { get; init; }
    public required string DiscoveryServerName { get; init; }
    public required string DiscoveryRootPath { get; init; }
    /// <summary>Revoked certificates (ConfigMap istio-ca-crl, mounted) until the control plane tells of them; the file may be missing.</summary>
    public string RevocationListsPath { get; init; } = "/var/run/secrets/istio/crl/ca-crl.pem";
    public required string CaAddress { get; init; }
    public required bool CaTls { get; init; }
    public required string TokenPath { get; init; }
    /// <summary>Ready-made certificate files (cert-chain.pem, key.pem, root-cert.pem) instead of the CA; null when there are none.</summary>
    public string? CertificateFiles { get; init; }
    public required TimeSpan CertificateLifetime { get; init; }
    /// <summary>Null: keys are ECDSA P-256.</summary>
    public int? RsaKeyBits { get; init; }

    public required int LoopCount { get; init; }
    /// <summary>Where the ports beside the traffic are opened when several proxies share a machine; null: the admin's on loopback, the others everywhere.</summary>
    public System.Net.IPAddress? StatusAddress { get; init; }
    public required int AdminPort { get; init; }
    public string? AdminSocketPath { get; init; }
    public required int StatusPort { get; init; }
    public required int ReadyPort { get; init; }
    public required int PrometheusPort { get; init; }
    /// <summary>0 when DNS capture is off.</summary>
    public required int DnsPort { get; init; }
    public required bool DnsCapture { get; init; }

    public required TimeSpan DrainDuration { get; init; }
    public required TimeSpan TerminationDrain { get; init; }
    public required TimeSpan MinimumDrain { get; init; }
    public required bool ExitOnZeroActiveConnections { get; init; }
    /// <summary>HTTP/2 between this mesh's own sidecars (performance: one connection carries many HTTP/1.1 exchanges).</summary>
    public required bool Http2BetweenSidecars { get; init; }

    /// <summary>A caller who sends a request's body slower than this on average is cut; 0: nobody is.</summary>
    public int RequestBodyBytesPerSecondMin { get; init; }

    public required string? AppProbers { get; init; }
    public required string? PrometheusAnnotations { get; init; }
    public required string LogLevel { get; init; }
    public required string AccessLogPath { get; init; }
    /// <summary>The application's address as probes and merged metrics call it.</summary>
    public required string AppAddress { get; init; }
    /// <summary>Of the pod, not of the process: the configuration accepted last is kept here.</summary>
    public required string DataFolder { get; init; }
    /// <summary>Keys are kept here, if it is memory-backed.</summary>
    public required string SecretsFolder { get; init; }
    /// <summary>An older configuration is not gone on with; zero: none is kept.</summary>
    public required TimeSpan KeptAgeMax { get; init; }
    public required ImmutableArray<string> StatsTags { get; init; }

    public bool IsGateway => Role == "router";
    public string NodeId => $"{Role}~{InstanceIp}~{PodName}.{PodNamespace}~{Domain}";
    public string Identity => $"spiffe://{TrustDomain}/ns/{PodNamespace}/sa/{ServiceAccount}";

    /// <summary>Reads <c>proxy sidecar|router [--flag value | --flag=value]…</c>, the way the injector starts it.</summary>
    /// <exception cref="BootstrapException">A value cannot be used; the message names it and the remedy.</exception>
    public static Bootstrap Read(IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment, Func<string, string?> readFile)
    {
        var flags = Arguments.Parse(arguments);
        var env = new Environment(environment);
        var config = ParseProxyConfig(env.Text("PROXY_CONFIG"));
        var role = flags.Role;
        if (role is not ("sidecar" or "router"))
            throw new BootstrapException($"argument '{role}': the role must be 'sidecar' or 'router', as in 'proxy sidecar'");

        var podNamespace = env.Text("POD_NAMESPACE") ?? "default";
        var podName = env.Text("POD_NAME") ?? "proxy";
        var labels = PodFiles.ReadPairs(readFile("/etc/istio/pod/labels"));
        var annotations = PodFiles.ReadPairs(readFile("/etc/istio/pod/annotations"));
        var instanceIp = (env.Text("INSTANCE_IP") ?? env.Text("INSTANCE_IPS") ?? "127.0.0.1").Split(',')[0];
        var discovery = env.Text("DISCOVERY_ADDRESS") ?? Text(config, "discoveryAddress") ?? "istiod.istio-system.svc:15012";
        var authPolicy = env.Text("CONTROL_PLANE_AUTH_POLICY") ?? Text(config, "controlPlaneAuthPolicy");
        var plain = authPolicy == "NONE" || discovery.EndsWith(":15010", StringComparison.Ordinal);
        var ca = env.Text("CA_ADDR") ?? discovery;
        var files = env.Text("WORKLOAD_CERT_FILES") ?? "/var/run/secrets/workload-spiffe-credentials";
        var metadata = NodeMetadata.Build(env, config, labels, annotations, podName, podNamespace, instanceIp);
        var locality = (env.Text("ISTIO_LOCALITY") ?? env.Text("MESH_LOCALITY") ?? PodFiles.Value(labels, "istio-locality")?.Replace('.', '/') ?? "").Split('/');
        var root = env.Text("XDS_ROOT_CA") ?? "/var/run/secrets/istio/root-cert.pem";

        return new()
        {
            Role = role,
            PodName = podName,
            PodNamespace = podNamespace,
            ServiceAccount = env.Text("SERVICE_ACCOUNT") ?? "default",
            InstanceIp = instanceIp,
            Domain = flags.Value("domain") ?? $"{podNamespace}.svc.cluster.local",
            ServiceCluster = flags.Value("serviceCluster") ?? Text(config, "serviceCluster") ?? $"{PodFiles.Value(labels, "app") ?? podName}.{podNamespace}",
            TrustDomain = env.Text("TRUST_DOMAIN") ?? "cluster.local",
            Metadata = metadata,
            Region = locality[0],
            Zone = locality.ElementAtOrDefault(1) ?? "",
            SubZone = locality.ElementAtOrDefault(2) ?? "",
            DiscoveryAddress = discovery,
            DiscoveryTls = !plain,
            DiscoveryServerName = env.Text("ISTIOD_SAN") ?? discovery[..discovery.LastIndexOf(':')],
            DiscoveryRootPath = root,
            CaAddress = ca,
            CaTls = !(authPolicy == "NONE" || ca.EndsWith(":15010", StringComparison.Ordinal)),
            TokenPath = env.Text("ISTIO_TOKEN_PATH") ?? "/var/run/secrets/tokens/istio-token",
            CertificateFiles = readFile(Path.Combine(files, "cert-chain.pem")) is null ? null : files,
            CertificateLifetime = env.Duration("SECRET_TTL") ?? TimeSpan.FromHours(24),
            RsaKeyBits = RsaBits(env),
            LoopCount = LoopCountOf(flags, env, config),
            AdminPort = Port(config, "proxyAdminPort") ?? 15000,
            StatusAddress = env.Text("STATUS_ADDRESS") is not { } status ? null : System.Net.IPAddress.TryParse(status, out var ip) ? ip
                : throw new BootstrapException($"STATUS_ADDRESS: '{status}' is no IP address"),
            AdminSocketPath = env.Text("ADMIN_SOCKET"),
            StatusPort = Port(config, "statusPort") ?? 15020,
            ReadyPort = env.Port("ENVOY_STATUS_PORT") ?? 15021,
            PrometheusPort = env.Port("ENVOY_PROMETHEUS_PORT") ?? 15090,
            DnsCapture = env.Text("ISTIO_META_DNS_CAPTURE") == "true",
            DnsPort = env.Port("DNS_PROXY_PORT") ?? 15053,
            DrainDuration = Duration(config, "drainDuration") ?? TimeSpan.FromSeconds(45),
            TerminationDrain = env.Duration("TERMINATION_DRAIN_DURATION") ?? Duration(config, "terminationDrainDuration") ?? TimeSpan.FromSeconds(5),
            MinimumDrain = env.Duration("MINIMUM_DRAIN_DURATION") ?? TimeSpan.FromSeconds(5),
            ExitOnZeroActiveConnections = env.Text("EXIT_ON_ZERO_ACTIVE_CONNECTIONS") == "true",
            Http2BetweenSidecars = env.Text("HTTP2_BETWEEN_SIDECARS") != "false",
            RequestBodyBytesPerSecondMin = BodyRate(env, role),
            AppProbers = env.Text("ISTIO_KUBE_APP_PROBERS"),
            PrometheusAnnotations = env.Text("ISTIO_PROMETHEUS_ANNOTATIONS"),
            LogLevel = env.Text("MESH_LOG_LEVEL") ?? "info",
            AccessLogPath = env.Text("ACCESS_LOG_FILE") ?? "/dev/stdout",
            AppAddress = env.Text("APP_ADDRESS") ?? instanceIp,
            DataFolder = env.Text("DATA_FOLDER") ?? "/var/lib/istio/data",
            SecretsFolder = env.Text("SECRETS_FOLDER") ?? "/etc/istio/proxy",
            KeptAgeMax = env.Duration("KEPT_CONFIGURATION_AGE_MAX") ?? TimeSpan.FromHours(24),
            StatsTags = [],
        };
    }

    private static JsonObject ParseProxyConfig(string? text)
    {
        if (string.IsNullOrWhiteSpace(text)) return [];

        try
        {
            return JsonNode.Parse(text) as JsonObject ?? throw new BootstrapException("PROXY_CONFIG: expected a JSON object");
        }
        catch (JsonException e)
        {
            throw new BootstrapException($"PROXY_CONFIG: not JSON ({e.Message}); the injector writes it as JSON", e);
        }
    }

    private static int LoopCountOf(Arguments flags, Environment env, JsonObject config)
    {
        var asked = flags.Value("concurrency") ?? Text(config, "concurrency");
        var count = asked is not null && int.TryParse(asked, CultureInfo.InvariantCulture, out var n) ? n : CpuLimit(env);
        return count <= 0 ? System.Environment.ProcessorCount : Math.Min(count, 128);
    }

    // Callers of a gateway are anybody; those of a sidecar are the mesh's own, who may stream as slowly as they like.
    private static int BodyRate(Environment env, string role)
    {
        if (env.Text("REQUEST_BODY_BYTES_PER_SECOND_MIN") is not { } text) return role == "router" ? 240 : 0;

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var rate)
            ? rate : throw new BootstrapException($"REQUEST_BODY_BYTES_PER_SECOND_MIN: '{text}' is no number of bytes; give one, or 0 for no minimum");
    }

    // Istio's names: there RSA is what one gets unless ECDSA is asked for; here it is asked for by its size.
    private static int? RsaBits(Environment env)
    {
        if (env.Text("WORKLOAD_RSA_KEY_SIZE") is not { } text || env.Text("ECC_SIGNATURE_ALGORITHM") is { Length: > 0 }) return null;

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var bits) && bits is >= Control.WorkloadKey.RsaBitsMin and <= Control.WorkloadKey.RsaBitsMax && bits % 8 == 0
            ? bits : throw new BootstrapException($"WORKLOAD_RSA_KEY_SIZE: '{text}' is no size of an RSA key; give 2048, 3072 or 4096, or leave it out for ECDSA P-256");
    }

    /// <summary>The whole cores the container may use, at least one.</summary>
    private static int CpuLimit(Environment env) =>
        int.TryParse(env.Text("ISTIO_CPU_LIMIT"), CultureInfo.InvariantCulture, out var cores) && cores > 0 ? cores : 2;

    internal static string? Text(JsonObject config, string name) => config[name] is JsonValue value ? value.ToString() : null;

    private static int? Port(JsonObject config, string name)
    {
        if (Text(config, name) is not { } text) return null;

        return int.TryParse(text, CultureInfo.InvariantCulture, out var port) && port is >= 0 and <= 65535
            ? port : throw new BootstrapException($"PROXY_CONFIG.{name}: '{text}' is no port; give a number from 1 to 65535");
    }

    private static TimeSpan? Duration(JsonObject config, string name)
    {
        if (Text(config, name) is not { } text) return null;

        return Environment.TryDuration(text, out var value)
            ? value : throw new BootstrapException($"PROXY_CONFIG.{name}: '{text}' is no duration; write it like 5s, 1m30s or 250ms");
    }

    /// <summary><c>proxy sidecar --domain x --concurrency=2</c></summary>
    internal sealed class Arguments(string role, IReadOnlyDictionary<string, string> flags)
    {
        public string Role => role;

        public string? Value(string flag) => flags.GetValueOrDefault(flag);

        public static Arguments Parse(IReadOnlyList<string> arguments)
        {
            var words = new List<string>();
            var flags = new Dictionary<string, string>();
            for (var i = 0; i < arguments.Count; i++)
            {
                if (!arguments[i].StartsWith("--", StringComparison.Ordinal)) { words.Add(arguments[i]); continue; }

                var flag = arguments[i][2..];
                var equals = flag.IndexOf('=', StringComparison.Ordinal);
                if (equals >= 0) flags[flag[..equals]] = flag[(equals + 1)..];
                else if (i + 1 < arguments.Count && !arguments[i + 1].StartsWith("--", StringComparison.Ordinal)) flags[flag] = arguments[++i];
                else flags[flag] = "true";
            }
            return new(words.ElementAtOrDefault(1) ?? "sidecar", flags);
        }
    }

    /// <summary>The environment, with its values read as what they mean.</summary>
    internal sealed class Environment(IReadOnlyDictionary<string, string> values)
    {
        private static readonly System.Buffers.SearchValues<char> NumberChars = System.Buffers.SearchValues.Create("0123456789.");

        public IEnumerable<KeyValuePair<string, string>> All => values;

        public static int ProcessorCount => System.Environment.ProcessorCount;

        public string? Text(string name) => values.GetValueOrDefault(name) is { Length: > 0 } text ? text : null;

        public int? Port(string name)
        {
            if (Text(name) is not { } text) return null;

            return int.TryParse(text, CultureInfo.InvariantCulture, out var port) && port is >= 0 and <= 65535
                ? port : throw new BootstrapException($"{name}: '{text}' is no port; give a number from 1 to 65535");
        }

        public TimeSpan? Duration(string name)
        {
            if (Text(name) is not { } text) return null;

            return TryDuration(text, out var value) ? value : throw new BootstrapException($"{name}: '{text}' is no duration; write it like 5s or 24h0m0s");
        }

        /// <summary>Go's and protobuf's notation: 1h2m3.5s, 250ms.</summary>
        public static bool TryDuration(ReadOnlySpan<char> text, out TimeSpan value)
        {
            value = TimeSpan.Zero;
            if (text is "0") return true;
            if (text.IsEmpty) return false;

            while (!text.IsEmpty)
            {
                var digits = text.IndexOfAnyExcept(NumberChars);
                if (digits <= 0 || !double.TryParse(text[..digits], CultureInfo.InvariantCulture, out var number)) return false;

                text = text[digits..];
                var letters = text.IndexOfAny(NumberChars);
                var unit = letters < 0 ? text : text[..letters];
                double seconds = unit switch { "h" => 3600, "m" => 60, "s" => 1, "ms" => 1e-3, "us" or "µs" => 1e-6, "ns" => 1e-9, _ => -1 };
                if (seconds < 0 || number * seconds > TimeSpan.MaxValue.TotalSeconds / 2) return false;

                value += TimeSpan.FromSeconds(number * seconds);
                text = letters < 0 ? [] : text[letters..];
            }
            return true;
        }
    }
}

/// <summary>The process cannot start as it was asked to.</summary>
internal sealed class BootstrapException(string message, Exception? cause = null) : Exception(message, cause);
