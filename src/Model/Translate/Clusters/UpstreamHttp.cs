using Envoy.Config.Core.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>How HTTP is spoken to a cluster; collected from several policies before it is written.</summary>
internal sealed class UpstreamHttp
{
    public const string Key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

    // The largest count that an HTTP/2 peer may be allowed (RFC 9113 §6.5.2), less one bit, as Istio sends it.
    private const uint ConcurrentStreamsMax = 1_073_741_824;

    public Envoy.Extensions.Upstreams.Http.V3.HttpProtocolOptions Options { get; } = new();

    public bool IsHttp2 { get; private init; }

    /// <summary>False when the defaults say it all and nothing needs to be written.</summary>
    public bool HasContent => Options.UpstreamProtocolOptionsCase != Envoy.Extensions.Upstreams.Http.V3.HttpProtocolOptions.UpstreamProtocolOptionsOneofCase.None;

    public static UpstreamHttp For(AppProtocol protocol, ConnectionPool? pool, H2Upgrade meshUpgrade)
    {
        var streams = pool is { MaxConcurrentStreams: > 0 } ? (uint)pool.MaxConcurrentStreams : ConcurrentStreamsMax;
        var http2 = new Http2ProtocolOptions { MaxConcurrentStreams = streams };
        if (pool?.Http2KeepaliveInterval is { } interval)
            http2.ConnectionKeepalive = new() { Interval = Protos.Span(interval), Timeout = Protos.Span(pool.Http2KeepaliveTimeout ?? TimeSpan.FromSeconds(20)) };

        // A rule's word holds for detected ports too; the mesh's only where HTTP is declared. The client's protocol, where asked for, beats both.
        var followsClient = pool?.UsesClientProtocol == true;
        var upgrades = pool is { H2Upgrade: not H2Upgrade.Default } ? pool.H2Upgrade == H2Upgrade.Upgrade && protocol.IsHttpOrAuto()
            : meshUpgrade == H2Upgrade.Upgrade && protocol == AppProtocol.Http;
        var isHttp2 = !followsClient && (protocol.IsHttp2() || upgrades);
        var made = new UpstreamHttp { IsHttp2 = isHttp2 };
        if (isHttp2) made.Options.ExplicitHttpConfig = new() { Http2ProtocolOptions = http2 };
        else if (protocol == AppProtocol.Auto || followsClient)
            made.Options.UseDownstreamProtocolConfig = new() { HttpProtocolOptions = new(), Http2ProtocolOptions = http2 };
        return made;
    }

    /// <summary>Envoy wants the protocol to be said as soon as anything is said.</summary>
    public Envoy.Extensions.Upstreams.Http.V3.HttpProtocolOptions Written()
    {
        if (!HasContent) Options.ExplicitHttpConfig = new() { HttpProtocolOptions = new() };
        return Options;
    }
}
