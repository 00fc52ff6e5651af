namespace Mesh.Model.Validation.Rules;

/// <summary>The mesh's own configuration: MeshConfig with the proxies' defaults, and the networks. Only what is given is checked; defaults are sound.</summary>
internal static class MeshConfigs
{
    private static readonly HashSet<string> Curves = ["P-224", "P-256", "P-521", "P-384", "X25519", "X25519Kyber768Draft00", "X25519MLKEM768"];

    public static void Check(Message mesh, Report report)
    {
        Port(mesh, "proxyListenPort", "invalid proxy listen port", report);
        if (mesh.Duration("connectTimeout") is { } connect)
        {
            const long Hour = 3600 * Schema.GoDuration.Second;
            var problem = Names.Duration(connect) ?? (connect > Hour ? $"time {Go(connect)} must be >1ms and <1h0m0s" : null);
            if (problem is not null) report.Error($"invalid connect timeout: {problem}", mesh.At("connectTimeout"));
        }
        if (mesh.Duration("protocolDetectionTimeout") is { } detection && detection % Schema.GoDuration.Millisecond != 0)
            report.Error("invalid protocol detection timeout: only durations to ms precision are supported", mesh.At("protocolDetectionTimeout"));
        if (mesh.Child("defaultConfig") is { } proxy) CheckProxy(proxy, report);

        LoadBalancers.CheckLocality(mesh.Child("localityLbSetting"), hasOutliers: true, report);
        LoadBalancers.CheckZones(mesh.Child("zoneAwareLbSetting"), hasOutliers: true, report);
        CheckServices(mesh, report);
        CheckTrustDomains(mesh, report);
        ExtensionProviders.Check(mesh, report);
        CheckTls(mesh, report);
        CheckTraffic(mesh.Child("defaultTrafficPolicy"), report);
        CheckInboundRetries(mesh.Child("defaultInboundHttpRetryPolicy"), report);
    }

    public static void CheckProxy(Message proxy, Report report)
    {
        if (proxy.Duration("drainDuration") is { } drain)
        {
            if (Names.Duration(drain) is { } problem) report.Error($"invalid drain duration: {problem}", proxy.At("drainDuration"));
            else if (drain % Schema.GoDuration.Second != 0) report.Error("drain time only supports durations to seconds precision", proxy.At("drainDuration"));
        }
        Address(proxy.Text("discoveryAddress"), "invalid discovery address", proxy.At("discoveryAddress"), report);
        CheckTracing(proxy.Child("tracing"), report);
        var statsd = proxy.Text("statsdUdpAddress");
        Address(statsd, $"invalid statsd udp address \"{statsd}\"", proxy.At("statsdUdpAddress"), report);
        if (proxy.Map("proxyMetadata").Any(m => m.Key == "ISTIO_META_DNS_AUTO_ALLOCATE"))
            report.Warn("'ISTIO_META_DNS_AUTO_ALLOCATE' is deprecated; review https://istio.io/latest/docs/ops/configuration/traffic-management/dns-proxy/#dns-auto-allocation-v2 "
                + "for information about replacement functionality", proxy.At("proxyMetadata"));
        Remote("envoyMetricsService", "invalid envoy metrics service address");
        Remote("envoyAccessLogService", "invalid envoy access log service address");
        Port(proxy, "proxyAdminPort", "invalid proxy admin port", report);
        Port(proxy, "statusPort", "invalid status port", report);
        CheckKeyProvider(proxy.Child("privateKeyProvider"), report);
        CheckConnections(proxy.Child("connectionSettings"), report);

        void Remote(string field, string what)
        {
            if (proxy.Child(field) is { } service) Address(service.Text("address"), $"{what} \"{service.Text("address")}\"", service.At("address"), report);
        }
    }

