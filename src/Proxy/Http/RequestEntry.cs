using System.Globalization;
using System.Net;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>What a request is given, and stripped of, as it enters: who the client is, its id, what no outsider may claim. The rules and names are Envoy's.</summary>
internal static class RequestEntry
{
    /// <returns>Null: go on.</returns>
    public static Failure? Prepare(Exchange exchange)
    {
        var (request, settings) = (exchange.Request, exchange.Settings);
        ApplyAddresses(exchange);
        CleanInternalHeaders(exchange);
        PeerExchange.FromDownstream(exchange);
        ApplyClientCertificate(exchange);
        if (settings.Tracing is not null && exchange.Client.Listener.Direction != TrafficDirection.Outbound) exchange.IsOperationNamed = request.Headers.Remove(KnownHeader.XEnvoyDecoratorOperation);
        if (!request.Headers.Has(KnownHeader.XForwardedProto) || settings.UseRemoteAddress && settings.TrustedHops == 0)
            request.Headers.Set(KnownHeader.XForwardedProto, exchange.Client.IsTls && exchange.Client.Chain?.Tls is not null ? "https"u8 : "http"u8);
        // A request of HTTP/1.1 does not say its scheme: what was forwarded does (as in Envoy; a rule on the scheme sees it).
        if (request.Version != Mesh.Http.HttpVersion.Http2 && request.Headers.Get(KnownHeader.XForwardedProto).SequenceEqual("https"u8)) request.Scheme = HttpScheme.Https;
        ApplyRequestId(exchange);
        if (settings.StripTrailingHostDot || settings.StripPort != StripPort.No) StripHost(exchange);
        if (request.IsConnect && !Allows(settings, "CONNECT"u8)) return new(FailureKind.NoRoute, Side.Local);

        if (!request.IsConnect && !PathRules.TryNormalize(exchange)) return new(FailureKind.BadPath, Side.Local);
        return null;
    }

    /// <summary>An upgrade that the listener does not offer. Asked once the route is known, so that the answer is logged under it.</summary>
    public static bool RefusesUpgrade(Exchange exchange) => exchange.Request is { IsUpgrade: true } request && !Allows(exchange.Settings, request.Protocol);

    private static bool Allows(HttpConnectionSettings settings, ReadOnlySpan<byte> type)
    {
        foreach (var upgrade in settings.Upgrades)
            if (upgrade.Enabled && System.Text.Ascii.EqualsIgnoreCase(type, upgrade.Type)) return true;
        return false;
    }

    private static void ApplyAddresses(Exchange exchange)
    {
        var (headers, settings) = (exchange.Request.Headers, exchange.Settings);
        if (settings.UseRemoteAddress)
        {
            exchange.Source = settings.TrustedHops > 0 ? FromTheRight(headers, (int)settings.TrustedHops) ?? exchange.Client.Source : exchange.Client.Source;
            if (!settings.SkipXffAppend) AppendForwardedFor(exchange);
            if (settings.TrustedHops == 0 || !headers.Has(KnownHeader.XEnvoyExternalAddress)) SetExternalAddress(exchange);
        }
        else if (headers.Has(KnownHeader.XForwardedFor))
        {
            exchange.Source = FromTheRight(headers, 1 + (int)settings.TrustedHops) ?? exchange.Client.Source;
        }
        if (settings.AppendXForwardedPort && !headers.Has(KnownHeader.XForwardedPort)) headers.Set(KnownHeader.XForwardedPort, exchange.Client.Destination.Port);
    }

    private static void AppendForwardedFor(Exchange exchange)
    {
        Span<byte> address = stackalloc byte[64];
        exchange.Client.Source.Address.TryFormat(address, out var length);
        var headers = exchange.Request.Headers;
        if (!headers.TryGet(KnownHeader.XForwardedFor, out var before))
        {
            headers.Set(KnownHeader.XForwardedFor, address[..length]);
            return;
        }
        headers.Set(KnownHeader.XForwardedFor, Encoding.Latin1.GetBytes($"{Encoding.Latin1.GetString(before)},{Encoding.ASCII.GetString(address[..length])}"));
    }

