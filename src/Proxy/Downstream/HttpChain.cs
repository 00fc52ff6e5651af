using Mesh.Http;
using Mesh.Http.H2;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http.Filters;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Downstream;

/// <summary>A filter chain's HTTP settings made ready on one loop: limits, filters, spine.</summary>
internal sealed class HttpChain
{
    public HttpChain(Worker worker, FilterChain chain, HttpConnectionSettings settings, bool drainsWithWorker)
    {
        (Chain, Settings, DrainsWithWorker) = (chain, settings, drainsWithWorker);
        Runner = new(FilterList.For(settings, worker));
        Limits = HttpLimits.Default with
        {
            HeadBytesMax = (int)Math.Clamp(settings.RequestHeadersKibMax, 1, 8192) * 1024,
            RequestLineBytesMax = (int)Math.Clamp(settings.RequestHeadersKibMax, 1, 8192) * 1024,
            FieldCountMax = (int)Math.Clamp(settings.HeadersCountMax, 1, 10_000),
            AcceptHttp10 = settings.Http1.AcceptHttp10,
            // Where strangers call, two Hosts are an attack; a sidecar's own application is met as Istio's meets it.
            JoinRepeatedHost = !worker.Node.IsGateway,
            RefuseHttpsTargets = chain.Tls is null,
            RefuseUnderscores = settings.UnderscoreHeaders == UnderscoreHeaders.RejectRequest,
        };
        MeshLimits = Limits with { FieldCountMax = Limits.FieldCountMax + 32, HeadBytesMax = Limits.HeadBytesMax + 16 * 1024 };
        H2 = H2Settings.Default with
        {
            MaxConcurrentStreams = (int)Math.Clamp(settings.Http2.ConcurrentStreamsMax ?? 1024, 1, 1_000_000),
            InitialWindowBytes = (int)Math.Clamp(settings.Http2.StreamWindowBytes ?? 256 * 1024, 65_535, 16 * 1024 * 1024),
            ConnectionWindowBytes = (int)Math.Clamp(settings.Http2.ConnectionWindowBytes ?? 1024 * 1024, 65_535, 64 * 1024 * 1024),
        };
    }

    public FilterChain Chain { get; }
    public HttpConnectionSettings Settings { get; }
    public ExchangeRunner Runner { get; }
    public HttpLimits Limits { get; }
    /// <summary>For our own sidecars, which have measured the application's request by their own limits and add a little to it.</summary>
    public HttpLimits MeshLimits { get; }
    public H2Settings H2 { get; }
    /// <summary>Inbound and gateway traffic is told to leave when the process ends; an application's own calls are not.</summary>
    public bool DrainsWithWorker { get; }
}

/// <summary>A downstream connection that can be asked to end.</summary>
internal interface ILiveConnection
{
    /// <summary>The other side showed a certificate, and is believed for it.</summary>
    bool HasPeerIdentity { get; }

    /// <summary>The listener's state that counts it now; a later one may take it over.</summary>
    ListenerState? Keeper { get; set; }

    /// <summary>Ends in good order: after the exchanges under way, now if there are none.</summary>
    void Drain();

    /// <summary>Ends now.</summary>
    void Cut();
}
