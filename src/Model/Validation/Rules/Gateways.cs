using Mesh.Model.Yaml;

namespace Mesh.Model.Validation.Rules;

/// <summary>Istio's own Gateway: servers, their ports, hosts and TLS.</summary>
internal static class Gateways
{
    public static void Check(Resource resource, Message spec, Report report)
    {
        if (!Names.IsLabel(resource.Name)) report.Error($"invalid gateway name: \"{resource.Name}\"");

        var servers = spec.Children("servers");
        if (servers.Count == 0) report.Error("gateway must have at least one server", spec.Source);
        foreach (var server in servers) CheckServer(server, report);

        var names = new HashSet<string>();
        foreach (var server in servers)
        {
            if (server.Child("port") is not { } port) continue;
            if (!names.Add(port.Text("name"))) report.Error($"port names in servers must be unique: duplicate name {port.Text("name")}", port.At("name"));
            if (!Protocols.Parse(port.Text("protocol")).IsHttp() && server.Child("tls")?.Is("httpsRedirect") == true)
                report.Warn("tls.httpsRedirect should only be used with http servers", server.At("tls"));
        }
    }

    private static void CheckServer(Message server, Report report)
    {
        var hosts = server.Texts("hosts");
        if (hosts.Count == 0) report.Error("server config must contain at least one host", server.Source);
        foreach (var host in hosts) NamespacedHosts.Check(host, isGateway: true, server.At("hosts"), report);

        var portIsFine = CheckPort(server, report);
        CheckBind(server, report);
        CheckTls(server.Child("tls"), report);
        if (!portIsFine) return;

        var protocol = Protocols.Parse(server.Child("port")!.Text("protocol"));
        var tls = server.Child("tls");
        if (protocol.IsTls() && tls is null) report.Error("server must have TLS settings for HTTPS/TLS protocols", server.Source);
        if (protocol.IsTls() || tls is null) return;

        if (!protocol.IsHttp()) report.Error("server cannot have TLS settings for non HTTPS/TLS ports", tls.Source);
        else if (tls.Enum("mode") is not ("PASSTHROUGH" or "AUTO_PASSTHROUGH") || tls.Has("caCertificates") || tls.Has("privateKey") || tls.Has("serverCertificate"))
            report.Error("server cannot have TLS settings for plain text HTTP ports", tls.Source);
    }

    private static bool CheckPort(Message server, Report report)
    {
        var before = report.Errors.Count;
        if (server.Child("port") is not { } port)
        {
            report.Error("port is required", server.Source);
            return false;
        }
        var protocol = port.Text("protocol");
        if (Protocols.Parse(protocol) == Protocol.Unsupported)
            report.Error($"invalid protocol \"{protocol}\", supported protocols are HTTP, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP", port.At("protocol"));
        var number = port.Number("number");
        if (number > 0 || !server.Text("bind").StartsWith("unix://", StringComparison.Ordinal)) report.Error(Names.Port(number), port.At("number"));
        if (port.Number("targetPort") > 0) report.Error("targetPort has no impact on Gateways", port.At("targetPort"));
        if (port.Text("name").Length == 0) report.Error($"port name must be set: {Shown(port)}", port.Source);
        return report.Errors.Count == before;
    }

    private static void CheckBind(Message server, Report report)
    {
        var bind = server.Text("bind");
        var at = server.At("bind");
        if (bind.StartsWith("unix://", StringComparison.Ordinal))
        {
            report.Error(Names.UnixAddress(bind["unix://".Length..]), at);
            if (server.Child("port") is { } port && port.Number("number") != 0) report.Error($"port number must be 0 for unix domain socket: {Shown(port)}", at);
        }
        else if (bind.Length > 0)
        {
            report.Error(Names.Ip(bind), at);
        }
    }

    /// <summary>A port as protobuf's text format shows it.</summary>
    private static string Shown(Message port)
    {
        var parts = new List<string>();
        if (port.Has("number")) parts.Add($"number:{port.Number("number")}");
        if (port.Has("protocol")) parts.Add($"protocol:\"{port.Text("protocol")}\"");
        if (port.Has("name")) parts.Add($"name:\"{port.Text("name")}\"");
        if (port.Has("targetPort")) parts.Add($"target_port:{port.Number("targetPort")}");
        return string.Join(' ', parts);
    }

