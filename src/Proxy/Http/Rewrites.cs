using System.Buffers;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>Where a route makes another path or host of what the client asked for, in the request or in a redirect.</summary>
internal static class Rewrites
{
    public static void RewritePath(Exchange exchange, Route route, Forward forward)
    {
        if (forward.PrefixRewrite.Length == 0 && forward.RegexRewrite is null && forward.PathTemplateRewrite.Length == 0) return;

        var request = exchange.Request;
        var match = RouteEntry.MatchOf(route);
        if (forward.PrefixRewrite.Length > 0)
        {
            KeepOriginal(exchange);
            ReplacePrefix(request, forward.PrefixRewrite, match.MatchedLength(request.PathOnly));
            return;
        }
        var path = Encoding.UTF8.GetString(request.PathOnly);
        var rewritten = forward.RegexRewrite is { } regex
            ? regex.Pattern.ReplaceAll(path, regex.Substitution)
            : match.RewriteByTemplate(request.PathOnly, forward.PathTemplateRewrite) ?? path;
        KeepOriginal(exchange);
        byte[] whole = [.. Encoding.UTF8.GetBytes(rewritten), .. request.Query];
        if (whole.Length > 0 && whole.AsSpan().IndexOfAnyInRange((byte)0, (byte)' ') < 0) request.SetPath(whole);
    }

    public static void RewriteHost(Exchange exchange, Forward forward)
    {
        var request = exchange.Request;
        var literal = exchange.WeightedCluster is { HostRewrite.Length: > 0 } weighted ? weighted.HostRewrite : forward.HostRewrite;
        if (literal.Length > 0)
        {
            SetHost(exchange, forward, Encoding.Latin1.GetBytes(literal));
        }
        else if (forward.HostRewriteHeader.Length > 0)
        {
            if (request.Headers.GetText(forward.HostRewriteHeader) is { Length: > 0 } value) SetHost(exchange, forward, Encoding.Latin1.GetBytes(value));
        }
        else if (forward.HostRewritePathRegex is { } regex)
        {
            var host = regex.Pattern.ReplaceAll(Encoding.UTF8.GetString(request.PathOnly), regex.Substitution);
            if (host.Length > 0) SetHost(exchange, forward, Encoding.UTF8.GetBytes(host));
        }
    }

    /// <summary>For <see cref="Forward.AutoHostRewrite"/>: known only once the endpoint is.</summary>
    public static void RewriteHostTo(Exchange exchange, Forward forward, string hostname)
    {
        if (hostname.Length > 0) SetHost(exchange, forward, Encoding.Latin1.GetBytes(hostname));
    }

    private static readonly Config.Redirect Nowhere = new();

    /// <summary>The address that was asked for.</summary>
    public static string Location(Exchange exchange) => Location(exchange, exchange.Route, Nowhere);

    /// <summary>Location of a redirect.</summary>
    public static string Location(Exchange exchange, Route? route, Config.Redirect redirect)
    {
        var request = exchange.Request;
        var before = Encoding.Latin1.GetString(request.Headers.TryGet(KnownHeader.XForwardedProto, out var proto) ? proto : request.Scheme == HttpScheme.Https ? "https"u8 : "http"u8);
        var scheme = redirect.HttpsRedirect ? "https" : redirect.Scheme.Length > 0 ? redirect.Scheme : before;
        var port = redirect.Port > 0 ? $":{redirect.Port}" : "";
        var host = redirect.Host.Length > 0 ? redirect.Host : RequestHost(request.Authority, before, scheme, port.Length > 0);
        return $"{scheme}://{host}{port}{PathOf(request, route, redirect)}";
    }

    private static string RequestHost(ReadOnlySpan<byte> authority, string before, string scheme, bool hasPort)
    {
        var start = RouteIndex.PortStart(authority);
        var port = authority[start..];
        var drops = hasPort || before != scheme && (before == "https" && port.SequenceEqual(":443"u8) || before == "http" && port.SequenceEqual(":80"u8));
        return Encoding.Latin1.GetString(drops ? authority[..start] : authority);
    }

    private static string PathOf(RequestHead request, Route? route, Config.Redirect redirect)
    {
        var query = redirect.StripQuery ? "" : Encoding.Latin1.GetString(request.Query);
        var path = Encoding.Latin1.GetString(request.PathOnly);
        if (redirect.Path.Length > 0) return redirect.Path.Contains('?', StringComparison.Ordinal) ? redirect.Path : redirect.Path + query;
        if (redirect.PrefixRewrite.Length > 0 && route is not null) return redirect.PrefixRewrite + path[Math.Min(path.Length, RouteEntry.MatchOf(route).MatchedLength(request.PathOnly))..] + query;
        if (redirect.Regex is { } regex) return regex.Pattern.ReplaceAll(path, regex.Substitution) + query;
        return path + query;
    }

    private static void ReplacePrefix(RequestHead request, string prefix, int matched)
    {
        var rest = request.Path[Math.Min(matched, request.Path.Length)..];
        var rented = ArrayPool<byte>.Shared.Rent(prefix.Length * 3 + rest.Length);
        var length = Encoding.UTF8.GetBytes(prefix, rented);
        rest.CopyTo(rented.AsSpan(length));
        request.SetPath(rented.AsSpan(0, length + rest.Length));
        ArrayPool<byte>.Shared.Return(rented);
    }

    private static void KeepOriginal(Exchange exchange)
    {
        var request = exchange.Request;
        exchange.OriginalPath ??= Encoding.Latin1.GetString(request.Path);
        if (!exchange.Settings.SuppressEnvoyHeaders) request.Headers.Set(KnownHeader.XEnvoyOriginalPath, Copy(request.Path));
    }

    private static void SetHost(Exchange exchange, Forward forward, ReadOnlySpan<byte> host)
    {
        var request = exchange.Request;
        var before = Copy(request.Authority);
        if (before.AsSpan().SequenceEqual(host)) return;

        if (forward.AppendXForwardedHost) request.Headers.Append(KnownHeader.XForwardedHost, before);
        if (!exchange.Settings.SuppressEnvoyHeaders && before.Length > 0) request.Headers.Set(KnownHeader.XEnvoyOriginalHost, before);
        request.SetAuthority(host);
    }

    // What is set must not lie in the arena that setting may move.
    private static byte[] Copy(ReadOnlySpan<byte> bytes) => bytes.ToArray();
}
