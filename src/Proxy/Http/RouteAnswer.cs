using System.Text;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>The answer of a route that has no upstream: a fixed response or a redirect.</summary>
internal static class RouteAnswer
{
    /// <summary>The name of the route that takes what is outside the registry, where nothing else may be called.</summary>
    private const string OutsideRegistry = "block_all";

    public static Failure Of(Exchange exchange, RouteAction action)
    {
        if (exchange.Route?.Name == OutsideRegistry) exchange.Worker.Counters.RefusedHosts.Count(exchange.Request.Authority);
        return Answer(exchange, action);
    }

    private static Failure Answer(Exchange exchange, RouteAction action) => action switch
    {
        DirectResponse direct => new(FailureKind.DirectResponse, Side.Local)
        {
            // Envoy names the request's own address where the code promises one (RFC 9110 §10.2.2).
            Answer = new(direct.Status, "direct_response") { Body = direct.Body, Headers = direct.Status is 201 or >= 300 and < 400 ? [new("location", Rewrites.Location(exchange))] : [] },
        },
        Config.Redirect redirect => new(FailureKind.DirectResponse, Side.Local)
        {
            Answer = new(redirect.Status, "direct_response") { Headers = [new("location", Rewrites.Location(exchange, exchange.Route, redirect))] },
        },
        _ => new(FailureKind.NoRoute, Side.Local),
    };
}
