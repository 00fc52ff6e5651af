using System.Collections.Immutable;
using Envoy.Config.Trace.V3;
using Envoy.Type.Tracing.V3;
using Mesh.Model.Resources;
using Hcm = Envoy.Extensions.Filters.Network.HttpConnectionManager.V3.HttpConnectionManager;
using Tag = Envoy.Type.Tracing.V3.CustomTag;

namespace Mesh.Model.Translate;

/// <summary>Spans: where they go, how many are kept, what is written on them.</summary>
internal static class Tracing
{
    private const double SamplingDefault = 1;

    /// <returns>Null when the mesh does not trace.</returns>
    public static Hcm.Types.Tracing? For(List<Resources.Telemetry> layers, View view, TrafficSide side)
    {
        var mesh = view.Mesh;
        if (!mesh.EnableTracing) return null;

        var providers = mesh.DefaultTracing;
        double? sampling = null;
        var (silent, istioTags) = (false, true);
        ImmutableArray<Resources.CustomTag> tags = view.Shape.Settings.TracingTags;
        foreach (var entry in layers.SelectMany(layer => layer.Tracing).Where(entry => entry.Side == TrafficSide.ClientAndServer || entry.Side == side))
        {
            if (!entry.Providers.IsEmpty) providers = entry.Providers;
            sampling = entry.SamplingPercent ?? sampling;
            silent = entry.DisableSpans ?? silent;
            istioTags = entry.IstioTags ?? istioTags;
            if (!entry.Tags.IsEmpty) tags = entry.Tags;
        }

        var provider = providers.IsEmpty ? null : mesh.Provider(providers[0]);
        var made = new Hcm.Types.Tracing
        {
            ClientSampling = new() { Value = silent ? 0 : 100 },
            RandomSampling = new() { Value = silent ? 0 : sampling ?? view.Shape.Settings.TracingSampling ?? mesh.Proxy.TracingSampling ?? SamplingDefault },
            OverallSampling = new() { Value = silent ? 0 : 100 },
        };
        if ((view.Shape.Settings.MaxPathTagLength ?? provider?.Raw.UIntOrNull("maxTagLength")) is { } length) made.MaxPathTagLength = length;
        if (provider is not null && !silent && ProviderOf(provider, view) is { } http)
        {
            made.Provider = http;
            if (view.Shape.Kind.IsGateway) made.SpawnUpstreamSpan = true;
        }
        // Tags are written on spans only; without a provider there are none, and workloads can share what they are sent.
        if (made.Provider is null) return made;
        if (istioTags) made.CustomTags.Add(IstioTags(view.Shape));
        made.CustomTags.Add(tags.Select(OwnTag));
        return made;
    }

    /// <summary>Whether the decision stands in the request's id; the latest layer that says so wins.</summary>
    public static bool UsesRequestId(List<Resources.Telemetry> layers, TrafficSide side) =>
        layers.SelectMany(layer => layer.Tracing).Where(entry => entry.Side == TrafficSide.ClientAndServer || entry.Side == side)
            .Select(entry => entry.UsesRequestId).LastOrDefault(choice => choice is not null) ?? true;

    private static Envoy.Config.Trace.V3.Tracing.Types.Http? ProviderOf(ExtensionProvider provider, View view)
    {
        if (Providers.ClusterOf(provider, view) is not var (cluster, host)) return null;
        switch (provider.Kind)
        {
            case "zipkin":
                return new()
                {
                    Name = "envoy.tracers.zipkin",
                    TypedConfig = Protos.Pack(new ZipkinConfig
                    {
                        CollectorCluster = cluster,
                        CollectorEndpoint = provider.Path.Length > 0 ? provider.Path : "/api/v2/spans",
                        CollectorEndpointVersion = ZipkinConfig.Types.CollectorEndpointVersion.HttpJson,
                        CollectorHostname = host,
                        TraceId128Bit = !provider.Raw.Bool("enable64bitTraceId"),
                        SharedSpanContext = false,
                        TraceContextOption = provider.Raw.Text("traceContextOption") == "USE_B3_WITH_W3C_PROPAGATION"
                            ? ZipkinConfig.Types.TraceContextOption.UseB3WithW3CPropagation : ZipkinConfig.Types.TraceContextOption.UseB3,
                    }),
                };
            case "opentelemetry":
                var config = new OpenTelemetryConfig { ServiceName = ServiceName(view.Shape) };
                if (provider.Raw["http"] is { Exists: true } http)
                {
                    config.HttpService = new()
                    {
                        HttpUri = new() { Uri = $"http://{host}:{provider.Port}{http.Text("path")}", Cluster = cluster, Timeout = Protos.Span(http.Duration("timeout") ?? TimeSpan.FromSeconds(3)) },
                    };
                    foreach (var (name, value) in http.Each("headers", header => (header.Text("name"), header.Text("value"))).Where(header => header.Item2.Length > 0))
                        config.HttpService.RequestHeadersToAdd.Add(new Envoy.Config.Core.V3.HeaderValueOption
                        {
                            Header = new() { Key = name, Value = value },
                            AppendAction = Envoy.Config.Core.V3.HeaderValueOption.Types.HeaderAppendAction.OverwriteIfExistsOrAdd,
                        });
                }
                else
                {
                    config.GrpcService = new() { EnvoyGrpc = new() { ClusterName = cluster, Authority = host } };
                    if (provider.Raw["grpc"].Duration("timeout") is { } patience) config.GrpcService.Timeout = Protos.Span(patience);
                    foreach (var (name, value) in provider.Raw["grpc"].Each("initialMetadata", header => (header.Text("name"), header.Text("value"))).Where(header => header.Item2.Length > 0))
                        config.GrpcService.InitialMetadata.Add(new Envoy.Config.Core.V3.HeaderValue { Key = name, Value = value });
                }
                return new() { Name = "envoy.tracers.opentelemetry", TypedConfig = Protos.Pack(config) };
            default:
                return null;
        }
    }

    /// <summary>The app label and the namespace, as Istio names a workload in traces.</summary>
    private static string ServiceName(ProxyShape shape) =>
        $"{shape.Labels["app"] ?? shape.Labels["app.kubernetes.io/name"] ?? (shape.Workload.Length > 0 ? shape.Workload : "istio-proxy")}.{shape.Namespace}";

    private static IEnumerable<Tag> IstioTags(ProxyShape shape)
    {
        var (name, revision) = CanonicalNames.Of(shape.Labels, shape.Workload);
        yield return Literal("istio.canonical_revision", revision);
        yield return Literal("istio.canonical_service", name.Length > 0 ? name : "unknown");
        if (shape.ClusterId.Length > 0) yield return Literal("istio.cluster_id", shape.ClusterId);
        yield return Literal("istio.mesh_id", shape.MeshId.Length > 0 ? shape.MeshId : "unknown");
        yield return Literal("istio.namespace", shape.Namespace);
    }

    private static Tag Literal(string name, string value) => new() { Tag = name, Literal = new() { Value = value } };

    private static Tag OwnTag(Resources.CustomTag tag) => tag.Source switch
    {
        TagSource.Header => new() { Tag = tag.Name, RequestHeader = new() { Name = tag.Value, DefaultValue = tag.Default } },
        TagSource.Environment => new() { Tag = tag.Name, Environment = new() { Name = tag.Value, DefaultValue = tag.Default } },
        TagSource.Formatter => new() { Tag = tag.Name, Value = tag.Value },
        _ => Literal(tag.Name, tag.Value),
    };
}
