using Mesh.Model.Resources;
using Mesh.Model.Translate;

namespace Mesh.Tests.Model.Translations;

/// <summary>Istio: metrics of the Telemetry API. Mesh, namespace and workload are merged metric by metric and tag by tag.</summary>
public sealed class StandardMetricsTests
{
    private static MetricsOverride Override(string metric, TrafficSide side = TrafficSide.ClientAndServer, bool? disabled = null, params TagChange[] tags) => new(metric, side, disabled, [.. tags]);

    private static MetricsSetting Layer(params MetricsOverride[] overrides) => new([], [.. overrides], null);

    private static Stats.PluginConfig? For(TrafficSide side, params MetricsSetting[] layers) => StandardMetrics.For(MeshConfig.Default, [.. layers], side, isGateway: false);

    [Fact]
    public void Without_changes_the_filter_says_nothing_of_single_metrics()
    {
        Assert.Empty(For(TrafficSide.Client)!.Metrics);
        Assert.False(For(TrafficSide.Client)!.DisableHostHeaderFallback);
        Assert.True(For(TrafficSide.Server)!.DisableHostHeaderFallback);
    }

    [Fact]
    public void What_one_layer_switches_off_a_later_one_switches_on_again()
    {
        Assert.True(Assert.Single(For(TrafficSide.Client, Layer(Override("REQUEST_SIZE", disabled: true)))!.Metrics) is { Name: "request_bytes", Drop: true });
        Assert.Empty(For(TrafficSide.Client, Layer(Override("REQUEST_SIZE", disabled: true)), Layer(Override("REQUEST_SIZE", disabled: false)))!.Metrics);
        // Tags alone leave it as it was.
        var kept = For(TrafficSide.Client, Layer(Override("REQUEST_SIZE", disabled: true)), Layer(Override("REQUEST_SIZE", tags: new TagChange("a", false, "'b'"))))!;
        Assert.True(Assert.Single(kept.Metrics).Drop);
    }

    [Fact]
    public void A_side_is_changed_alone()
    {
        var layer = Layer(Override("REQUEST_COUNT", TrafficSide.Client, tags: new TagChange("method", false, "request.method")));

        Assert.Equal("request.method", Assert.Single(For(TrafficSide.Client, layer)!.Metrics).Dimensions["method"]);
        Assert.Empty(For(TrafficSide.Server, layer)!.Metrics);
    }

    [Fact]
    public void All_metrics_are_each_of_them_and_the_later_tag_wins()
    {
        var made = For(TrafficSide.Client, Layer(Override("ALL_METRICS", tags: new TagChange("source_app", true, ""))), Layer(Override("REQUEST_COUNT", tags: new TagChange("source_app", false, "'mine'"))))!;

        Assert.Equal(10, made.Metrics.Count);
        var count = made.Metrics.Single(metric => metric.Name == "requests_total");
        Assert.Empty(count.TagsToRemove);
        Assert.Equal("'mine'", count.Dimensions["source_app"]);
        Assert.All(made.Metrics.Where(metric => metric != count), metric => Assert.Equal(["source_app"], metric.TagsToRemove));
    }

    [Fact]
    public void Nobody_to_tell_or_nothing_left_is_no_filter()
    {
        Assert.Null(For(TrafficSide.Client, Layer(Override("ALL_METRICS", disabled: true))));
        Assert.Null(For(TrafficSide.Client, new MetricsSetting(["stackdriver"], [], null)));
        Assert.NotNull(For(TrafficSide.Client, new MetricsSetting(["stackdriver"], [], null), new MetricsSetting(["prometheus"], [], null)));
    }
}
