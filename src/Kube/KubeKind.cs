namespace Mesh.Kube;

/// <summary>One kind of object as the API server names it in its paths.</summary>
public sealed record KubeKind(string Group, string Version, string Plural, string Kind, bool IsNamespaced)
{
    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";

    private string Root => Group.Length == 0 ? $"/api/{Version}" : $"/apis/{Group}/{Version}";

    /// <summary>All objects of the kind: in one namespace, or (null) everywhere.</summary>
    public string ListPath(string? inNamespace = null) =>
        IsNamespaced && !string.IsNullOrEmpty(inNamespace) ? $"{Root}/namespaces/{Escaped(inNamespace)}/{Plural}" : $"{Root}/{Plural}";

    public string Path(string? inNamespace, string name) => $"{ListPath(inNamespace)}/{Escaped(name)}";

    public override string ToString() => Group.Length == 0 ? Plural : $"{Plural}.{Group}";

    private static string Escaped(string name) => Uri.EscapeDataString(name);
}

/// <summary>The kinds that are the same in every cluster.</summary>
public static class KubeKinds
{
    public static readonly KubeKind Namespace = new("", "v1", "namespaces", "Namespace", false);
    public static readonly KubeKind Node = new("", "v1", "nodes", "Node", false);
    public static readonly KubeKind Pod = new("", "v1", "pods", "Pod", true);
    public static readonly KubeKind Service = new("", "v1", "services", "Service", true);
    public static readonly KubeKind ServiceAccount = new("", "v1", "serviceaccounts", "ServiceAccount", true);
    public static readonly KubeKind Secret = new("", "v1", "secrets", "Secret", true);
    public static readonly KubeKind ConfigMap = new("", "v1", "configmaps", "ConfigMap", true);
    public static readonly KubeKind EndpointSlice = new("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true);
    public static readonly KubeKind Ingress = new("networking.k8s.io", "v1", "ingresses", "Ingress", true);
    public static readonly KubeKind IngressClass = new("networking.k8s.io", "v1", "ingressclasses", "IngressClass", false);
    public static readonly KubeKind Deployment = new("apps", "v1", "deployments", "Deployment", true);
    public static readonly KubeKind DaemonSet = new("apps", "v1", "daemonsets", "DaemonSet", true);
    public static readonly KubeKind HorizontalPodAutoscaler = new("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", true);
    public static readonly KubeKind PodDisruptionBudget = new("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true);
    public static readonly KubeKind NetworkPolicy = new("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true);
    public static readonly KubeKind Role = new("rbac.authorization.k8s.io", "v1", "roles", "Role", true);
    public static readonly KubeKind RoleBinding = new("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", true);
    public static readonly KubeKind ClusterRole = new("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false);
    public static readonly KubeKind ClusterRoleBinding = new("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", false);
    public static readonly KubeKind Lease = new("coordination.k8s.io", "v1", "leases", "Lease", true);
    public static readonly KubeKind SigningRequest = new("certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest", false);
    public static readonly KubeKind CustomResourceDefinition = new("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", false);
    public static readonly KubeKind MutatingWebhook = new("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", false);
    public static readonly KubeKind ValidatingWebhook = new("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", false);

    public static IReadOnlyList<KubeKind> All { get; } =
    [
        Namespace, Node, Pod, Service, ServiceAccount, Secret, ConfigMap, EndpointSlice, Ingress, IngressClass, Deployment, DaemonSet, HorizontalPodAutoscaler,
        PodDisruptionBudget, NetworkPolicy, Role, RoleBinding, ClusterRole, ClusterRoleBinding, Lease, SigningRequest, CustomResourceDefinition, MutatingWebhook, ValidatingWebhook,
    ];

    /// <returns>Null for a kind of a custom resource: the cluster's discovery knows it.</returns>
    public static KubeKind? Find(string apiVersion, string kind) => All.FirstOrDefault(known => known.Kind == kind && known.ApiVersion == apiVersion);
}
