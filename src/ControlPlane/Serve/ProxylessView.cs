using System.Runtime.CompilerServices;
using Envoy.Config.Cluster.V3;
using Envoy.Config.Core.V3;
using Envoy.Config.Listener.V3;
using Envoy.Config.Route.V3;
using Envoy.Extensions.Filters.Http.Router.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Google.Protobuf.WellKnownTypes;
using Mesh.Model.Translate;
using Mesh.Xds;
using WireType = Mesh.Xds.TypeUrl;

namespace Mesh.ControlPlane.Serve;

/// <summary>
/// The same configuration for gRPC clients without a proxy (GENERATOR=grpc). They ask for a listener by the name they dial, <c>host:port</c>, and understand
/// a part of Envoy's messages: routes, weights, endpoints and simple balancing are kept, the rest is left away.
/// </summary>
internal sealed class ProxylessView
{
    private readonly ConditionalWeakTable<NamedResource, RouteConfiguration> tables = [];

    public ResourceSet Of(ProxyConfiguration configuration, string typeUrl, IEnumerable<string> wanted) => typeUrl switch
    {
        WireType.Listener => ResourceSet.Of(typeUrl, wanted.Select(name => Listener(configuration, name)).OfType<NamedResource>()),
        WireType.Routes => ResourceSet.Of(typeUrl, wanted.Select(name => Routes(configuration, name)).OfType<NamedResource>()),
        WireType.Cluster => ResourceSet.Of(typeUrl, wanted.Select(name => Simple(configuration, name)).OfType<NamedResource>()),
        _ => configuration.Of(typeUrl),
    };

    private static NamedResource? Listener(ProxyConfiguration configuration, string name)
    {
        if (Split(name) is not var (host, port)) return null;
        var table = $"outbound|{port}||{host}";
        if (configuration.Clusters[table] is null) return null;

        var manager = new HttpConnectionManager
        {
            Rds = new() { RouteConfigName = table, ConfigSource = new() { Ads = new(), ResourceApiVersion = ApiVersion.V3 } },
            HttpFilters = { new HttpFilter { Name = "envoy.filters.http.router", TypedConfig = Any.Pack(new Router()) } },
        };
        return NamedResource.Of(name, new Envoy.Config.Listener.V3.Listener { Name = name, ApiListener = new ApiListener { ApiListener_ = Any.Pack(manager) } });
    }

    /// <summary>The routes of one host, taken from the table that a sidecar would have for its port.</summary>
    private NamedResource? Routes(ProxyConfiguration configuration, string name)
    {
        if (name.Split('|') is not ["outbound", var port, _, var host]) return null;

        var table = new RouteConfiguration { Name = name };
        var virtualHost = new VirtualHost { Name = $"{host}:{port}", Domains = { "*" } };
        if (HostOf(configuration, port, host) is { } found) virtualHost.Routes.AddRange(found.Routes);
        else virtualHost.Routes.Add(new Route { Match = new() { Prefix = "" }, Route_ = new() { Cluster = name } });
        table.VirtualHosts.Add(virtualHost);
        return NamedResource.Of(name, table);
    }

    private VirtualHost? HostOf(ProxyConfiguration configuration, string port, string host)
    {
        var resource = configuration.Routes[port] ?? configuration.Routes[$"{host}:{port}"];
        if (resource is null) return null;

        var table = tables.GetValue(resource, r => RouteConfiguration.Parser.ParseFrom(r.Body));
        return table.VirtualHosts.FirstOrDefault(v => v.Name == $"{host}:{port}");
    }

    private static NamedResource? Simple(ProxyConfiguration configuration, string name)
    {
        if (configuration.Clusters[name] is not { } resource) return null;

        var whole = Envoy.Config.Cluster.V3.Cluster.Parser.ParseFrom(resource.Body);
        var simple = new Envoy.Config.Cluster.V3.Cluster
        {
            Name = whole.Name,
            Type = whole.Type,
            EdsClusterConfig = whole.EdsClusterConfig,
            ConnectTimeout = whole.ConnectTimeout,
            CircuitBreakers = whole.CircuitBreakers,
            LbPolicy = whole.LbPolicy == Envoy.Config.Cluster.V3.Cluster.Types.LbPolicy.RingHash ? whole.LbPolicy : Envoy.Config.Cluster.V3.Cluster.Types.LbPolicy.RoundRobin,
            RingHashLbConfig = whole.RingHashLbConfig,
        };
        if (whole.LoadAssignment is not null) simple.LoadAssignment = whole.LoadAssignment;
        return NamedResource.Of(name, simple);
    }

    private static (string Host, int Port)? Split(string name)
    {
        var colon = name.LastIndexOf(':');
        return colon > 0 && int.TryParse(name[(colon + 1)..], out var port) ? (name[..colon], port) : null;
    }
}
