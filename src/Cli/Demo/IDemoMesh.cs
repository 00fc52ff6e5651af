namespace Mesh.Cli.Demo;

/// <summary>A running demo, on loopback or in network namespaces.</summary>
internal interface IDemoMesh : IAsyncDisposable
{
    Uri Ingress { get; }

    Task StartAsync(CancellationToken cancel);

    Task<EdgeStats> ReadEdgesAsync(CancellationToken cancel);
}