    public static void CheckNetworks(Message networks, Report report)
    {
        foreach (var (name, value) in networks.Map("networks"))
        {
            var network = (Message)value;
            foreach (var endpoint in network.Children("endpoints"))
            {
                if (endpoint.Which("ne") == "fromCidr" && Names.Subnet(endpoint.Text("fromCidr")) is { } cidr) Say(cidr, endpoint);
                if (endpoint.Which("ne") == "fromRegistry" && !Names.IsLabel(endpoint.Text("fromRegistry"))) Say($"invalid registry name: {endpoint.Text("fromRegistry")}", endpoint);
            }
            foreach (var gateway in network.Children("gateways"))
            {
                if (gateway.Which("gw") == "registryServiceName" && Names.Fqdn(gateway.Text("registryServiceName")) is { } service) Say(service, gateway);
                if (gateway.Which("gw") == "address" && !Names.IsIp(gateway.Text("address")) && Names.Fqdn(gateway.Text("address")) is not null)
                    Say($"{gateway.Text("address")} is not a valid IP address or DNS name", gateway);
                if (Names.Port(gateway.Number("port")) is { } port) Say(port, gateway);
            }

            void Say(string problem, Message at) => report.Error($"invalid network {name}: {problem}", at.Source);
        }
    }

    private static void CheckTracing(Message? tracing, Report report)
    {
        if (tracing is null) return;
        if (tracing.Child("lightstep") is { } lightstep)
        {
            if (!lightstep.Has("address")) report.Error("invalid lightstep config: address is required", lightstep.Source);
            else Address(lightstep.Text("address"), "invalid lightstep config: invalid lightstep address", lightstep.At("address"), report);
            if (!lightstep.Has("accessToken")) report.Error("invalid lightstep config: access token is required", lightstep.Source);
        }
        foreach (var kind in (string[])["zipkin", "datadog"])
            if (tracing.Child(kind) is { } collector && HostPort.Problem(collector.Text("address").Replace("$(HOST_IP)", "127.0.0.1", StringComparison.Ordinal)) is { } problem)
                report.Error($"invalid {kind} config: {problem}", collector.Source);
        if (tracing.Child("tlsSettings") is not { } tls) return;

        var inner = new Report(tls.Source!);
        TrafficPolicies.CheckTls(tls, "", inner);
        foreach (var error in inner.Errors) report.Add(error with { Message = $"invalid tracing TLS config: {error.Message}" });
    }

    private static void CheckKeyProvider(Message? provider, Report report)
    {
        if (provider is null) return;

        const string Prefix = "invalid private key provider configuration: ";
        if (provider.Which("provider") is not { } kind) report.Error($"{Prefix}private key provider configuration is required", provider.Source);
        else if (provider.Child(kind)!.Duration("pollDelay") is not { } delay) report.Error($"{Prefix}pollDelay is required", provider.At(kind));
        else if (delay == 0) report.Error($"{Prefix}pollDelay must be non zero", provider.At(kind));
    }

    private static void CheckConnections(Message? settings, Report report)
    {
        if (settings is null) return;
        foreach (var field in settings.Type.Fields.Where(f => settings.Has(f.Name)))
        {
            var problem = field.Kind switch
            {
                Schema.FieldKind.Duration => settings.Duration(field.Name) < 0 ? "must be non-negative" : null,
                _ when field.Name.EndsWith("WindowSize", StringComparison.Ordinal) => settings.Number(field.Name) < 65535 ? "must be at least 65535" : null,
                _ when field.Name.EndsWith("BufferLimitBytes", StringComparison.Ordinal) => settings.Number(field.Name) < 0 ? "must be non-negative" : null,
                _ when field.Name is "httpMaxConcurrentStreams" or "listenerConnectionLimit" or "globalDownstreamConnectionLimit" => settings.Number(field.Name) <= 0 ? "must be positive" : null,
                _ => null,
            };
            if (problem is not null) report.Error($"invalid connection settings: {field.ProtoName} {problem}", settings.At(field.Name));
        }
    }

