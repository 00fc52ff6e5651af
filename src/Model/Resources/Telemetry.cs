using System.Collections.Immutable;

namespace Mesh.Model.Resources;

public enum TrafficSide { ClientAndServer, Client, Server }

public sealed record TagChange(string Name, bool Removes, string Value);

public sealed record MetricsOverride(string Metric, TrafficSide Side, bool? Disabled, ImmutableArray<TagChange> Tags);

public sealed record MetricsSetting(ImmutableArray<string> Providers, ImmutableArray<MetricsOverride> Overrides, TimeSpan? ReportingInterval);

public sealed record LoggingSetting(ImmutableArray<string> Providers, TrafficSide Side, bool? Disabled, string? Filter);

public enum TagSource { Literal, Environment, Header, Formatter }

public sealed record CustomTag(string Name, TagSource Source, string Value, string Default);

public sealed record TracingSetting(
    ImmutableArray<string> Providers, TrafficSide Side, double? SamplingPercent, bool? DisableSpans, bool? UsesRequestId, bool? IstioTags,
    ImmutableArray<CustomTag> Tags);

public sealed class Telemetry(ResourceMeta meta, Fields root) : Resource(meta)
{
    public LabelSet Selector { get; } = root["spec"]["selector"].Labels("matchLabels");
    public ImmutableArray<TargetRef> Targets { get; } = TargetRef.ReadAll(root["spec"]);

    public ImmutableArray<MetricsSetting> Metrics { get; } = root["spec"].Each("metrics", m => new MetricsSetting(
        Providers(m),
        m.Each("overrides", o => new MetricsOverride(
            o["match"].Text("metric", o["match"].Text("customMetric", "ALL_METRICS")), o["match"].Enum("mode", TrafficSide.ClientAndServer), o.BoolOrNull("disabled"),
            [.. o["tagOverrides"].Entries().Select(t => new TagChange(t.Key, t.Value.Text("operation") == "REMOVE", t.Value.Text("value")))])),
        m.Duration("reportingInterval")));

    public ImmutableArray<LoggingSetting> Logging { get; } = root["spec"].Each("accessLogging", l => new LoggingSetting(
        Providers(l), l["match"].Enum("mode", TrafficSide.ClientAndServer), l.BoolOrNull("disabled"),
        l.Has("filter") ? l["filter"].Text("expression") : null));

    public ImmutableArray<TracingSetting> Tracing { get; } = root["spec"].Each("tracing", t => new TracingSetting(
        Providers(t), t["match"].Enum("mode", TrafficSide.ClientAndServer), t.DoubleOrNull("randomSamplingPercentage"), t.BoolOrNull("disableSpanReporting"),
        t.BoolOrNull("useRequestIdForTraceSampling"), t.BoolOrNull("enableIstioTags"),
        [.. t["customTags"].Entries().OrderBy(c => c.Key, StringComparer.Ordinal).Select(c => ReadTag(c.Key, c.Value))]));

    private static ImmutableArray<string> Providers(Fields f) => f.Each("providers", p => p.Text("name"));

    internal static CustomTag ReadTag(string name, Fields f)
    {
        if (f.Has("header")) return new(name, TagSource.Header, f["header"].Text("name"), f["header"].Text("defaultValue"));
        if (f.Has("environment")) return new(name, TagSource.Environment, f["environment"].Text("name"), f["environment"].Text("defaultValue"));
        if (f.Has("formatter")) return new(name, TagSource.Formatter, f["formatter"].Text("value"), "");
        return new(name, TagSource.Literal, f["literal"].Text("value"), "");
    }
}
