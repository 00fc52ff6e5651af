using Prometheus;

namespace Mesh.ControlPlane.Webhooks;

/// <summary>What the webhooks count, under Istio's names.</summary>
internal sealed class WebhookMetrics(CollectorRegistry registry)
{
    private readonly IMetricFactory factory = Metrics.WithCustomRegistry(registry);

    public ICounter Injections => field ??= factory.CreateCounter("sidecar_injection_requests_total", "Total number of sidecar injection requests.");
    public ICounter Injected => field ??= factory.CreateCounter("sidecar_injection_success_total", "Total number of successful sidecar injection requests.");
    public ICounter InjectionsFailed => field ??= factory.CreateCounter("sidecar_injection_failure_total", "Total number of failed sidecar injection requests.");
    public ICounter InjectionsSkipped => field ??= factory.CreateCounter("sidecar_injection_skip_total", "Total number of skipped sidecar injection requests.");

    public IHistogram InjectionTime => field ??= factory.CreateHistogram(
        "sidecar_injection_time_seconds", "Total time taken for injection in seconds.", new HistogramConfiguration { Buckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5] });

    public ICounter Validated => field ??= factory.CreateCounter("galley_validation_passed", "Resource is valid");
    public ICounter Refused => field ??= factory.CreateCounter("galley_validation_failed", "Resource validation failed");
    public ICounter Broken => field ??= factory.CreateCounter("galley_validation_http_error", "Resource validation http serve errors");
}
