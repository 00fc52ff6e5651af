using Envoy.Config.Cluster.V3;
using Envoy.Config.Listener.V3;
using Envoy.Config.Route.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Google.Protobuf.WellKnownTypes;
using Mesh.Model.Resources;
using Filter = Envoy.Config.Listener.V3.Filter;

namespace Mesh.Model.Translate;

/// <summary>Patches applied to what was generated; contexts are SIDECAR_INBOUND, SIDECAR_OUTBOUND and GATEWAY.</summary>
internal static class Patching
{
    public static Listener Apply(Listener listener, PatchSet patches, string context)
    {
        if (patches.IsEmpty) return listener;
        foreach (var patch in patches.For("LISTENER", context))
            if (patch.Operation == PatchOperation.Merge && Matches(listener, patch)) listener.MergeFrom((Listener)patch.Value!);
        foreach (var patch in patches.For("LISTENER_FILTER", context))
            if (Matches(listener, patch)) Edit(listener.ListenerFilters, (ListenerFilter?)patch.Value, patch, patch.Match["listener"].Text("listenerFilter"), filter => filter.Name);
        foreach (var chain in Chains(listener)) Apply(listener, chain, patches, context);
        return listener;
    }

    public static Cluster Apply(Cluster cluster, PatchSet patches, string context)
    {
        foreach (var patch in patches.For("CLUSTER", context))
            if (patch.Operation == PatchOperation.Merge && Matches(cluster, patch.Match["cluster"])) cluster.MergeFrom((Cluster)patch.Value!);
        return cluster;
    }

    /// <returns>Clusters that patches add.</returns>
    public static IEnumerable<Cluster> Added(PatchSet patches, string context) =>
        patches.For("CLUSTER", context).Where(patch => patch.Operation == PatchOperation.Add).Select(patch => ((Cluster)patch.Value!).Clone());

    public static bool Removes(PatchSet patches, Cluster cluster, string context) =>
        patches.For("CLUSTER", context).Any(patch => patch.Operation == PatchOperation.Remove && Matches(cluster, patch.Match["cluster"]));

    public static RouteConfiguration Apply(RouteConfiguration table, PatchSet patches, string context)
    {
        foreach (var patch in patches.For("ROUTE_CONFIGURATION", context))
            if (patch.Operation == PatchOperation.Merge && Matches(table, patch, context)) table.MergeFrom((RouteConfiguration)patch.Value!);
        foreach (var patch in patches.For("VIRTUAL_HOST", context))
        {
            if (!Matches(table, patch, context)) continue;
            if (patch.Operation == PatchOperation.Add) table.VirtualHosts.Add(((VirtualHost)patch.Value!).Clone());
            foreach (var host in table.VirtualHosts.Where(host => Matches(host, patch)).ToList())
                if (patch.Operation == PatchOperation.Merge) host.MergeFrom((VirtualHost)patch.Value!);
                else if (patch.Operation == PatchOperation.Remove) table.VirtualHosts.Remove(host);
        }
        foreach (var patch in patches.For("HTTP_ROUTE", context))
        {
            if (!Matches(table, patch, context)) continue;
            var match = patch.Match["routeConfiguration"]["vhost"]["route"];
            var asked = match.Has("name") || match.Has("action") ? "the route" : "";
            foreach (var host in table.VirtualHosts.Where(host => Matches(host, patch)))
            {
                if (patch.Operation == PatchOperation.Merge)
                    foreach (var route in host.Routes.Where(route => Matches(route, match))) route.MergeFrom((Route)patch.Value!);
                else Edit(host.Routes, (Route?)patch.Value, patch, asked, route => Matches(route, match) ? asked : "another");
            }
        }
        return table;
    }

    private static void Apply(Listener listener, FilterChain chain, PatchSet patches, string context)
    {
        foreach (var patch in patches.For("FILTER_CHAIN", context))
            if (patch.Operation == PatchOperation.Merge && Matches(listener, patch) && MatchesChain(chain, patch)) chain.MergeFrom((FilterChain)patch.Value!);
        foreach (var patch in patches.For("NETWORK_FILTER", context))
        {
            if (!Matches(listener, patch) || !MatchesChain(chain, patch)) continue;
            var name = patch.Match["listener"]["filterChain"]["filter"].Text("name");
            if (patch.Operation != PatchOperation.Merge) Edit(chain.Filters, (Filter?)patch.Value, patch, name, filter => filter.Name);
            else
                foreach (var filter in chain.Filters.Where(filter => name.Length == 0 || filter.Name == name))
                    filter.TypedConfig = Merged(filter.TypedConfig, ((Filter)patch.Value!).TypedConfig);
        }
        foreach (var filter in chain.Filters.Where(filter => filter.Name == HttpManagers.Name))
        {
            var http = patches.For("HTTP_FILTER", context).Where(patch => Matches(listener, patch) && MatchesChain(chain, patch)).ToList();
            if (http.Count == 0) continue;
            var manager = filter.TypedConfig.Unpack<HttpConnectionManager>();
            foreach (var patch in http) Apply(manager, patch);
            filter.TypedConfig = Any.Pack(manager);
        }
    }

    private static void Apply(HttpConnectionManager manager, ReadPatch patch)
    {
        var name = patch.Match["listener"]["filterChain"]["filter"]["subFilter"].Text("name");
        var value = (HttpFilter?)patch.Value;
        if (patch.Operation == PatchOperation.Merge)
        {
            foreach (var filter in manager.HttpFilters.Where(filter => filter.Name == (name.Length > 0 ? name : value!.Name)))
                filter.TypedConfig = Merged(filter.TypedConfig, value!.TypedConfig);
            return;
        }
        // Behind the router nothing runs: an added filter stands right before it.
        if (patch.Operation == PatchOperation.Add) manager.HttpFilters.Insert(Math.Max(0, manager.HttpFilters.Count - 1), value!.Clone());
        else Edit(manager.HttpFilters, value, patch, name, filter => filter.Name);
    }

