using System.Net;
using System.Security.Cryptography.X509Certificates;
using Grpc.AspNetCore.Server.Model;
using Mesh.ControlPlane.Ca;
using Mesh.ControlPlane.Debug;
using Mesh.ControlPlane.Files;
using Mesh.ControlPlane.Kube;
using Mesh.ControlPlane.Serve;
using Mesh.ControlPlane.Telemetry;
using Mesh.Model.Translate;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Prometheus;

namespace Mesh.ControlPlane;

/// <summary>
/// The control plane put together: sources → feed → World → streams; certificates beside. The only composition root.
/// </summary>
internal static class Istiod
{
    /// <summary>For answers under way at the end; a kubelet kills after 30 s.</summary>
    private static readonly TimeSpan ShutdownMax = TimeSpan.FromSeconds(5);

    /// <param name="opened">Called once when all doors are open and the first configuration is served: <c>name address</c> of each door.</param>
    public static async Task<int> RunAsync(Options options, TimeProvider time, CancellationToken stop, Action<IReadOnlyList<string>>? opened = null)
    {
        ClusterStart? cluster = null;
        if (options.Kube is not null)
        {
            (options, cluster) = await ClusterStart.OpenAsync(options, time, stop);
            if (cluster is null) return 1;
        }
        await using var app = Build(options, time, cluster);
        var log = app.Services.GetRequiredService<ILogger<WorldFeed>>();
        try
        {
            app.Services.GetRequiredService<ServeMetrics>().Started();
            app.Services.GetRequiredService<CaMetrics>().Follow(app.Services.GetRequiredService<CertificateAuthority>());
            RuntimeMetrics.Register(app.Services.GetRequiredService<CollectorRegistry>());
            await app.StartAsync(stop);
            await RunSourcesAsync(app, options, opened, stop);
            await app.StopAsync(CancellationToken.None);
            return 0;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            log.LogInformation("stopped");
            return 0;
        }
        catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            log.LogCritical("cannot start: {Reason}", e.Message);
            return 1;
        }
    }

    internal static WebApplication Build(Options options, TimeProvider time, ClusterStart? cluster = null)
    {
        var authority = cluster?.Authority(options, time) ?? Authority(options, time);
        var bundle = new TrustBundle(authority, options);
        var tokens = options.StateFolder is { } state ? LocalTokens.Kept(state, time) : LocalTokens.Fresh(time);
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ApplicationName = "mesh-istiod" });
        Logging(builder, options);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => Doors(kestrel, options, authority, bundle));

        var services = builder.Services;
        services.Configure<HostOptions>(host => host.ShutdownTimeout = ShutdownMax);
        services.AddSingleton(options).AddSingleton(time).AddSingleton(authority).AddSingleton(bundle).AddSingleton(tokens);
        services.AddSingleton(Metrics.NewCustomRegistry());
        services.AddSingleton<WorldFeed>().AddSingleton<TokenKeys>().AddSingleton(_ => new HttpClient()).AddSingleton<RefusedResources>().AddSingleton<Translator>();
        services.AddSingleton<ProxyStreams>().AddSingleton<ServeMetrics>().AddSingleton<CaMetrics>().AddSingleton<LocalSecrets>().AddSingleton<ProxylessView>().AddSingleton<PluggedInFolder>().AddSingleton<RootsResource>().AddSingleton<MemoryTrim>().AddSingleton<PartsLeftOut>();
        services.AddSingleton(provider => new RootRotation(
            authority, () => provider.GetRequiredService<ProxyStreams>().WithoutRoots, () => provider.GetService<Kube.RootReports>()?.Others ?? OtherReplicas.None, time));
        services.AddSingleton<ITokenVerifier, LocalTokenVerifier>();
        services.AddSingleton<TrustDomain>().AddSingleton<Authenticator>().AddSingleton<MeshFile>();
        services.AddSingleton<LiveTraffic>().AddSingleton<TrafficService>().AddSingleton<FrontDoor.MeshSummary>();
        if (options.AddOns.Count > 0) services.AddHttpForwarder();
        services.AddSingleton<AdsService>().AddSingleton<CertificateService>().AddSingleton<ProxyDump>();
        if (options.Folders.Count > 0) services.AddSingleton(provider => Folder(provider, options.Folders));
        if (cluster is not null) KubeParts.Add(services, cluster.Api, options);
        if (options.External is null) services.AddSingleton<IWorkloadSigner, OwnSigner>();
        services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = 8 << 20);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IServiceMethodProvider<AdsService>, AdsMethods>());

        var app = builder.Build();
        app.MapGrpcService<AdsService>();
        app.MapGrpcService<CertificateService>();
        app.MapGrpcService<TrafficService>();
        DebugEndpoints.Map(app, options);
        FrontDoor.FrontDoor.Map(app, options);
        if (cluster is not null) Webhooks.Webhooks.Map(app);
        return app;
    }

    private static async Task RunSourcesAsync(WebApplication app, Options options, Action<IReadOnlyList<string>>? opened, CancellationToken stop)
    {
        var services = app.Services;
        var feed = services.GetRequiredService<WorldFeed>();
        var metrics = services.GetRequiredService<ServeMetrics>();
        var refused = services.GetRequiredService<RefusedResources>();
        _ = services.GetRequiredService<ProxyStreams>(); // subscribes to the feed
        feed.Published += services.GetRequiredService<PartsLeftOut>().Take;
        feed.Published += TrustBundle.Following(services.GetRequiredService<TrustBundle>(), services.GetRequiredService<ILogger<TrustBundle>>());
        feed.Published += world => metrics.Published(world, refused.All.Count);

        services.GetRequiredService<MeshFile>().Load();
        var tasks = new List<Task>();
        if (services.GetService<FolderSource>() is { } folder)
        {
            await folder.ScanAsync(stop);
            tasks.Add(folder.WatchAsync(stop));
        }
        // Half a cluster is no configuration: proxies keep what they have until all of it has been heard.
        if (options.Kube is not null) tasks.Add(await KubeParts.StartAsync(services, options, stop));
        tasks.Add(services.GetRequiredService<PluggedInFolder>().WatchAsync(stop));
        tasks.Add(services.GetRequiredService<MemoryTrim>().RunAsync(stop));
        tasks.Add(feed.RunAsync(stop));
        tasks.Add(services.GetRequiredService<TokenKeys>().RunAsync(stop));
        await feed.FlushAsync(stop);
        var addresses = Addresses(app, options);
        if (options.AddressFile is { } file) await File.WriteAllLinesAsync(file, addresses, stop);
        opened?.Invoke(addresses);
        await Task.WhenAll(tasks);
    }

    /// <summary>The doors by name, as they were opened: Kestrel lists them in that order.</summary>
    internal static IReadOnlyList<string> Addresses(WebApplication app, Options options)
    {
        var names = new List<string>();
        if (options.Grpc is not null) names.Add("grpc");
        if (options.Http is not null) names.Add("http");
        if (options.Monitoring is not null) names.Add("monitoring");
        if (options.LocalSds is not null) names.Add("sds");
        if (options.SecureGrpc is not null) names.Add("secureGrpc");
        if (options.Webhooks is not null) names.Add("webhooks");
        return [.. names.Zip(app.Urls, (name, url) => $"{name} {url}")];
    }

    private static FolderSource Folder(IServiceProvider provider, IReadOnlyList<string> folders) => new(
        [.. folders.Select(Path.GetFullPath)], provider.GetRequiredService<WorldFeed>(), provider.GetRequiredService<RefusedResources>(),
        provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<FolderSource>>());

    private static CertificateAuthority Authority(Options options, TimeProvider time)
    {
        var now = time.GetUtcNow();
        if (options.StateFolder is { } state) Directory.CreateDirectory(state);
        var material = options.CaFolder is { } plugged ? SigningMaterial.FromFolder(plugged, now)
            : options.StateFolder is { } kept ? SigningMaterial.Kept(kept, options.TrustDomain ?? "cluster.local", now)
            : SigningMaterial.SelfMade(options.TrustDomain ?? "cluster.local", now);
        return new(material, options.CertificateLifetime, options.CertificateLifetimeMax, time);
    }

    private static void Logging(WebApplicationBuilder builder, Options options)
    {
        builder.Logging.ClearProviders();
        builder.Logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ";
            console.UseUtcTimestamp = true;
        });
        builder.Logging.SetMinimumLevel(options.IsVerbose ? LogLevel.Debug : LogLevel.Information);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning).AddFilter("Grpc", LogLevel.Warning);
    }

    /// <summary>The certificate with what leads from it to the root: who knows only the root could not follow otherwise.</summary>
    private static void Present(System.Net.Security.SslServerAuthenticationOptions ssl, ServerCertificate server)
    {
        ssl.ServerCertificateSelectionCallback = null;
        ssl.ServerCertificateContext = server.Context();
    }

    private static void Doors(KestrelServerOptions kestrel, Options options, CertificateAuthority authority, TrustBundle bundle)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxConcurrentConnections = options.StreamsMax + 1_000;
        kestrel.Limits.Http2.MaxStreamsPerConnection = 100;
        // A proxy whose machine vanished is noticed in forty seconds.
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
        kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(10);
        kestrel.Limits.MinRequestBodyDataRate = null; // an ADS stream is quiet for hours
        kestrel.Limits.MinResponseDataRate = null;

        void Open(IPEndPoint? address, HttpProtocols protocols)
        {
            if (address is not null) kestrel.Listen(address, listen => listen.Protocols = protocols);
        }
        Open(options.Grpc, HttpProtocols.Http2);
        Open(options.Http, HttpProtocols.Http1);
        Open(options.Monitoring, HttpProtocols.Http1);
        if (options.LocalSds is { } socket)
        {
            File.Delete(socket);
            kestrel.ListenUnixSocket(socket, listen => listen.Protocols = HttpProtocols.Http2);
        }
        if (options.SecureGrpc is { } secure)
        {
            var server = new ServerCertificate(authority, bundle, options);
            kestrel.Listen(secure, listen =>
            {
                listen.Protocols = HttpProtocols.Http2;
                listen.UseHttps(https =>
                {
                    https.ServerCertificateSelector = (_, _) => server.Current();
                    https.OnAuthenticate = (_, ssl) => Present(ssl, server);
                    https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
                    https.ClientCertificateValidation = (certificate, chain, _) => server.Trusts(certificate, chain);
                    https.SslProtocols = System.Security.Authentication.SslProtocols.Tls13 | System.Security.Authentication.SslProtocols.Tls12;
                });
            });
        }
        if (options.Webhooks is { } webhooks)
        {
            var server = new ServerCertificate(authority, bundle, options);
            kestrel.Listen(webhooks, listen =>
            {
                listen.Protocols = HttpProtocols.Http1AndHttp2;
                listen.UseHttps(https =>
                {
                    https.ServerCertificateSelector = (_, _) => server.Current();
                    https.OnAuthenticate = (_, ssl) => Present(ssl, server);
                });
            });
        }
    }
}
