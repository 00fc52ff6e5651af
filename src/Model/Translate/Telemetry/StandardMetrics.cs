using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>Istio's standard metrics with what Telemetry changes of them.</summary>
internal static class StandardMetrics
{
    private const string All = "ALL_METRICS", DefaultProvider = "prometheus";

    private static readonly ImmutableSortedDictionary<string, string> Names = ImmutableSortedDictionary.CreateRange(StringComparer.Ordinal,
    [
        KeyValuePair.Create("REQUEST_COUNT", "requests_total"),
        KeyValuePair.Create("REQUEST_DURATION", "request_duration_milliseconds"),
        KeyValuePair.Create("REQUEST_SIZE", "request_bytes"),
        KeyValuePair.Create("RESPONSE_SIZE", "response_bytes"),
        KeyValuePair.Create("TCP_OPENED_CONNECTIONS", "tcp_connections_opened_total"),
        KeyValuePair.Create("TCP_CLOSED_CONNECTIONS", "tcp_connections_closed_total"),
        KeyValuePair.Create("TCP_SENT_BYTES", "tcp_sent_bytes_total"),
        KeyValuePair.Create("TCP_RECEIVED_BYTES", "tcp_received_bytes_total"),
        KeyValuePair.Create("GRPC_REQUEST_MESSAGES", "request_messages_total"),
        KeyValuePair.Create("GRPC_RESPONSE_MESSAGES", "response_messages_total"),
    ]);

    /// <param name="layers">Of the mesh, the namespace, the workload, in this order: what comes later wins, metric by metric and tag by tag.</param>
    /// <returns>Null when all of them are switched off, or nobody is to be told.</returns>
    public static Stats.PluginConfig? For(MeshConfig mesh, ImmutableArray<MetricsSetting> layers, TrafficSide side, bool isGateway)
    {
        var providers = mesh.DefaultMetrics.IsEmpty ? [DefaultProvider] : mesh.DefaultMetrics;
        var made = new Stats.PluginConfig { DisableHostHeaderFallback = side == TrafficSide.Server || isGateway };
        var changes = new SortedDictionary<string, Change>(StringComparer.Ordinal);
        foreach (var layer in layers)
        {
            if (!layer.Providers.IsEmpty) providers = layer.Providers;
            if (layer.ReportingInterval is { } interval) made.TcpReportingDuration = Protos.Span(interval);
            foreach (var entry in layer.Overrides.Where(entry => entry.Side == TrafficSide.ClientAndServer || entry.Side == side))
                foreach (var metric in entry.Metric == All ? Names.Keys : [entry.Metric])
                {
                    if (!changes.TryGetValue(metric, out var change)) changes[metric] = change = new();
                    change.IsDropped = entry.Disabled ?? change.IsDropped;
                    foreach (var tag in entry.Tags) change.Tags[tag.Name] = tag;
                }
        }
        if (!providers.Any(name => mesh.Provider(name) is { } provider ? provider.Kind == DefaultProvider : name == DefaultProvider)) return null;
        if (Names.Keys.All(metric => changes.TryGetValue(metric, out var change) && change.IsDropped)) return null;

        foreach (var (metric, change) in changes)
        {
            var config = new Stats.MetricConfig { Name = Names.GetValueOrDefault(metric, metric), Drop = change.IsDropped };
            foreach (var tag in change.Tags.Values)
                if (tag.Removes) config.TagsToRemove.Add(tag.Name);
                else config.Dimensions[tag.Name] = tag.Value;
            if (config.Drop || config.TagsToRemove.Count + config.Dimensions.Count > 0) made.Metrics.Add(config);
        }
        return made;
    }

    private sealed class Change
    {
        public bool IsDropped { get; set; }
        public SortedDictionary<string, TagChange> Tags { get; } = new(StringComparer.Ordinal);
    }
}
