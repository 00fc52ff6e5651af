using Mesh.Cli.Frame;
using Mesh.Model.Analysis;

namespace Mesh.Cli.Commands;

/// <summary>Resources of the running cluster, for commands that look at it as a whole.</summary>
internal static class LiveResources
{
    /// <returns>Why the cluster cannot be read, or null.</returns>
    public static Task<string?> AddToAsync(ResourceSet resources, Invocation invocation, CancellationToken cancel)
    {
        return Task.FromResult<string?>("no cluster is configured; use --use-kube=false to analyze files only");
    }
}
