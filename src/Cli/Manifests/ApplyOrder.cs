namespace Mesh.Cli.Manifests;

/// <summary>Kinds in the order in which a cluster can take them: what others stand on first.</summary>
internal static class ApplyOrder
{
    private static readonly string[] Kinds =
    [
        "Namespace", "CustomResourceDefinition", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "ValidatingWebhookConfiguration", "Secret", "ConfigMap",
        "MutatingWebhookConfiguration", "DaemonSet", "Deployment", "PodDisruptionBudget", "NetworkPolicy", "Role", "RoleBinding", "HorizontalPodAutoscaler", "Service",
    ];

    public static int Of(string kind) => Array.IndexOf(Kinds, kind) is >= 0 and var at ? at : Kinds.Length;
}
