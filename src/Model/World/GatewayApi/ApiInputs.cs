using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>Everything that the Gateway API's objects are understood by.</summary>
internal sealed record ApiInputs(
    MeshConfig Mesh, ImmutableArray<GatewayClass> Classes, ImmutableArray<ApiGateway> Gateways, ImmutableArray<ListenerSet> Sets, ImmutableArray<ApiRoute> Routes,
    ImmutableArray<ReferenceGrant> Grants, ImmutableArray<BackendTlsPolicy> TlsPolicies, ImmutableArray<KubeIngress> Ingresses,
    ImmutableArray<KubeIngressClass> IngressClasses, Func<string, LabelSet> NamespaceLabels, ILookup<string, MeshService> Services,
    Func<string, string, KubeSecret?> Secret, Func<string, string, KubeConfigMap?> ConfigMap, Func<string, string, ServiceEntry?> Entry)
{
    /// <summary>The ConfigMap with a class's defaults for what is made for its gateways.</summary>
    public required Func<string, KubeConfigMap?> DefaultsOfClass { get; init; }

    /// <summary>True while routes attached to services of the mesh are read.</summary>
    public bool IsMesh { get; init; }

    public const string Group = "gateway.networking.k8s.io";

    private const string Controller = "istio.io/gateway-controller";

    /// <summary>Istio's class exists even where nobody wrote it down.</summary>
    public bool IsOurs(string className)
    {
        foreach (var known in Classes)
            if (known.Name == className) return known.Controller == Controller;
        return className == "istio";
    }

    /// <summary>May an object of one kind and namespace refer to another namespace's object?</summary>
    public bool IsGranted(string fromKind, string fromNamespace, string toGroup, string toKind, string toNamespace, string toName)
    {
        if (fromNamespace == toNamespace) return true;
        return Grants.Any(grant => grant.Namespace == toNamespace
            && grant.From.Any(from => from.Group == Group && from.Kind == fromKind && from.Namespace == fromNamespace)
            && grant.To.Any(to => to.Group == toGroup && to.Kind == toKind && (to.Name.Length == 0 || to.Name == toName)));
    }
}