    /// <summary>TLS of a server, also of a Sidecar's ingress.</summary>
    public static void CheckTls(Message? tls, Report report)
    {
        if (tls is null) return;

        var mode = tls.Enum("mode");
        if (tls.Enum("minProtocolVersion") is "TLSV1_0" or "TLSV1_1" && !tls.Has("cipherSuites"))
            report.Warn("TLS version below TLSV1_2 require setting compatible ciphers as by default they no longer include compatible ciphers.", tls.Source);
        CheckCiphers(tls, report);
        if (mode == "ISTIO_MUTUAL")
        {
            Forbidden("serverCertificate", "server certificate");
            Forbidden("privateKey", "private key");
            Forbidden("caCertificates", "CA bundle");
            Forbidden("tlsCertificates", "tlsCertificates");
            Forbidden("credentialName", "credentialName");
            Forbidden("credentialNames", "credentialNames");
            return;
        }

        var ownFiles = tls.Has("serverCertificate") || tls.Has("privateKey") || tls.Has("caCertificates") || tls.Has("tlsCertificates");
        var named = tls.Has("credentialName") || tls.Has("credentialNames");
        if (mode is "PASSTHROUGH" or "AUTO_PASSTHROUGH" && (tls.Has("caCrl") || ownFiles || named))
            report.Warn($"{mode} mode does not use certificates, they will be ignored", tls.Source);

        var sources = (tls.Has("serverCertificate") && tls.Has("privateKey") ? 1 : 0) + (tls.Has("credentialName") ? 1 : 0)
            + (tls.Has("credentialNames") ? 1 : 0) + (tls.Has("tlsCertificates") ? 1 : 0);
        if (sources > 1)
            report.Error("only one of credential_name, credential_names, server_certificate/private_key, tls_certificates should be specified", tls.Source);

        var terminates = mode is "SIMPLE" or "MUTUAL" or "OPTIONAL_MUTUAL";
        if (terminates && named) return; // all else comes from the Secret
        if (terminates) CheckFiles(tls, mode, report);
        if (!tls.Has("caCrl")) return;

        if (tls.Has("credentialName")) report.Error("CRL is not supported with credentialName. CRL has to be specified in the credential", tls.At("caCrl"));
        if (mode == "SIMPLE") report.Error("CRL is not supported with SIMPLE TLS", tls.At("caCrl"));

        void Forbidden(string field, string what)
        {
            if (tls.Has(field)) report.Error($"ISTIO_MUTUAL TLS cannot have associated {what}", tls.At(field));
        }
    }

    private static void CheckFiles(Message tls, string mode, Report report)
    {
        var prefix = mode == "SIMPLE" ? "SIMPLE TLS" : "MUTUAL TLS";
        if (mode != "SIMPLE" && !tls.Has("caCertificates")) report.Error($"{prefix} requires a client CA bundle", tls.Source);

        var several = tls.Children("tlsCertificates");
        if (several.Count > 2) report.Warn($"{prefix} can support up to 2 server certificates", tls.At("tlsCertificates"));
        foreach (var pair in several.Count > 0 ? several : [tls])
        {
            if (!pair.Has("serverCertificate")) report.Error($"{prefix} requires a server certificate", pair.Source);
            if (!pair.Has("privateKey")) report.Error($"{prefix} requires a private key", pair.Source);
        }
    }

    private static readonly HashSet<string> Ciphers =
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA", "AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA", "DES-CBC3-SHA",
    ];

    private static void CheckCiphers(Message tls, Report report)
    {
        var (valid, invalid, repeated) = (new HashSet<string>(), new SortedSet<string>(StringComparer.Ordinal), new SortedSet<string>(StringComparer.Ordinal));
        foreach (var cipher in tls.Texts("cipherSuites"))
        {
            // Operators such as "-AES" or "+X" are left to the TLS library.
            var isKnown = cipher is "" or "ALL" || !char.IsLetterOrDigit(cipher[0]) || Ciphers.Contains(cipher);
            if (!isKnown) invalid.Add(cipher);
            else if (!valid.Add(cipher)) repeated.Add(cipher);
        }
        var at = tls.At("cipherSuites");
        if (invalid.Count > 0) report.Warn($"ignoring invalid cipher suites: [{string.Join(' ', invalid)}]", at);
        if (repeated.Count > 0) report.Warn($"ignoring duplicate cipher suites: [{string.Join(' ', repeated)}]", at);
    }
}
