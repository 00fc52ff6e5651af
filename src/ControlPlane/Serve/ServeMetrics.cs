using Mesh.Xds;
using Prometheus;

namespace Mesh.ControlPlane.Serve;

/// <summary>What serving counts, under Istio's names and help texts' meaning, so that its dashboards read it.</summary>
internal sealed class ServeMetrics(CollectorRegistry registry)
{
    private static readonly double[] Seconds = [0.01, 0.1, 0.5, 1, 3, 5, 10, 20, 30];
    private static readonly double[] Bytes = [1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000];

    private readonly IMetricFactory factory = Metrics.WithCustomRegistry(registry);

    public IGauge Streams => OpenStreams.WithLabels(Release.Version);
    public ICounter TurnedAway => field ??= factory.CreateCounter("pilot_xds_turned_away", "Streams refused because too many were open.");
    public ICounter UnheardWorlds => field ??= factory.CreateCounter("pilot_world_subscriber_failures", "Parts of the control plane that failed when they were told of a new configuration.");
    public ICounter WriteTimeouts => field ??= factory.CreateCounter("pilot_xds_write_timeout", "Pilot XDS response write timeouts.");

    public IHistogram PushTime => field ??= factory.CreateHistogram(
        "pilot_xds_push_time", "Total time in seconds Pilot takes to push lds, rds, cds and eds.", new HistogramConfiguration { Buckets = Seconds });

    public IHistogram Convergence => field ??= factory.CreateHistogram(
        "pilot_proxy_convergence_time", "Delay in seconds between config change and a proxy receiving all required configuration.",
        new HistogramConfiguration { Buckets = [0.01, 0.1, 0.5, 1, 3, 5, 10, 20, 30] });

    private Gauge OpenStreams => field ??= factory.CreateGauge("pilot_xds", "Number of endpoints connected to this pilot using XDS.", ["version"]);
    private Counter Pushes => field ??= factory.CreateCounter("pilot_xds_pushes", "Pilot build and send errors for lds, rds, cds and eds.", ["type"]);
    private Histogram Sizes => field ??= factory.CreateHistogram(
        "pilot_xds_config_size_bytes", "Distribution of configuration sizes pushed to clients", new HistogramConfiguration { Buckets = Bytes, LabelNames = ["type"] });
    private Counter Rejects => field ??= factory.CreateCounter("pilot_total_xds_rejects", "Total number of XDS responses from pilot rejected by proxy.", ["type"]);
    private Gauge Resources => field ??= factory.CreateGauge("pilot_services", "Total services known to pilot.");
    private Gauge Routes => field ??= factory.CreateGauge("pilot_virt_services", "Total virtual services known to pilot.");
    private Counter InternalErrors => field ??= factory.CreateCounter("pilot_total_xds_internal_errors", "Total number of internal XDS errors in pilot.");
    private Counter Configuration => field ??= factory.CreateCounter("pilot_k8s_cfg_events", "Events from the sources of configuration.", ["type", "event"]);
    private Counter Registrations => field ??= factory.CreateCounter("pilot_k8s_reg_events", "Events from the sources of services and their endpoints.", ["type", "event"]);
    private Gauge About => field ??= factory.CreateGauge("pilot_info", "Pilot version and build information.", ["version"]);
    private Counter Triggers => field ??= factory.CreateCounter("pilot_push_triggers", "Total number of times a push was triggered, labeled by reason for the push.", ["type"]);
    private Gauge Build => field ??= factory.CreateGauge("istio_build", "Istio component build info", ["component", "tag"]);
    private Counter Versions => field ??= factory.CreateCounter("pilot_worlds_published", "Versions of the whole configuration that were published.");
    private Gauge RefusedNow => field ??= factory.CreateGauge("galley_validation_failed_now", "Resources that are refused at this moment.");

    public void Started()
    {
        Build.WithLabels("pilot", Release.Version).Set(1);
        About.WithLabels(Release.Version).Set(1);
        InternalErrors.Inc(0);
        foreach (var type in (ReadOnlySpan<string>)["cds", "eds", "lds", "rds"]) Rejects.WithLabels(type).Inc(0);
    }

    /// <summary>A resource came, changed or went.</summary>
    public void Heard(ResourceEvent heard)
    {
        var kind = heard.Key.Kind;
        var counter = kind is "Service" or "Endpoints" or "EndpointSlice" or "Pod" or "Node" or "Namespace" or "WorkloadEntry" or "ServiceEntry" ? Registrations : Configuration;
        counter.WithLabels(kind, heard.Resource is null ? "delete" : "update").Inc();
    }

    public void Sent(DiscoveryReply reply, int bytes)
    {
        var type = reply.TypeUrl;
        Pushes.WithLabels(TypeUrl.ShortName(type).ToLowerInvariant()).Inc();
        Sizes.WithLabels(type).Observe(bytes);
    }

    public void Refused(string typeUrl, string proxy) => Rejects.WithLabels(TypeUrl.ShortName(typeUrl).ToLowerInvariant()).Inc();

    public void Published(PublishedWorld world, int refused)
    {
        Versions.Inc();
        Triggers.WithLabels("config").Inc();
        Resources.Set(world.World.Registry.Services.Length);
        Routes.Set(world.World.Registry.VirtualServices.Length);
        RefusedNow.Set(refused);
    }
}
