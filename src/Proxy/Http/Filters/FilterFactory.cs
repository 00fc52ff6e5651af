using Mesh.Proxy.Config;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http.Filters;

/// <summary>Configured filters to working ones, one set per filter chain and loop.</summary>
internal static class FilterFactory
{
    public static HttpFilter[] Create(HttpConnectionSettings settings, Worker worker) => [.. settings.Filters.Select(filter => Create(filter, settings, worker)).OfType<HttpFilter>()];

    private static HttpFilter? Create(HttpFilterSettings filter, HttpConnectionSettings settings, Worker worker) => filter switch
    {
        AuthorizationFilter authorization => new Authorization(authorization),
        JwtFilter jwt => new JwtAuthentication(jwt, worker.Loop.Clock),
        CorsFilter cors => new Cors(cors),
        FaultFilter fault => new Fault(fault),
        LocalRateLimitFilter limit => new LocalRateLimit(limit),
        GlobalRateLimitFilter limit => new GlobalRateLimit(limit),
        ExternalAuthorizationFilter external => new ExternalAuthorization(external),
        AlpnFilter alpn => new AlpnChoice(alpn),
        // What stands for a discovered filter that has not come: its default, or nothing.
        DiscoveredFilter discovered when (worker.Snapshot.Extensions.GetValueOrDefault(discovered.Name) ?? discovered.Default) is { } actual => Create(actual, settings, worker),
        // It may be somebody's access check: until it has come, nobody passes.
        DiscoveredFilter => new RefuseAll("filter_configuration_not_received"),
        _ => null,
    };

    /// <summary>Istio's choice of ALPN: by the protocol spoken upstream, so that the other side's chain can be told from plain TLS.</summary>
    private sealed class AlpnChoice(AlpnFilter settings) : HttpFilter
    {
        public override ValueTask<Failure?> OnRequestAsync(Exchange exchange)
        {
            exchange.AlpnOverrides = settings.Overrides;
            return default;
        }
    }
}
