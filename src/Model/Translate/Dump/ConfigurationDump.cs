using Envoy.Config.Cluster.V3;
using Envoy.Config.Endpoint.V3;
using Envoy.Config.Listener.V3;
using Envoy.Config.Route.V3;

namespace Mesh.Model.Translate;

/// <summary>
/// What a proxy is sent, as a person would tell it: one line for each decision, indented below what it belongs to. Stable, so that it can be compared.
/// </summary>
public static class ConfigurationDump
{
    public static string Listeners(ProxyConfiguration configuration) =>
        Lines(configuration.Listeners.All.SelectMany(resource => ListenerText.Lines(Listener.Parser.ParseFrom(resource.Body))));

    /// <param name="withNames">Also the names that each host answers to.</param>
    public static string Routes(ProxyConfiguration configuration, bool withNames = false) =>
        Lines(configuration.Routes.All.SelectMany(resource => RouteText.Lines(RouteConfiguration.Parser.ParseFrom(resource.Body), withNames)));

    public static string Clusters(ProxyConfiguration configuration) =>
        Lines(configuration.Clusters.All.Select(resource => ClusterText.Line(Cluster.Parser.ParseFrom(resource.Body))));

    public static string Endpoints(ProxyConfiguration configuration) =>
        Lines(configuration.Endpoints.All.SelectMany(resource => EndpointText.Lines(ClusterLoadAssignment.Parser.ParseFrom(resource.Body))));

    /// <summary>The HTTP filters of each chain, in order.</summary>
    public static string HttpFilters(ProxyConfiguration configuration) =>
        Lines(configuration.Listeners.All.SelectMany(resource => ListenerText.HttpFilters(Listener.Parser.ParseFrom(resource.Body))));

    private static string Lines(IEnumerable<string> lines) => string.Join('\n', lines);
}