    private static void SetExternalAddress(Exchange exchange)
    {
        foreach (var range in exchange.Settings.InternalAddresses)
            if (range.Contains(exchange.Source.Address)) return;

        Span<byte> address = stackalloc byte[64];
        exchange.Source.Address.TryFormat(address, out var length);
        exchange.Request.Headers.Set(KnownHeader.XEnvoyExternalAddress, address[..length]);
    }

    /// <summary>The n-th address from the right of X-Forwarded-For; null when there are fewer, or it is none.</summary>
    private static IPEndPoint? FromTheRight(Headers headers, int n)
    {
        if (!headers.TryGet(KnownHeader.XForwardedFor, out var value)) return null;

        var parts = Encoding.Latin1.GetString(value).Split(',', StringSplitOptions.TrimEntries);
        return parts.Length >= n && IPAddress.TryParse(parts[^n], out var address) ? new(address, 0) : null;
    }

    private static readonly HeaderName IpTags = HeaderName.TryParse("x-envoy-ip-tags")!;

    private static void CleanInternalHeaders(Exchange exchange)
    {
        var headers = exchange.Request.Headers;
        if (exchange.Settings.UseRemoteAddress)
        {
            headers.Remove(KnownHeader.XEnvoyDecoratorOperation);
            headers.Remove(KnownHeader.XEnvoyDownstreamServiceCluster);
            headers.Remove(KnownHeader.XEnvoyDownstreamServiceNode);
            // Access logs show it in place of the path: a stranger's would hide what was asked for (CVE-2023-27487).
            headers.Remove(KnownHeader.XEnvoyOriginalPath);
        }
        headers.Remove(KnownHeader.XEnvoyInternal);
        headers.Remove(IpTags);
        headers.Remove(KnownHeader.XEnvoyRetryOn);
        headers.Remove(KnownHeader.XEnvoyRetryGrpcOn);
        headers.Remove(KnownHeader.XEnvoyMaxRetries);
        headers.Remove(KnownHeader.XEnvoyUpstreamAltStatName);
        headers.Remove(KnownHeader.XEnvoyUpstreamRqTimeoutMs);
        headers.Remove(KnownHeader.XEnvoyUpstreamRqPerTryTimeoutMs);
        headers.Remove(KnownHeader.XEnvoyExpectedRqTimeoutMs);
        headers.Remove(KnownHeader.XEnvoyForceTrace);
        headers.Remove(KnownHeader.XEnvoyHedgeOnPerTryTimeout);
        headers.Remove(KnownHeader.XEnvoyRetriableStatusCodes);
        headers.Remove(KnownHeader.XEnvoyRetriableHeaderNames);
        headers.Remove(KnownHeader.XEnvoyIsTimeoutRetry);
    }

    /// <summary>x-forwarded-client-cert: what came is dropped unless it may be trusted; what is known of this connection's peer is said.</summary>
    private static void ApplyClientCertificate(Exchange exchange)
    {
        var (headers, settings) = (exchange.Request.Headers, exchange.Settings);
        var isMutual = exchange.Client.IsMutualTls;
        switch (settings.ForwardClientCert)
        {
            case ForwardClientCert.AlwaysForwardOnly: return;
            case ForwardClientCert.Sanitize: headers.Remove(KnownHeader.XForwardedClientCert); return;
        }
        if (!isMutual)
        {
            headers.Remove(KnownHeader.XForwardedClientCert);
            return;
        }
        if (settings.ForwardClientCert == ForwardClientCert.ForwardOnly) return;

        var own = exchange.Client.ClientCertHeader ??= ClientCertificateText(exchange);
        if (settings.ForwardClientCert == ForwardClientCert.AppendForward && headers.TryGet(KnownHeader.XForwardedClientCert, out var before))
        {
            byte[] both = [.. before, (byte)',', .. own];
            headers.Set(KnownHeader.XForwardedClientCert, both);
            return;
        }
        headers.Set(KnownHeader.XForwardedClientCert, own);
    }