    private static void Edit<T>(RepeatedField<T> list, T? value, ReadPatch patch, string name, Func<T, string> nameOf) where T : class, IMessage<T>, IDeepCloneable<T>
    {
        var at = -1;
        for (var i = 0; i < list.Count && at < 0; i++)
            if (name.Length > 0 && nameOf(list[i]) == name) at = i;
        switch (patch.Operation)
        {
            case PatchOperation.Add:
                list.Add(value!.Clone());
                break;
            case PatchOperation.InsertFirst:
                list.Insert(0, value!.Clone());
                break;
            case PatchOperation.InsertBefore when at >= 0 || name.Length == 0:
                list.Insert(Math.Max(0, at), value!.Clone());
                break;
            case PatchOperation.InsertAfter when at >= 0 || name.Length == 0:
                list.Insert(at < 0 ? list.Count : at + 1, value!.Clone());
                break;
            case PatchOperation.Replace when at >= 0:
                list[at] = value!.Clone();
                break;
            case PatchOperation.Remove when at >= 0:
                list.RemoveAt(at);
                break;
        }
    }

    private static Any Merged(Any before, Any? patch)
    {
        if (patch is null) return before;
        if (before.TypeUrl != patch.TypeUrl) return patch.Clone();
        // Fields of the later bytes win, messages are merged, lists are joined: that is what protobuf promises of bytes joined.
        return new() { TypeUrl = before.TypeUrl, Value = ByteString.CopyFrom([.. before.Value.Span, .. patch.Value.Span]) };
    }

    private static IEnumerable<FilterChain> Chains(Listener listener) =>
        listener.DefaultFilterChain is { } rest ? listener.FilterChains.Append(rest) : listener.FilterChains;

    private static bool Matches(Listener listener, ReadPatch patch)
    {
        var match = patch.Match["listener"];
        if (match.Text("name") is { Length: > 0 } name && name != listener.Name) return false;
        // The inbound listener serves all ports; there the port is asked of each chain.
        return match.Int("portNumber") is var port && (port == 0 || listener.Name == Names.VirtualInbound || listener.Address.SocketAddress?.PortValue == port);
    }

    private static bool MatchesChain(FilterChain chain, ReadPatch patch)
    {
        var listener = patch.Match["listener"];
        var match = listener["filterChain"];
        if (match.Text("name") is { Length: > 0 } name && name != chain.Name) return false;
        if (match.Text("sni") is { Length: > 0 } sni && chain.FilterChainMatch?.ServerNames.Contains(sni) != true) return false;
        if (match.Text("transportProtocol") is { Length: > 0 } transport && chain.FilterChainMatch?.TransportProtocol != transport) return false;
        if (match.Text("applicationProtocols") is { Length: > 0 } protocols
            && !protocols.Split(',').All(protocol => chain.FilterChainMatch?.ApplicationProtocols.Contains(protocol) == true)) return false;
        if (match.Int("destinationPort") is > 0 and var destination && chain.FilterChainMatch?.DestinationPort != (uint)destination) return false;
        if (listener.Int("portNumber") is > 0 and var port && chain.FilterChainMatch?.DestinationPort is { } own && own != port) return false;
        return match["filter"].Text("name") is not { Length: > 0 } filter || chain.Filters.Any(known => known.Name == filter);
    }

    private static bool Matches(Cluster cluster, Fields match)
    {
        if (match.Text("name") is { Length: > 0 } name && name != cluster.Name) return false;
        var parts = cluster.Name.Split('|');
        if (match.Text("service") is { Length: > 0 } service && (parts.Length != 4 || parts[3] != service)) return false;
        if (match.Text("subset") is { Length: > 0 } subset && (parts.Length != 4 || parts[2] != subset)) return false;
        return match.Int("portNumber") is var port && (port == 0 || parts.Length == 4 && parts[1] == $"{port}");
    }

    private static bool Matches(RouteConfiguration table, ReadPatch patch, string context)
    {
        var match = patch.Match["routeConfiguration"];
        if (match.Text("name") is { Length: > 0 } name && name != table.Name) return false;
        if (context == "GATEWAY")
        {
            // https.443.port-name.gateway.namespace; those of plain HTTP are shared by gateways and name none.
            var (portName, gateway) = table.Name.Split('.') is ["https", _, var of, var own, var ns] ? (of, $"{ns}/{own}") : ("", "");
            if (match.Text("portName") is { Length: > 0 } wantedPort && wantedPort != portName) return false;
            if (match.Text("gateway") is { Length: > 0 } wanted && wanted != gateway) return false;
        }
        return match.Int("portNumber") is var port && (port == 0 || table.Name.Split('.', ':', '|').Contains($"{port}"));
    }

    private static bool Matches(Route route, Fields match)
    {
        if (match.Text("name") is { Length: > 0 } name && name != route.Name) return false;
        return match.Text("action", "ANY") switch
        {
            "ROUTE" => route.Route_ is not null,
            "REDIRECT" => route.Redirect is not null,
            "DIRECT_RESPONSE" => route.DirectResponse is not null,
            _ => true,
        };
    }

    private static bool Matches(VirtualHost host, ReadPatch patch)
    {
        var match = patch.Match["routeConfiguration"]["vhost"];
        return (match.Text("name") is not { Length: > 0 } name || name == host.Name)
            && (match.Text("domainName") is not { Length: > 0 } domain || host.Domains.Contains(domain));
    }
}
