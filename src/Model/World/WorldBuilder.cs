using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>
/// Takes accepted resources one by one and makes a <see cref="World"/> of them. Not thread-safe: one owner applies changes and builds.
/// Only what a change can reach is computed again.
/// </summary>
public sealed class WorldBuilder(MeshConfig? mesh = null)
{
    private readonly Dictionary<ResourceKey, Resource> resources = [];
    private readonly Dictionary<Type, object> sorted = [];
    private readonly HashSet<Type> dirtyKinds = [];
    private readonly EndpointStore endpoints = new();
    private readonly Dictionary<Resource, ImmutableArray<MeshService>> services = [];
    private readonly Dictionary<VirtualService, VirtualService> resolved = [];
    private MeshConfig mesh = mesh ?? MeshConfig.Default;
    private bool meshChanged = true;
    private World? last;
    private ApiTranslation api = ApiTranslation.Empty;
    private ImmutableDictionary<string, string> fetchedKeys = ImmutableDictionary<string, string>.Empty;

    public MeshConfig Mesh
    {
        get => mesh;
        set
        {
            if (ReferenceEquals(mesh, value)) return;
            mesh = value;
            meshChanged = true;
        }
    }

    /// <summary>Adds a resource or replaces its former version.</summary>
    public void Apply(Resource resource)
    {
        resources.TryGetValue(resource.Meta.Key, out var before);
        if (ReferenceEquals(before, resource) || before is KubeNode or KubeNamespace && before.Meta.Labels.Equals(resource.Meta.Labels)) return;
        resources[resource.Meta.Key] = resource;
        Changed(before, resource);
    }

    public void Remove(ResourceKey key)
    {
        if (resources.Remove(key, out var before)) Changed(before, null);
    }

    /// <summary>Gives the key set behind a <see cref="JwtRule.KeysFrom"/>; null when it cannot be had any more: tokens are then refused.</summary>
    public void SetKeys(string uri, string? keys)
    {
        if (fetchedKeys.GetValueOrDefault(uri) == keys) return;
        fetchedKeys = keys is null ? fetchedKeys.Remove(uri) : fetchedKeys.SetItem(uri, keys);
        dirtyKinds.Add(typeof(RequestAuthentication));
    }

    public Resource? Find(ResourceKey key) => resources.GetValueOrDefault(key);

    /// <returns>The last World itself when nothing changed.</returns>
    public World Build()
    {
        if (last is not null && dirtyKinds.Count == 0 && !meshChanged) return last;

        var registry = BuildRegistry();
        endpoints.Refresh(registry.Services, resources, Sorted<WorkloadEntry>(), registry.Index.CallersChoose);
        var policies = last is null || meshChanged || Dirty<PeerAuthentication>() || Dirty<RequestAuthentication>() || Dirty<AuthorizationPolicy>()
            || Dirty<Telemetry>() || Dirty<EnvoyFilter>() || Dirty<RateLimit>()
            ? new Policies(
                mesh.RootNamespace, Sorted<PeerAuthentication>(), Sorted<RequestAuthentication>(), Sorted<AuthorizationPolicy>(), Sorted<Telemetry>(), Sorted<EnvoyFilter>(),
                Sorted<RateLimit>())
            : last.Policies;
        last = new()
        {
            Version = (last?.Version ?? 0) + 1,
            Registry = registry,
            Policies = policies,
            Endpoints = endpoints.Snapshot(),
            EndpointIdentity = endpoints.Identity,
            PodsByIp = Part<Pod, IReadOnlyDictionary<string, Pod>>(last?.PodsByIp, pods =>
            {
                var byIp = new Dictionary<string, Pod>();
                foreach (var pod in pods.Where(pod => pod is { Ip.Length: > 0, HostNetwork: false } && pod.Phase is not ("Succeeded" or "Failed"))) byIp[pod.Ip] = pod;
                return byIp;
            }),
            NamespaceLabels = Part<KubeNamespace, IReadOnlyDictionary<string, LabelSet>>(
                last?.NamespaceLabels, all => all.ToDictionary(ns => ns.Name, ns => ns.Meta.Labels)),
            Nodes = Part<KubeNode, IReadOnlyDictionary<string, KubeNode>>(last?.Nodes, all => all.ToDictionary(node => node.Name)),
            Secrets = Part<KubeSecret, IReadOnlyDictionary<(string, string), KubeSecret>>(
                last?.Secrets, all => all.ToDictionary(secret => (secret.Namespace, secret.Name))),
            ConfigMaps = Part<KubeConfigMap, IReadOnlyDictionary<(string, string), KubeConfigMap>>(
                last?.ConfigMaps, all => all.ToDictionary(map => (map.Namespace, map.Name))),
            FetchedKeys = fetchedKeys,
            GatewayApi = api,
            Resources = [.. resources.Values],
        };
        dirtyKinds.Clear();
        meshChanged = false;
        return last;
    }

    private void Changed(Resource? before, Resource? after)
    {
        var type = (after ?? before)!.GetType();
        dirtyKinds.Add(type);
        sorted.Remove(type);
        if (before is not null)
        {
            services.Remove(before);
            if (before is VirtualService vs) resolved.Remove(vs);
        }
        endpoints.Touched(before, after);
    }

