using Mesh.Cli.Frame;
using Mesh.Kube;

namespace Mesh.Cli.Commands;

/// <summary>The cluster that the global flags mean.</summary>
internal static class ClusterAccess
{
    /// <returns>Null when there is none; the outcome says what to do about it.</returns>
    public static KubeApi? Open(Invocation invocation, out Outcome problem)
    {
        problem = Outcome.Fine;
        try
        {
            return KubeApi.Connect(invocation.Text("kubeconfig"), invocation.Text("context"));
        }
        catch (KubeConfigException e)
        {
            problem = Outcome.Failed($"no cluster to talk to: {e.Message}\nName one with --kubeconfig FILE or $KUBECONFIG.");
            return null;
        }
    }
}