    private static void CheckServices(Message mesh, Report report)
    {
        var settings = mesh.Children("serviceSettings");
        for (var i = 0; i < settings.Count; i++)
            foreach (var host in settings[i].Texts("hosts"))
                if (Names.WildcardDomain(host) is { } problem) report.Error($"serviceSettings[{i}], host `{host}`: {problem}", settings[i].At("hosts"));
    }

    private static void CheckTrustDomains(Message mesh, Report report)
    {
        if (mesh.Has("trustDomain") && TrustDomain(mesh.Text("trustDomain")) is { } problem) report.Error($"trustDomain: {problem}", mesh.At("trustDomain"));
        var aliases = mesh.Texts("trustDomainAliases");
        for (var i = 0; i < aliases.Count; i++)
            if (TrustDomain(aliases[i]) is { } wrong) report.Error($"trustDomainAliases[{i}], domain `{aliases[i]}` : {wrong}", mesh.At("trustDomainAliases"));
    }

    private static string? TrustDomain(string domain)
    {
        if (domain.Length == 0) return "empty domain name not allowed";
        var parts = domain.Split('.');
        for (var i = 0; i < parts.Length; i++)
        {
            if (i == parts.Length - 1 && parts[i].Length == 0) return null;
            if (!Names.IsLabel(parts[i])) return $"trust domain name \"{domain}\" invalid";
        }
        return null;
    }

    private static void CheckTls(Message mesh, Report report)
    {
        if (mesh.Child("meshMTLS")?.Has("ecdhCurves") == true) report.Error("mesh TLS does not support ECDH curves configuration", mesh.At("meshMTLS"));
        if (mesh.Child("tlsDefaults") is not { } defaults) return;

        var (valid, unknown, repeated) = (new HashSet<string>(), new SortedSet<string>(StringComparer.Ordinal), new SortedSet<string>(StringComparer.Ordinal));
        foreach (var curve in defaults.Texts("ecdhCurves"))
        {
            if (curve.Length > 0 && !Curves.Contains(curve)) unknown.Add(curve);
            else if (!valid.Add(curve)) repeated.Add(curve);
        }
        if (unknown.Count > 0) report.Warn($"detected unrecognized ECDH curves: [{string.Join(' ', unknown)}]", defaults.At("ecdhCurves"));
        if (repeated.Count > 0) report.Warn($"detected duplicate ECDH curves: [{string.Join(' ', repeated)}]", defaults.At("ecdhCurves"));
    }

    private static void CheckTraffic(Message? policy, Report report)
    {
        if (policy is null) return;
        TrafficPolicies.CheckConnectionPool(policy.Child("connectionPool"), report);
        TrafficPolicies.CheckOutlier(policy.Child("outlierDetection"), report, warnings: false);
    }

    private static void CheckInboundRetries(Message? retries, Report report)
    {
        if (retries is null) return;

        const string Prefix = "invalid default inbound http retry policy: ";
        Retries.Check(retries, report, Prefix);
        if (retries.Number("attempts") == 0 && retries.Has("backoff")) report.Error($"{Prefix}backoff configured when attempts are set to 0 (disabled)", retries.At("backoff"));
        foreach (var field in (string[])["perTryTimeout", "retryRemoteLocalities", "retryIgnorePreviousHosts"])
            if (retries.Has(field)) report.Warn($"{field} is ignored by the default inbound http retry policy", retries.At(field));
    }

    private static void Port(Message message, string field, string what, Report report)
    {
        if (message.Has(field) && Names.Port(message.Number(field)) is { } problem) report.Error($"{what}: {problem}", message.At(field));
    }

    private static void Address(string address, string what, Yaml.Node? at, Report report)
    {
        if (address.Length > 0 && HostPort.Problem(address) is { } problem) report.Error($"{what}: {problem}", at);
    }

    /// <summary>A duration above an hour, as Go prints it.</summary>
    private static string Go(long nanoseconds)
    {
        var span = TimeSpan.FromTicks(nanoseconds / 100);
        return $"{(long)span.TotalHours}h{span.Minutes}m{span.Seconds}s";
    }
}
