namespace Mesh.ControlPlane.Telemetry;

/// <summary>A workload as the standard metrics name it.</summary>
internal sealed record WorkloadName(string Name, string Namespace, string App, string Version)
{
    public static WorkloadName Unknown { get; } = new("unknown", "unknown", "unknown", "unknown");
}

/// <summary>Who called whom, how protected, counted by which side.</summary>
internal sealed record Series(
    string Reporter, WorkloadName Source, string SourcePrincipal, WorkloadName Destination, string DestinationPrincipal,
    string Service, string ServiceNamespace, string Protocol, string SecurityPolicy)
{
    /// <summary>The server sees the channel itself; the caller knows it by the identity that the server proved.</summary>
    public bool IsMutualTls => SecurityPolicy == "mutual_tls" || (Reporter == "source" && DestinationPrincipal.StartsWith("spiffe://", StringComparison.Ordinal));
}

/// <summary>One request as its proxy decided it.</summary>
internal sealed record RequestRecord
{
    public required string Proxy { get; init; }
    public required DateTimeOffset Started { get; init; }
    public required double DurationMs { get; init; }
    public required string Reporter { get; init; }
    public required string Method { get; init; }
    public required string Authority { get; init; }
    public required string Path { get; init; }
    public required int Status { get; init; }
    public required int GrpcStatus { get; init; }
    public required string Flags { get; init; }
    public required string Details { get; init; }
    public required string Route { get; init; }
    public required string Cluster { get; init; }
    public required string Upstream { get; init; }
    public required int Attempts { get; init; }
    public required string Source { get; init; }
    public required string SourceWorkload { get; init; }
    public required string SourceNamespace { get; init; }
    public required string SourcePrincipal { get; init; }
    public required string DestinationWorkload { get; init; }
    public required string DestinationNamespace { get; init; }
    public required string DestinationPrincipal { get; init; }
    public required string DestinationService { get; init; }
    public required bool IsMutualTls { get; init; }
    public required string Policy { get; init; }
    public required string RequestId { get; init; }
    public required string TraceId { get; init; }
    public required long RequestBytes { get; init; }
    public required long ResponseBytes { get; init; }
    public required string Protocol { get; init; }
}
