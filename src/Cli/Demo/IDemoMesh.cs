using Mesh.Cli.Local;

namespace Mesh.Cli.Demo;

/// <summary>A running demo, on loopback or in network namespaces.</summary>
internal interface IDemoMesh : IAsyncDisposable
{
    Uri Ingress { get; }

    /// <summary>Null: the gateway speaks plain HTTP only.</summary>
    IngressTls? Tls => null;

    IReadOnlyList<Workload> Workloads { get; }

    Task StartAsync(CancellationToken cancel);

    Task<EdgeStats> ReadEdgesAsync(CancellationToken cancel);
}
