using System.Collections.Immutable;
using Envoy.Config.Accesslog.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;
using Hcm = Envoy.Extensions.Filters.Network.HttpConnectionManager.V3.HttpConnectionManager;

namespace Mesh.Model.Translate;

/// <summary>Which logs and traces one side of a proxy makes.</summary>
internal static class Observing
{
    public static Observation For(World.World world, ProxyShape shape, TrafficSide side)
    {
        var mesh = world.Mesh;
        var logs = ImmutableArray.CreateBuilder<AccessLog>();
        if (AccessLogs.OfMesh(mesh) is { } log) logs.Add(log);
        ImmutableArray<AccessLog> all = logs.ToImmutable();
        return new(all, Unmatched(all), Tracing(mesh, shape));
    }

    /// <summary>At the listener only connections that found no filter chain are told of.</summary>
    public static ImmutableArray<AccessLog> Unmatched(ImmutableArray<AccessLog> logs) => [.. logs.Select(log =>
    {
        var copy = log.Clone();
        copy.Filter = new() { ResponseFlagFilter = new() { Flags = { "NR" } } };
        return copy;
    })];

    private static Hcm.Types.Tracing? Tracing(MeshConfig mesh, ProxyShape shape)
    {
        if (!mesh.EnableTracing) return null;
        return new()
        {
            ClientSampling = new() { Value = 100 },
            RandomSampling = new() { Value = shape.Settings.TracingSampling ?? mesh.Proxy.TracingSampling ?? 1 },
            OverallSampling = new() { Value = 100 },
        };
    }
}
