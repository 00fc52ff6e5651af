using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>A route's backend as a destination; what cannot be resolved takes its share of the traffic to a 500.</summary>
internal static class ApiBackends
{
    public static RouteDestination Resolve(ApiRoute route, BackendRef backend, ApiInputs inputs, ref ApiCondition? problem)
    {
        // Callers in the mesh may call any service anyway: a route of theirs needs no grant.
        var ns = backend.Namespace.Length > 0 ? backend.Namespace : route.Namespace;
        var (host, why) = Host(route, backend, ns, inputs);
        problem ??= why;
        var headers = ApiFilters.Headers(backend.Filters);
        return new(new(host, "", backend.Port ?? 0), backend.Weight, headers) { IsBroken = why is not null };
    }

    private static (string Host, ApiCondition? Problem) Host(ApiRoute route, BackendRef backend, string ns, ApiInputs inputs)
    {
        switch (backend.Group, backend.Kind)
        {
            case ("" or "core", "Service") or ("multicluster.x-k8s.io", "ServiceImport"):
                var host = $"{backend.Name}.{ns}.svc.{inputs.Mesh.Domain}";
                if (backend.Name.Contains('.', StringComparison.Ordinal))
                    return (host, new("ResolvedRefs", false, "InvalidDestination", "service name invalid; the name of the Service must be used, not the hostname."));
                if (!inputs.IsMesh && !inputs.IsGranted(KindOf(route.Type), route.Namespace, backend.Group == "core" ? "" : backend.Group, backend.Kind, ns, backend.Name))
                    return (host, new("ResolvedRefs", false, "RefNotPermitted", $"backendRef {backend.Name}/{ns} not accessible to a {KindOf(route.Type)} in namespace \"{route.Namespace}\" (missing a ReferenceGrant?)"));
                if (backend.Port is null)
                    return (host, new("ResolvedRefs", false, "InvalidDestination", "port is required in backendRef"));
                return (host, inputs.Services.Contains(host) ? null : new("ResolvedRefs", false, "BackendNotFound", $"backend({host}) not found"));
            case ("networking.istio.io", "Hostname"):
                if (backend.Namespace.Length > 0) return (backend.Name, new("ResolvedRefs", false, "InvalidDestination", "namespace may not be set with Hostname type"));
                if (backend.Port is null) return (backend.Name, new("ResolvedRefs", false, "InvalidDestination", "port is required in backendRef"));
                return (backend.Name, inputs.Services.Contains(backend.Name) ? null : new("ResolvedRefs", false, "BackendNotFound", $"backend({backend.Name}) not found"));
            case ("networking.istio.io", "ServiceEntry"):
                if (!inputs.IsMesh && !inputs.IsGranted(KindOf(route.Type), route.Namespace, "networking.istio.io", "ServiceEntry", ns, backend.Name))
                    return (backend.Name, new("ResolvedRefs", false, "RefNotPermitted", $"backendRef {backend.Name}/{ns} not accessible to a {KindOf(route.Type)} in namespace \"{route.Namespace}\" (missing a ReferenceGrant?)"));
                return inputs.Entry(ns, backend.Name) is { Hosts: [var first, ..] }
                    ? (first, null)
                    : (backend.Name, new("ResolvedRefs", false, "BackendNotFound", $"ServiceEntry {ns}/{backend.Name} not found"));
            default:
                return (backend.Name, new("ResolvedRefs", false, "InvalidKind", $"referencing unsupported backendRef: group \"{backend.Group}\" kind \"{backend.Kind}\""));
        }
    }

    public static string KindOf(ApiRouteType type) => type switch
    {
        ApiRouteType.Http => "HTTPRoute",
        ApiRouteType.Grpc => "GRPCRoute",
        ApiRouteType.Tls => "TLSRoute",
        _ => "TCPRoute",
    };
}
