using Mesh.ControlPlane.Ca;
using Mesh.ControlPlane.Serve;
using Mesh.ControlPlane.Webhooks;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>What the control plane has more of when it works with a cluster.</summary>
internal static class KubeParts
{
    private const string Election = "istio-leader";

    public static void Add(IServiceCollection services, KubeApi api, Options options)
    {
        services.AddSingleton(api).AddSingleton(options.Kube!);
        if (options.External is { } signers) services.AddSingleton(signers).AddSingleton<ClusterSignerMetrics>().AddSingleton<IWorkloadSigner, ClusterSigner>();
        services.AddSingleton<NodeVersions>().AddSingleton<NamespaceRanges>().AddSingleton<InjectorConfig>().AddSingleton<KubeSource>();
        services.AddSingleton<RootCertificates>().AddSingleton<WebhookCertificates>().AddSingleton<KindArrivals>().AddSingleton<GatewayStatuses>().AddSingleton<GatewayDeployments>().AddSingleton<PartStatuses>();
        services.AddSingleton(provider => new RootReports(
            api, provider.GetRequiredService<CertificateAuthority>(), () => provider.GetRequiredService<ProxyStreams>().WithoutRoots, options,
            provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<RootReports>>()));
        services.AddSingleton<ITokenVerifier, TokenReviews>();
        services.AddSingleton<WebhookMetrics>();
    }

    /// <summary>Watches and writes until it is stopped. Completes its part of the start when the cluster has been heard.</summary>
    public static async Task<Task> StartAsync(IServiceProvider services, Options options, CancellationToken stop)
    {
        var kube = services.GetRequiredService<KubeOptions>();
        var source = services.GetRequiredService<KubeSource>();
        var running = source.RunAsync(stop);
        await Task.WhenAny(source.Synced, running);

        var lease = new LeaderLease(
            services.GetRequiredService<KubeApi>(), options.Namespace, options.Revision is "default" or "" ? Election : $"{Election}-{options.Revision}",
            kube.Replica, kube.LeaseDuration, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<KubeSource>>());
        return Task.WhenAll(running, services.GetRequiredService<RootReports>().RunAsync(stop), lease.RunAsync(term => Task.WhenAll(
            services.GetRequiredService<RootCertificates>().RunAsync(term),
            services.GetRequiredService<WebhookCertificates>().RunAsync(term),
            services.GetRequiredService<GatewayStatuses>().RunAsync(term),
            services.GetRequiredService<GatewayDeployments>().RunAsync(term),
            services.GetRequiredService<PartStatuses>().RunAsync(term)), stop));
    }
}
