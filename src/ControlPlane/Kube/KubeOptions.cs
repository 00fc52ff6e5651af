namespace Mesh.ControlPlane.Kube;

/// <summary>How to work with a cluster.</summary>
public sealed record KubeOptions
{
    /// <summary>Null: the pod's service account, or the usual places of a kubeconfig.</summary>
    public string? Kubeconfig { get; init; }

    /// <summary>auto, true or false: may the proxy be a sidecar that Kubernetes itself knows?</summary>
    public string NativeSidecars { get; init; } = "auto";

    /// <summary>Name of this replica, for elections.</summary>
    public string Replica { get; init; } = Environment.MachineName;

    /// <summary>A replica that has not renewed for so long has lost its lead.</summary>
    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(15);

    public Mesh.Kube.KubeWatchTimes Times { get; init; } = new();
}
