using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;

namespace Mesh.Proxy.Upstream;

/// <summary>The connection pools of one endpoint: one for each way of speaking to it that exchanges have asked for, mostly exactly one.</summary>
internal sealed class EndpointPools(EndpointState endpoint)
{
    // More server names than this for one endpoint is a caller inventing them: the least recently made pool goes.
    private const int PoolsMax = 64;

    private readonly List<ConnectionPool> _pools = [];

    public IReadOnlyList<ConnectionPool> All => _pools;

    /// <summary>The pool that speaks to this endpoint as the exchange needs it.</summary>
    public ConnectionPool For(Exchange exchange)
    {
        var cluster = endpoint.Cluster.Config;
        var tls = cluster.TlsFor(endpoint.Endpoint);
        var protocol = cluster.Protocol switch
        {
            UpstreamProtocol.FromDownstream => exchange.Request.Version == HttpVersion.Http2 ? UpstreamProtocol.Http2 : UpstreamProtocol.Http1,
            UpstreamProtocol.FromAlpn when tls is null => UpstreamProtocol.Http1,
            var fixedOne => fixedOne,
        };
        // An upgrade turns the connection into a tunnel: it gets one of its own, in the protocol it was asked in.
        var mayShare = !exchange.Request.IsUpgrade && !exchange.Request.IsConnect;
        var owner = cluster.ConnectionPoolPerDownstreamConnection ? exchange.Client.Id : 0;
        var autoSni = tls is { AutoSni: true, Sni.Length: 0 };
        foreach (var pool in _pools)
            if (pool.Protocol == protocol && ReferenceEquals(pool.Tls, tls) && pool.Owner == owner && pool.MayShare == mayShare && (!autoSni || pool.IsForHost(exchange.Request.Authority))) return pool;

        var serverName = autoSni ? HostOf(exchange.Request.Authority) : tls?.Sni ?? "";
        if (_pools.Count >= PoolsMax)
        {
            _pools[0].Retire();
            _pools.RemoveAt(0);
        }
        var added = new ConnectionPool(endpoint, protocol, tls, serverName, owner, mayShare);
        _pools.Add(added);
        return added;
    }

    /// <summary>How to speak has changed: connections in use end with their exchanges, new exchanges get new ones.</summary>
    public void Renew()
    {
        foreach (var pool in _pools) pool.Retire();
        _pools.Clear();
    }

    /// <summary>The endpoint is gone.</summary>
    public void Retire() => Renew();

    /// <summary>Host without port; the brackets of an IPv6 address stay.</summary>
    private static string HostOf(ReadOnlySpan<byte> authority)
    {
        var colon = authority.LastIndexOf((byte)':');
        if (colon > 0 && authority[colon..].IndexOf((byte)']') < 0) authority = authority[..colon];
        return System.Text.Encoding.Latin1.GetString(authority).ToLowerInvariant();
    }
}
