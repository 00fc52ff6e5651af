using System.Collections.Immutable;
using Envoy.Config.Accesslog.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Which logs and traces one side of a proxy makes: mesh settings, then Telemetry of the mesh, the namespace and the workload.</summary>
internal static class Observing
{
    public static Observation For(View view, TrafficSide side)
    {
        var layers = Layers(view);
        var logs = Logs(layers, view, side);
        var metrics = StandardMetrics.For(view.Mesh, [.. layers.SelectMany(layer => layer.Metrics)], side, view.Shape.Kind.IsGateway);
        return new Observation(logs, Unmatched(logs), Tracing.For(layers, view, side))
        {
            Metrics = metrics,
            TracesByRequestId = Tracing.UsesRequestId(layers, side),
            TcpMetrics = metrics is null || !view.Shape.Kind.HasIstioFilters ? [] : [new() { Name = "istio.stats", TypedConfig = Protos.Pack(metrics) }],
        };
    }

    /// <summary>At most one of each: the root namespace's, the namespace's, the one that selects the workload; the oldest of rivals.</summary>
    private static List<Resources.Telemetry> Layers(View view)
    {
        var all = view.World.Policies.Telemetry;
        var (root, ns) = (view.Mesh.RootNamespace, view.Shape.Namespace);
        var layers = new List<Resources.Telemetry>();
        void Add(Resources.Telemetry? layer)
        {
            if (layer is not null) layers.Add(layer);
        }
        Add(all.In(root).FirstOrDefault(IsWhole));
        if (ns != root) Add(all.In(ns).FirstOrDefault(IsWhole));
        Add(all.In(ns).FirstOrDefault(layer => layer.Targets.IsEmpty ? layer.Selector.Count > 0 && layer.Selector.Selects(view.Shape.Labels) : Attaches(layer, view)));
        return layers;
    }

    /// <summary>To the Gateway API object that the workload stands for.</summary>
    private static bool Attaches(Resources.Telemetry layer, View view) =>
        view.Shape.Labels[GatewayTranslation.GatewayNameLabel] is { } name && layer.Targets.Contains(new("gateway.networking.k8s.io", "Gateway", name));

    private static bool IsWhole(Resources.Telemetry layer) => layer.Selector.Count == 0 && layer.Targets.IsEmpty;

    /// <summary>Telemetry decides about named providers only; where none is named, the mesh's log file stays.</summary>
    private static ImmutableArray<AccessLog> Logs(List<Resources.Telemetry> layers, View view, TrafficSide side)
    {
        var mesh = view.Mesh;
        var chosen = mesh.DefaultLogging.ToDictionary(name => name, _ => (Filter: (string?)null, Disabled: false));
        foreach (var layer in layers)
        {
            var isFirst = true;
            foreach (var entry in layer.Logging.Where(entry => entry.Side == TrafficSide.ClientAndServer || entry.Side == side))
            {
                var before = new Dictionary<string, (string? Filter, bool Disabled)>(chosen);
                if (!entry.Providers.IsEmpty && isFirst) chosen.Clear();
                isFirst = false;
                foreach (var name in entry.Providers.IsEmpty ? [.. chosen.Keys] : entry.Providers)
                {
                    before.TryGetValue(name, out var inherited);
                    chosen[name] = (entry.Filter ?? inherited.Filter, entry.Disabled ?? inherited.Disabled);
                }
            }
        }
        if (chosen.Count == 0) return AccessLogs.OfMesh(mesh) is { } file ? [file] : [];

        var logs = ImmutableArray.CreateBuilder<AccessLog>();
        foreach (var (name, (filter, disabled)) in chosen.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (disabled || AccessLogs.OfProvider(name, view) is not { } log) continue;
            if (filter is { Length: > 0 })
                log.Filter = new()
                {
                    ExtensionFilter = new()
                    {
                        Name = "cel",
                        TypedConfig = Protos.Pack(new Envoy.Extensions.AccessLoggers.Filters.Cel.V3.ExpressionFilter { Expression = filter }),
                    },
                };
            logs.Add(log);
        }
        return logs.ToImmutable();
    }

    /// <summary>At the listener only connections that found no filter chain are told of.</summary>
    private static ImmutableArray<AccessLog> Unmatched(ImmutableArray<AccessLog> logs) => [.. logs.Select(log =>
    {
        var copy = log.Clone();
        copy.Filter = new() { ResponseFlagFilter = new() { Flags = { "NR" } } };
        return copy;
    })];
}
