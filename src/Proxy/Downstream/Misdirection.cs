using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;

namespace Mesh.Proxy.Downstream;

/// <summary>
/// A browser sends requests for every host that a certificate names over the HTTP/2 connection it has (RFC 9113 §9.1.1). One whose host belongs to another
/// group of servers, with its own certificate, clients and routes, is answered 421, upon which the browser opens another connection.
/// </summary>
internal static class Misdirection
{
    // Set by the control plane on the chains of servers that asked for something else than the rule below.
    private const string MetadataName = "mesh", Key = "misdirected_requests", Serve = "serve", Strict = "strict";
    private const int HostBytesMax = 255;

    public static bool IsWatched(ClientConnection client, FilterChain chain) =>
        chain is { Http: not null, Tls: not null } && !client.IsInbound && client.ServerName.Length > 0 && chain.Metadata.Get(MetadataName, Key)?.Text != Serve;

    /// <summary>HTTP/1.1 clients do not share a connection among hosts: what they ask for is routed as it is.</summary>
    public static bool IsOne(Exchange exchange)
    {
        if (exchange.Client is not { Rivals: { } rivals, Chain: { } chain } client || exchange.Request.Version != Mesh.Http.HttpVersion.Http2) return false;
        // A host that the connection's own servers have a place for is served there, as in Istio, unless strictness was asked for.
        if (exchange.VirtualHost is not null && chain.Metadata.Get(MetadataName, Key)?.Text != Strict) return false;

        var authority = exchange.Request.Authority;
        var host = authority[..RouteIndex.PortStart(authority)];
        if (host.IsEmpty || host.Length > HostBytesMax || Ascii.EqualsIgnoreCase(host, client.ServerName)) return false;
        return rivals.IsElsewhere(Encoding.Latin1.GetString(host).ToLowerInvariant(), chain);
    }

    public static Failure Answer(Exchange exchange)
    {
        exchange.Worker.Counters.RequestsMisdirected++;
        return new(FailureKind.Misdirected, Side.Local);
    }
}
