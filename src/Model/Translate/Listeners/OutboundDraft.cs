using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Envoy.Config.Listener.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>One outbound listener while services are added to it. The first plain TCP service takes the whole address; HTTP shares it.</summary>
internal sealed class Draft(string address, int port, EgressScope egress)
{
    private static readonly string[] PlainHttp = ["http/1.1", "h2c"];

    private readonly List<FilterChain> chains = [];
    private readonly HashSet<string> matches = [];
    private string? routeName;
    private Filter? rest;

    public bool Binds { get; init; }

    public RouteNeed? Route { get; private set; }

    public void Http(string route)
    {
        if (routeName is not null) return;
        routeName = route;
        Route = new(route, port, egress, null);
    }

    public void Service(View view, EgressScope from, MeshService service, ServicePort servicePort, ImmutableArray<string> cidrs, Observation observed)
    {
        if (servicePort.Protocol == AppProtocol.Auto && routeName is null && rest is null)
        {
            routeName = address == "0.0.0.0" ? $"{port}" : Names.HostAndPort(service.Host, port);
            Route = new(routeName, port, from, address == "0.0.0.0" ? null : service);
        }
        foreach (var chain in L4Chains.Build(view, from, service, servicePort, address == "0.0.0.0", cidrs, observed))
        {
            if (chain.FilterChainMatch is null && !servicePort.Protocol.IsTls())
            {
                rest ??= chain.Filters[0];
                continue;
            }
            // Two chains with one match make Envoy refuse the listener: the older service keeps it.
            if (matches.Add(chain.FilterChainMatch?.ToString() ?? "")) chains.Add(chain);
        }
    }

    /// <returns>Null when nothing came of it.</returns>
    public Listener? Build(View view, Observation observed)
    {
        if (routeName is null && chains.Count == 0 && rest is null) return null;

        var isTls = chains.Exists(chain => chain.FilterChainMatch?.ServerNames.Count > 0);
        var listener = new Listener
        {
            Name = Names.Listener(address, port),
            Address = Protos.Address(address, port),
            TrafficDirection = TrafficDirection.Outbound,
            BindToPort = Binds ? null : false,
            ContinueOnListenerFiltersTimeout = true,
            ListenerFiltersTimeout = Protos.Span(view.Mesh.ProtocolDetectionTimeout),
        };
        if (isTls) listener.ListenerFilters.Add(ListenerFilters.Tls());
        if (routeName is not null)
        {
            listener.ListenerFilters.Add(ListenerFilters.Http());
            AddHttp(listener, view, observed);
        }
        listener.FilterChains.Add(chains);
        if (rest is not null && listener.FilterChains.Count == 0) listener.FilterChains.Add(new FilterChain { Filters = { rest } });
        else if (rest is not null) listener.DefaultFilterChain = new() { Name = "PassthroughFilterChain", Filters = { rest } };
        else
            listener.DefaultFilterChain = new()
            {
                Name = "PassthroughFilterChain",
                Filters = { TcpProxies.To(Names.Rest(view.Scope), observed.Logs) },
            };
        listener.AccessLog.Add(observed.ListenerLogs);
        return listener;
    }

    private void AddHttp(Listener listener, View view, Observation observed)
    {
        // A stock Envoy cannot choose the ALPN by the protocol spoken; two chains that each know theirs do the same for detected ports.
        var apart = Route!.Only is not null && !view.Shape.Kind.HasIstioFilters;
        foreach (var protocols in apart ? PlainHttp.Select(one => new[] { one }) : [PlainHttp])
        {
            var manager = HttpManagers.Create($"outbound_{address}_{port}", view.Mesh, view.Shape, observed);
            manager.Rds = new() { ConfigSource = Protos.Ads, RouteConfigName = routeName };
            if (apart) manager.HttpFilters.Add(AlpnState(protocols[0] == "h2c"));
            HttpManagers.AddCommonFilters(manager, view.Shape, observed, isOutbound: true);
            var match = new FilterChainMatch { TransportProtocol = "raw_buffer" };
            match.ApplicationProtocols.Add(protocols);
            listener.FilterChains.Add(new FilterChain { FilterChainMatch = match, Filters = { HttpManagers.AsNetworkFilter(manager) } });
        }
    }

    private static HttpFilter AlpnState(bool isHttp2) => HttpManagers.Filter("envoy.filters.http.set_filter_state", new Envoy.Extensions.Filters.Http.SetFilterState.V3.Config
    {
        OnRequestHeaders =
        {
            new Envoy.Extensions.Filters.Common.SetFilterState.V3.FilterStateValue
            {
                ObjectKey = "envoy.network.application_protocols",
                FormatString = new() { TextFormatSource = new() { InlineString = isHttp2 ? "istio-h2,istio,h2" : "istio-http/1.1,istio,http/1.1" } },
            },
        },
    });
}
