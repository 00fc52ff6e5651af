using System.Collections.Immutable;
using Mesh.ControlPlane.Serve;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>The cluster as a source: one watch for each kind that the mesh reads, all into the feed.</summary>
internal sealed class KubeSource(
    KubeApi api, Options options, KubeOptions kube, WorldFeed feed, RefusedResources refused, NodeVersions nodes, NamespaceRanges ranges, InjectorConfig injector, KindArrivals arrivals, TimeProvider time, ILogger<KubeSource> log)
{
    // Tokens and Helm's history are of no use to the mesh, and large.
    private const string SecretsWorthReading = "fieldSelector=type%21%3Dhelm.sh%2Frelease.v1%2Ctype%21%3Dkubernetes.io%2Fservice-account-token%2Ctype%21%3Dkubernetes.io%2Fdockerconfigjson";

    private static readonly ImmutableArray<KubeKind> BuiltIn =
        [KubeKinds.Service, KubeKinds.EndpointSlice, KubeKinds.Pod, KubeKinds.Ingress, KubeKinds.IngressClass];

    /// <summary>Kinds of custom resources, with the versions we read, the preferred first. A cluster may have none of them.</summary>
    private static readonly ImmutableArray<ImmutableArray<KubeKind>> Custom =
    [
        Of("networking.istio.io", "VirtualService", "virtualservices", "v1", "v1beta1"),
        Of("networking.istio.io", "DestinationRule", "destinationrules", "v1", "v1beta1"),
        Of("networking.istio.io", "Gateway", "gateways", "v1", "v1beta1"),
        Of("networking.istio.io", "ServiceEntry", "serviceentries", "v1", "v1beta1"),
        Of("networking.istio.io", "WorkloadEntry", "workloadentries", "v1", "v1beta1"),
        Of("networking.istio.io", "WorkloadGroup", "workloadgroups", "v1", "v1beta1"),
        Of("networking.istio.io", "Sidecar", "sidecars", "v1", "v1beta1"),
        Of("networking.istio.io", "EnvoyFilter", "envoyfilters", "v1alpha3"),
        Of("networking.istio.io", "ProxyConfig", "proxyconfigs", "v1beta1"),
        Of("security.istio.io", "PeerAuthentication", "peerauthentications", "v1", "v1beta1"),
        Of("security.istio.io", "RequestAuthentication", "requestauthentications", "v1", "v1beta1"),
        Of("security.istio.io", "AuthorizationPolicy", "authorizationpolicies", "v1", "v1beta1"),
        Of("telemetry.istio.io", "Telemetry", "telemetries", "v1", "v1alpha1"),
        Of("mesh.local", "RateLimit", "ratelimits", "v1alpha1"),
        Of("gateway.networking.k8s.io", "GatewayClass", "gatewayclasses", "v1", "v1beta1"),
        Of("gateway.networking.k8s.io", "Gateway", "gateways", "v1", "v1beta1"),
        Of("gateway.networking.k8s.io", "HTTPRoute", "httproutes", "v1", "v1beta1"),
        Of("gateway.networking.k8s.io", "GRPCRoute", "grpcroutes", "v1"),
        Of("gateway.networking.k8s.io", "TLSRoute", "tlsroutes", "v1", "v1alpha3", "v1alpha2"),
        Of("gateway.networking.k8s.io", "TCPRoute", "tcproutes", "v1", "v1alpha2"),
        Of("gateway.networking.k8s.io", "ListenerSet", "listenersets", "v1"),
        Of("gateway.networking.k8s.io", "ReferenceGrant", "referencegrants", "v1", "v1beta1"),
        Of("gateway.networking.k8s.io", "BackendTLSPolicy", "backendtlspolicies", "v1", "v1alpha3"),
    ];

    private readonly NamespaceScope scope = new();
    private readonly ClusterTrouble trouble = new(log);
    private readonly Random random = new(options.GetHashCode());
    private readonly TaskCompletionSource synced = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when every kind has been heard once: before that, an empty list means nothing.</summary>
    public Task Synced => synced.Task;

    public async Task RunAsync(CancellationToken stop)
    {
        feed.Published += world => scope.Select(world.World.Mesh.DiscoverySelectors);
        var heard = new List<Task>();
        var running = new List<Task>();

        // Namespaces first: the others ask the scope about them.
        Start(KubeKinds.Namespace, new TwoSinks(Store(), ranges));
        foreach (var kind in BuiltIn) Start(kind, Store());
        Start(KubeKinds.Secret, Store(), SecretsWorthReading);
        Start(KubeKinds.Node, new TwoSinks(Store(), nodes));
        Start(KubeKinds.ConfigMap, new TwoSinks(Store(), injector), inNamespace: options.Namespace);
        Start(KubeKinds.ConfigMap, new AuthorityMaps(Store()), AuthorityMaps.Selector(options.Namespace));
        running.Add(new KubeWatch(api, KubeKinds.CustomResourceDefinition, arrivals, time, random, kube.Times) { OnlyMetadata = true }.RunAsync(stop));
        foreach (var versions in Custom)
        {
            var known = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            heard.Add(known.Task);
            running.Add(FollowCustomAsync(versions, known, stop));
        }

        await Task.WhenAny(Task.WhenAll(heard), Task.WhenAll(running));
        if (stop.IsCancellationRequested) return;
        log.LogInformation("the cluster {Server} has been heard: {Count} kinds", api.Server, heard.Count);
        synced.TrySetResult();
        await Task.WhenAll(running);

        void Start(KubeKind kind, IKubeSink sink, string selector = "", string? inNamespace = null)
        {
            var watch = new KubeWatch(api, kind, sink, time, random, kube.Times, inNamespace, selector);
            heard.Add(watch.Synced);
            running.Add(watch.RunAsync(stop));
        }
    }

    private ResourceStore Store() => new(feed, refused, scope, trouble, log);

    private static ImmutableArray<KubeKind> Of(string group, string kind, string plural, params ReadOnlySpan<string> versions)
    {
        var kinds = ImmutableArray.CreateBuilder<KubeKind>();
        foreach (var version in versions) kinds.Add(new(group, version, plural, kind, IsNamespaced: kind != "GatewayClass"));
        return kinds.ToImmutable();
    }

    /// <summary>Waits until the cluster serves one of the versions, then follows that.</summary>
    private async Task FollowCustomAsync(ImmutableArray<KubeKind> versions, TaskCompletionSource known, CancellationToken stop)
    {
        try
        {
            await WaitAndFollowAsync(versions, known, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            log.LogDebug("{Kind}: no longer followed", versions[0]);
        }
    }

    private async Task WaitAndFollowAsync(ImmutableArray<KubeKind> versions, TaskCompletionSource known, CancellationToken stop)
    {
        var sink = Store();
        while (!stop.IsCancellationRequested)
        {
            KubeAnswer? refusal = null;
            foreach (var kind in versions)
            {
                var there = await api.ListAsync(kind, null, "limit=1", stop);
                if (!there.IsFine && !there.IsAbsent) refusal = there;
                if (!there.IsFine) continue;

                var watch = new KubeWatch(api, kind, sink, time, random, kube.Times);
                _ = watch.Synced.ContinueWith(_ => known.TrySetResult(), stop, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
                await watch.RunAsync(stop);
                return;
            }
            // Not installed is no reason to wait with all the others; not to know is one.
            if (refusal is null) known.TrySetResult();
            else sink.Trouble($"listing {versions[0]}: {refusal}");
            if (refusal is null) await arrivals.WaitAsync(versions[0], kube.Times.AbsentRetry, stop);
            else await Task.Delay(kube.Times.BackoffMax / 10, time, stop);
        }
    }
}
