namespace Mesh.Cli.Frame;

/// <summary>Flags that every command takes, with kubectl's and istioctl's names.</summary>
internal static class GlobalFlags
{
    public static readonly IReadOnlyList<Flag> All =
    [
        Flag.Text("kubeconfig", "Kubernetes configuration file", 'c'),
        Flag.Text("context", "Kubernetes configuration context"),
        Flag.Text("namespace", "Kubernetes namespace", 'n'),
        Flag.Text("istioNamespace", "namespace of the control plane", 'i', "istio-system"),
        Flag.Text("as", "user to impersonate for the operation"),
        Flag.Text("as-uid", "UID to impersonate for the operation"),
        Flag.Many("as-group", "group to impersonate for the operation, may be repeated"),
        Flag.Text("log_output_level", "taken for compatibility") with { Hidden = true },
        Flag.Number("vklog", "taken for compatibility") with { Hidden = true },
    ];
}