    private static byte[] ClientCertificateText(Exchange exchange)
    {
        var (peer, wanted) = (exchange.Client.Peer!, exchange.Settings.SetCurrentClientCert);
        var text = new StringBuilder();
        if (exchange.Client.LocalUri is { Length: > 0 } own) text.Append("By=").Append(own).Append(';');
        text.Append("Hash=").Append(peer.Sha256);
        if ((wanted & ClientCertFields.Cert) != 0) text.Append(";Cert=\"").Append(Uri.EscapeDataString(Pem(peer.Der))).Append('"');
        if ((wanted & ClientCertFields.Subject) != 0) text.Append(";Subject=\"").Append(peer.Subject.Replace("\"", "\\\"")).Append('"');
        if ((wanted & ClientCertFields.Uri) != 0)
        {
            if (peer.Uris.IsEmpty) text.Append(";URI=");
            foreach (var uri in peer.Uris) text.Append(";URI=").Append(uri);
        }
        if ((wanted & ClientCertFields.Dns) != 0)
            foreach (var name in peer.DnsNames) text.Append(";DNS=").Append(name);
        return Encoding.Latin1.GetBytes(text.ToString());
    }

    private static string Pem(ReadOnlyMemory<byte> der) =>
        $"-----BEGIN CERTIFICATE-----\n{string.Join('\n', Convert.ToBase64String(der.Span).Chunk(64).Select(line => new string(line)))}\n-----END CERTIFICATE-----\n";

    /// <summary>A random UUID, unless the request brings an id that may be kept.</summary>
    private static void ApplyRequestId(Exchange exchange)
    {
        var (headers, settings) = (exchange.Request.Headers, exchange.Settings);
        if (!settings.GenerateRequestId) return;
        if (headers.Has(KnownHeader.XRequestId) && (settings.PreserveExternalRequestId || !settings.UseRemoteAddress)) return;

        Span<byte> bytes = stackalloc byte[16];
        exchange.Random.NextBytes(bytes);
        bytes[6] = (byte)(bytes[6] & 0x0F | 0x40); // version 4
        bytes[8] = (byte)(bytes[8] & 0x3F | 0x80); // RFC 9562 variant
        Span<byte> text = stackalloc byte[36];
        ReadOnlySpan<byte> digits = "0123456789abcdef"u8;
        for (int from = 0, to = 0; from < bytes.Length; from++)
        {
            if (from is 4 or 6 or 8 or 10) text[to++] = (byte)'-';
            text[to++] = digits[bytes[from] >> 4];
            text[to++] = digits[bytes[from] & 15];
        }
        headers.Set(KnownHeader.XRequestId, text);
    }

    private static void StripHost(Exchange exchange)
    {
        var (request, settings) = (exchange.Request, exchange.Settings);
        var authority = request.Authority;
        var colon = authority.LastIndexOf((byte)':');
        var hasPort = colon > 0 && authority[colon..].IndexOf((byte)']') < 0;
        var host = hasPort ? authority[..colon] : authority;
        var port = hasPort ? authority[colon..] : default;
        if (hasPort && (settings.StripPort == StripPort.Any
            || settings.StripPort == StripPort.Matching && int.TryParse(port[1..], CultureInfo.InvariantCulture, out var number) && number == exchange.Client.Destination.Port)) port = default;
        if (settings.StripTrailingHostDot && host is [.., (byte)'.']) host = host[..^1];
        if (host.Length + port.Length == authority.Length) return;

        Span<byte> copy = stackalloc byte[512];
        if (host.Length + port.Length > copy.Length) return;

        host.CopyTo(copy);
        port.CopyTo(copy[host.Length..]);
        request.SetAuthority(copy[..(host.Length + port.Length)]);
    }
}
