using System.Collections.Immutable;
using Envoy.Config.Accesslog.V3;
using Mesh.Model.Resources;
using Hcm = Envoy.Extensions.Filters.Network.HttpConnectionManager.V3.HttpConnectionManager;

namespace Mesh.Model.Translate;

/// <summary>What one side of one proxy tells about its traffic: logs, traces and metrics, resolved from mesh settings and Telemetry resources.</summary>
internal sealed record Observation(ImmutableArray<AccessLog> Logs, ImmutableArray<AccessLog> ListenerLogs, Hcm.Types.Tracing? Tracing)
{
    /// <summary>Changes to the standard metrics, the mesh's first.</summary>
    public ImmutableArray<MetricsSetting> Metrics { get; init; } = [];
}
