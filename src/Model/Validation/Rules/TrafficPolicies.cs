namespace Mesh.Model.Validation.Rules;

/// <summary>Connection pools, balancing, outliers and TLS of a DestinationRule; some of it also of Sidecar and MeshConfig.</summary>
internal static class TrafficPolicies
{
    private static readonly string[] Parts =
        ["outlierDetection", "connectionPool", "loadBalancer", "tls", "portLevelSettings", "tunnel", "proxyProtocol", "retryBudget"];

    /// <param name="warnings">False in subsets and ports, whose warnings Istio drops.</param>
    public static void Check(Message? policy, string ownNamespace, Report report, bool warnings = true)
    {
        if (policy is null) return;
        if (!Parts.Any(policy.Has))
        {
            report.Error("traffic policy must have at least one field", policy.Source);
            return;
        }
        if (policy.Has("tunnel") && policy.Has("proxyProtocol"))
        {
            report.Error("tunnel and proxyProtocol must not be set together", policy.Source);
            return;
        }

        CheckOutlier(policy.Child("outlierDetection"), report, warnings);
        CheckConnectionPool(policy.Child("connectionPool"), report);
        LoadBalancers.Check(policy, report, warnings);
        CheckTls(policy.Child("tls"), ownNamespace, report);
        foreach (var port in policy.Children("portLevelSettings")) CheckPort(port, ownNamespace, report);
        CheckTunnel(policy.Child("tunnel"), report);
    }

    private static void CheckPort(Message port, string ownNamespace, Report report)
    {
        if (!port.Has("port")) report.Error("portTrafficPolicy must have valid port", port.Source);
        if (!port.Has("outlierDetection") && !port.Has("connectionPool") && !port.Has("loadBalancer") && !port.Has("tls"))
        {
            report.Error("port traffic policy must have at least one field", port.Source);
            return;
        }
        CheckOutlier(port.Child("outlierDetection"), report, warnings: false);
        CheckConnectionPool(port.Child("connectionPool"), report);
        LoadBalancers.Check(port, report, warnings: false);
        CheckTls(port.Child("tls"), ownNamespace, report);
    }

    public static void CheckOutlier(Message? outlier, Report report, bool warnings = true)
    {
        if (outlier is null) return;

        Duration(outlier, "baseEjectionTime", report);
        if (warnings && outlier.Number("consecutiveErrors") != 0)
            report.Warn("outlier detection consecutive errors is deprecated, use consecutiveGatewayErrors or consecutive5xxErrors instead", outlier.At("consecutiveErrors"));
        if (!outlier.Is("splitExternalLocalOriginErrors") && outlier.Number("consecutiveLocalOriginFailures") > 0)
            report.Error("outlier detection consecutive local origin failures is specified, but split external local origin errors is set to false",
                outlier.At("consecutiveLocalOriginFailures"));
        Duration(outlier, "interval", report);
        Percent(outlier, "maxEjectionPercent", report);
        Percent(outlier, "minHealthPercent", report);
    }

    public static void CheckConnectionPool(Message? pool, Report report)
    {
        if (pool is null) return;
        if (!pool.Has("http") && !pool.Has("tcp"))
        {
            report.Error("connection pool must have at least one field", pool.Source);
            return;
        }

        if (pool.Child("http") is { } http)
        {
            NotNegative(http, "http1MaxPendingRequests", "http1 max pending requests", report);
            NotNegative(http, "http2MaxRequests", "http2 max requests", report);
            NotNegative(http, "maxRequestsPerConnection", "max requests per connection", report);
            NotNegative(http, "maxRetries", "max retries", report);
            Duration(http, "idleTimeout", report);
            if (http.Enum("h2UpgradePolicy") == "UPGRADE" && http.Is("useClientProtocol"))
                report.Error("use client protocol must not be true when H2UpgradePolicy is UPGRADE", http.At("useClientProtocol"));
            NotNegative(http, "maxConcurrentStreams", "max concurrent streams", report);
            if (http.Child("http2KeepAlive") is { } keepalive)
            {
                Required(keepalive, "interval", report);
                Required(keepalive, "timeout", report);
            }
        }
        if (pool.Child("tcp") is not { } tcp) return;

        NotNegative(tcp, "maxConnections", "max connections", report);
        Duration(tcp, "connectTimeout", report);
        Duration(tcp, "maxConnectionDuration", report);
        if (tcp.Duration("idleTimeout") is { } idle && idle / Schema.GoDuration.Millisecond != 0) report.Error(Names.Duration(idle), tcp.At("idleTimeout")); // 0s turns it off
        if (tcp.Child("tcpKeepalive") is { } probes)
        {
            Duration(probes, "time", report);
            Duration(probes, "interval", report);
        }
    }