    private Registry BuildRegistry()
    {
        if (last is not null && !meshChanged && !Dirty<KubeService>() && !Dirty<ServiceEntry>() && !Dirty<VirtualService>() && !Dirty<DestinationRule>()
            && !Dirty<Sidecar>() && !Dirty<Gateway>() && !GatewayApiChanged()) return last.Registry;

        if (meshChanged) services.Clear();
        var all = Sorted<KubeService>().Cast<Resource>().Concat(Sorted<ServiceEntry>()).ToList();
        all.Sort(Resource.ByAge);
        var hosts = ImmutableArray.CreateBuilder<MeshService>();
        var invented = new Dictionary<string, string>();
        foreach (var source in all)
        {
            if (!services.TryGetValue(source, out var made))
                services[source] = made = source is KubeService service
                    ? [ServiceConversion.FromKubernetes(service, mesh)]
                    : ServiceConversion.FromEntry((ServiceEntry)source, mesh);
            if (made.Any(one => one.AutoAddress.Length > 0)) services[source] = made = [.. made.Select(one => Apart(one, invented))];
            hosts.AddRange(made);
        }
        var allHosts = last is not null && last.Registry.Services.AsSpan().SequenceEqual(hosts.ToArray()) ? last.Registry.Services : hosts.ToImmutable();
        api = BuildApi(allHosts);
        return new(
            mesh, allHosts, Merged(ResolveRoutes(), api.VirtualServices), Merged(Sorted<DestinationRule>(), api.Rules), Sorted<Sidecar>(),
            Merged(Sorted<Gateway>(), api.Gateways), last?.Registry);
    }

    /// <summary>No two hosts may have one invented address: connections to it could not be told apart. The younger moves on, and then keeps its place.</summary>
    private static MeshService Apart(MeshService service, Dictionary<string, string> owners)
    {
        const int AttemptsMax = 64;
        var key = $"{service.Namespace}/{service.Host}";
        for (var attempt = 0; service.AutoAddress.Length > 0 && attempt < AttemptsMax; attempt++)
        {
            if (owners.TryAdd(service.AutoAddress, key) || owners[service.AutoAddress] == key) return service;
            service = service.At(ServiceConversion.Invented(service.Namespace, service.Host, attempt + 1));
        }
        return service;
    }

    private ApiTranslation BuildApi(ImmutableArray<MeshService> made)
    {
        if (Sorted<ApiGateway>().IsEmpty && Sorted<ApiRoute>().IsEmpty && Sorted<KubeIngress>().IsEmpty && Sorted<BackendTlsPolicy>().IsEmpty) return ApiTranslation.Empty;
        return ApiConversion.Build(new(
            mesh, Sorted<GatewayClass>(), Sorted<ApiGateway>(), Sorted<ListenerSet>(), Sorted<ApiRoute>(), Sorted<ReferenceGrant>(), Sorted<BackendTlsPolicy>(),
            Sorted<KubeIngress>(), Sorted<KubeIngressClass>(),
            ns => resources.GetValueOrDefault(new("", "Namespace", "", ns))?.Meta.Labels ?? LabelSet.Empty, made.ToLookup(service => service.Host),
            (ns, name) => resources.GetValueOrDefault(new("", "Secret", ns, name)) as KubeSecret,
            (ns, name) => (resources.GetValueOrDefault(new("", "ConfigMap", ns, name))
                ?? (KubeConfigMap.IsWrittenEverywhere(name) ? resources.GetValueOrDefault(new("", "ConfigMap", mesh.RootNamespace, name)) : null)) as KubeConfigMap,
            (ns, name) => resources.GetValueOrDefault(new("networking.istio.io", "ServiceEntry", ns, name)) as ServiceEntry)
        {
            DefaultsOfClass = name => Sorted<KubeConfigMap>().FirstOrDefault(map => map.Namespace == mesh.RootNamespace && map.Meta.Labels[GatewayOverlays.DefaultsForClass] == name),
        });
    }

    private static ImmutableArray<T> Merged<T>(ImmutableArray<T> written, ImmutableArray<T> made) where T : Resource =>
        made.IsEmpty ? written : written.AddRange(made).Sort(Resource.ByAge);

    private ImmutableArray<VirtualService> ResolveRoutes()
    {
        if (meshChanged) resolved.Clear();
        foreach (var vs in Sorted<VirtualService>())
            if (!resolved.ContainsKey(vs)) resolved[vs] = VirtualServiceResolution.Resolve(vs, mesh.Domain);
        var delegates = Sorted<VirtualService>().Where(vs => vs.Hosts.IsEmpty).ToDictionary(vs => (vs.Namespace, vs.Name), vs => resolved[vs]);
        return [.. Sorted<VirtualService>().Where(vs => !vs.Hosts.IsEmpty)
            .Select(vs => VirtualServiceResolution.WithDelegates(resolved[vs], to => delegates.GetValueOrDefault((to.Namespace, to.Name))))];
    }

    private bool GatewayApiChanged() =>
        Dirty<GatewayClass>() || Dirty<ApiGateway>() || Dirty<ListenerSet>() || Dirty<ApiRoute>() || Dirty<ReferenceGrant>() || Dirty<BackendTlsPolicy>()
        || Dirty<KubeIngress>() || Dirty<KubeIngressClass>()
        || (!Sorted<ApiGateway>().IsEmpty || !Sorted<BackendTlsPolicy>().IsEmpty) && (Dirty<KubeNamespace>() || Dirty<KubeSecret>() || Dirty<KubeConfigMap>());

    private bool Dirty<T>() where T : Resource => dirtyKinds.Contains(typeof(T));

    private TPart Part<T, TPart>(TPart? before, Func<ImmutableArray<T>, TPart> make) where T : Resource where TPart : class =>
        before is not null && !Dirty<T>() ? before : make(Sorted<T>());

    private ImmutableArray<T> Sorted<T>() where T : Resource
    {
        if (sorted.TryGetValue(typeof(T), out var known)) return (ImmutableArray<T>)known;
        var list = resources.Values.OfType<T>().ToList();
        list.Sort(Resource.ByAge);
        ImmutableArray<T> array = [.. list];
        sorted[typeof(T)] = array;
        return array;
    }
}
