using System.Collections.Immutable;
using Envoy.Config.Accesslog.V3;
using Envoy.Config.Listener.V3;
using Hcm = Envoy.Extensions.Filters.Network.HttpConnectionManager.V3.HttpConnectionManager;

namespace Mesh.Model.Translate;

/// <summary>What one side of one proxy tells about its traffic: logs, traces and metrics, resolved from mesh settings and Telemetry resources.</summary>
internal sealed record Observation(ImmutableArray<AccessLog> Logs, ImmutableArray<AccessLog> ListenerLogs, Hcm.Types.Tracing? Tracing)
{
    /// <summary>Null when no metrics are made.</summary>
    public Stats.PluginConfig? Metrics { get; init; }

    /// <summary>The decision to trace is read from the request's id, so that all hops make the same one.</summary>
    public bool TracesByRequestId { get; init; } = true;

    /// <summary>Equal for equal content: what two workloads tell alike, they can share.</summary>
    public string Key => _key ??= Digest();
    private string? _key;

    private string Digest()
    {
        using var hash = System.Security.Cryptography.IncrementalHash.CreateHash(System.Security.Cryptography.HashAlgorithmName.SHA256);
        foreach (var log in Logs) hash.AppendData(Google.Protobuf.MessageExtensions.ToByteArray(log));
        if (Tracing is not null) hash.AppendData(Google.Protobuf.MessageExtensions.ToByteArray(Tracing));
        if (Metrics is not null) hash.AppendData(Google.Protobuf.MessageExtensions.ToByteArray(Metrics));
        hash.AppendData([(byte)(Metrics is null ? 0 : 1), (byte)(TracesByRequestId ? 1 : 0)]);
        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 10));
    }

    /// <summary>The same metrics for TCP connections; empty for proxies that have no such filter.</summary>
    public ImmutableArray<Filter> TcpMetrics { get; init; } = [];
}