    public static void CheckTls(Message? tls, string ownNamespace, Report report)
    {
        if (tls is null) return;

        var (mode, credential) = (tls.Enum("mode"), tls.Text("credentialName"));
        if (credential.StartsWith("configmap://", StringComparison.Ordinal)) report.Error(ConfigMapProblem(credential["configmap://".Length..], ownNamespace), tls.At("credentialName"));
        if (tls.Is("insecureSkipVerify"))
        {
            if (mode == "SIMPLE" && (tls.Has("caCertificates") || credential.Length > 0 || tls.Has("subjectAltNames")))
                report.Error("cannot specify CaCertificates or CredentialName or SubjectAltNames when InsecureSkipVerify is set true", tls.Source);
            if (mode == "MUTUAL" && (tls.Has("caCertificates") || tls.Has("subjectAltNames")))
                report.Error("cannot specify CaCertificates or SubjectAltNames when InsecureSkipVerify is set true", tls.Source);
        }
        if (mode is "SIMPLE" or "MUTUAL" && credential.Length > 0)
        {
            if (tls.Has("clientCertificate") || tls.Has("caCertificates") || tls.Has("privateKey") || tls.Has("caCrl"))
                report.Error("cannot specify client certificates or CA certificate or CA CRL If credentialName is set", tls.Source);
            return;
        }
        if (mode != "MUTUAL") return;

        if (!tls.Has("clientCertificate")) report.Error("client certificate required for mutual tls", tls.Source);
        if (!tls.Has("privateKey")) report.Error("private key required for mutual tls", tls.Source);
    }

    private static string? ConfigMapProblem(string name, string ownNamespace)
    {
        const string Invalid = "invalid configmap:// credentialName:";
        var parts = name.Split('/');
        var missing = parts.Length == 1 ? "namespace and name" : parts[0].Length == 0 ? "namespace" : parts[1].Length == 0 ? "name" : null;
        if (missing is not null) return $"{Invalid} invalid resource name \"configmap://{name}\". Expected {missing}";
        return parts[0] == ownNamespace && ownNamespace.Length > 0 ? null : $"{Invalid} namespace must match the configuration namespace \"{ownNamespace}\"";
    }

    private static void CheckTunnel(Message? tunnel, Report report)
    {
        if (tunnel is null) return;

        if (tunnel.Text("protocol") is not ("" or "CONNECT" or "POST")) report.Error("tunnel protocol must be \"CONNECT\" or \"POST\"", tunnel.At("protocol"));
        var host = tunnel.Text("targetHost");
        if (Names.Fqdn(host) is { } fqdn && Names.Ip(host) is { } ip) report.Error($"tunnel target host must be valid FQDN or IP address: {fqdn}; {ip}", tunnel.At("targetHost"));
        if (Names.Port(tunnel.Number("targetPort")) is { } port) report.Error($"tunnel target port is invalid: {port}", tunnel.At("targetPort"));
    }

    public static void Duration(Message message, string field, Report report)
    {
        if (message.Duration(field) is { } duration) report.Error(Names.Duration(duration), message.At(field));
    }

    private static void Required(Message keepalive, string field, Report report)
    {
        if (keepalive.Duration(field) is null) report.Error($"http2 keepalive {field} is required", keepalive.Source);
        else Duration(keepalive, field, report);
    }

    private static void NotNegative(Message message, string field, string words, Report report)
    {
        if (message.Number(field) < 0) report.Error($"{words} must be non-negative", message.At(field));
    }

    private static void Percent(Message message, string field, Report report)
    {
        if (message.Number(field) is < 0 or > 100) report.Error($"percentage {message.Number(field)} is not in range 0..100", message.At(field));
    }
}
