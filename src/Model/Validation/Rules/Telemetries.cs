using Mesh.Model.Yaml;

namespace Mesh.Model.Validation.Rules;

/// <summary>A Telemetry: metrics, tracing and access logging.</summary>
internal static class Telemetries
{
    public static void Check(Resource resource, Message spec, Report report)
    {
        Selectors.CheckTargets(spec, report);
        foreach (var metrics in spec.Children("metrics")) CheckMetrics(metrics, report);
        CheckTracing(spec, report);
        foreach (var logging in spec.Children("accessLogging"))
        {
            if (logging.Child("filter") is { } filter) report.Error(FilterExpressions.Problem(filter.Text("expression")), filter.At("expression"));
            CheckProviders(logging, report);
        }
    }

    private static void CheckTracing(Message spec, Report report)
    {
        var all = spec.Children("tracing");
        if (all.Count > 1) report.Warn("multiple tracing is not currently supported", spec.At("tracing"));
        foreach (var tracing in all)
        {
            if (tracing.Children("providers").Count > 1) report.Warn("multiple providers is not currently supported", tracing.At("providers"));
            CheckProviders(tracing, report);
            if (tracing.Double("randomSamplingPercentage") is < 0 or > 100)
                report.Error("randomSamplingPercentage must be in range [0.0, 100.0]", tracing.At("randomSamplingPercentage"));
            foreach (var (name, value) in tracing.Map("customTags"))
            {
                var (tag, at) = ((Message)value, (tracing.At("customTags") as MapNode)?[name]);
                if (name.Length == 0) report.Error("tag name may not be empty", at);
                report.Error(tag.Which("type") switch
                {
                    "literal" when !tag.Child("literal")!.Has("value") => "literal tag value may not be empty",
                    "header" when !tag.Child("header")!.Has("name") => "header tag name may not be empty",
                    "environment" when !tag.Child("environment")!.Has("name") => "environment tag name may not be empty",
                    _ => null,
                }, at);
            }
        }
    }

    private static void CheckMetrics(Message metrics, Report report)
    {
        CheckProviders(metrics, report);
        foreach (var entry in metrics.Children("overrides"))
        {
            foreach (var (name, value) in entry.Map("tagOverrides"))
            {
                var (change, at) = ((Message)value, (entry.At("tagOverrides") as MapNode)?[name]);
                if (name.Length == 0) report.Warn("tagOverrides.name may not be empty", at);
                if (change.Enum("operation") == "UPSERT" && !change.Has("value")) report.Error("tagOverrides.value must be set when operation is UPSERT", at);
                if (change.Enum("operation") == "REMOVE" && change.Has("value")) report.Error("tagOverrides.value may only be set when operation is UPSERT", at);
            }
            if (entry.Child("match") is { } match && match.Which("metric_match") == "customMetric" && match.Text("customMetric").Length == 0)
                report.Error("customMetric may not be empty", match.Source);
        }
    }

    private static void CheckProviders(Message message, Report report)
    {
        if (message.Children("providers").FirstOrDefault(p => !p.Has("name")) is { } nameless) report.Error("providers.name may not be empty", nameless.Source);
    }
}
