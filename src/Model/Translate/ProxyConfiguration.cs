using System.Collections.Immutable;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Everything one kind of proxy is to be sent, by type.</summary>
public sealed class ProxyConfiguration
{
    public required ResourceSet Clusters { get; init; }
    public required ResourceSet Endpoints { get; init; }
    public required ResourceSet Listeners { get; init; }
    public required ResourceSet Routes { get; init; }

    /// <summary>Certificates of gateways under their SDS names; asked for by name.</summary>
    public ResourceSet Secrets { get; init; } = ResourceSet.Empty(TypeUrl.Secret);

    /// <summary>Istio's name table (NDS) for proxies that answer DNS; one resource.</summary>
    public ResourceSet Names { get; init; } = ResourceSet.Empty(TypeUrl.NameTable);

    /// <summary>Virtual hosts one by one, for proxies that take them so (VHDS).</summary>
    public ResourceSet VirtualHosts { get; init; } = ResourceSet.Empty(TypeUrl.VirtualHost);

    /// <summary>Shared lists that live as long as this; the memos hold them weakly.</summary>
    internal ImmutableArray<object> KeptAlive { get; init; } = [];

    /// <summary>What all but the endpoints were made from.</summary>
    internal ConfigurationBasis? Basis { get; init; }

    /// <summary>The workload's own part; null for gateways.</summary>
    internal OwnPart? Own { get; init; }

    /// <summary>A copy with only some listeners, for showing.</summary>
    public ProxyConfiguration WithListeners(Func<string, bool> keep) => new()
    {
        Clusters = Clusters, Endpoints = Endpoints, Routes = Routes, Listeners = ResourceSet.Of(TypeUrl.Listener, [.. Listeners.All.Where(listener => keep(listener.Name))], null),
    };

    internal ProxyConfiguration WithEndpoints(ResourceSet endpoints, object keptAlive) => new()
    {
        Clusters = Clusters,
        Endpoints = endpoints,
        Listeners = Listeners,
        Routes = Routes,
        Secrets = Secrets,
        Names = Names,
        VirtualHosts = VirtualHosts,
        Basis = Basis,
        Own = Own,
        KeptAlive = [.. KeptAlive.RemoveAt(KeptAlive.Length - 1), keptAlive],
    };

    /// <summary>The set for a type URL; empty for types that the mesh does not serve.</summary>
    public ResourceSet Of(string typeUrl) => typeUrl switch
    {
        TypeUrl.Cluster => Clusters,
        TypeUrl.Endpoints => Endpoints,
        TypeUrl.Listener => Listeners,
        TypeUrl.Routes => Routes,
        TypeUrl.Secret => Secrets,
        TypeUrl.VirtualHost => VirtualHosts,
        TypeUrl.NameTable => Names,
        _ => ResourceSet.Empty(typeUrl),
    };
}

/// <summary>While these are the same objects, only endpoints can have changed.</summary>
internal sealed record ConfigurationBasis(Scope Scope, Policies Policies, object EndpointIdentity, object FetchedKeys);
