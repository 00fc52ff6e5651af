using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>One condition of a Gateway API status.</summary>
public sealed record ApiCondition(string Type, bool Holds, string Reason, string Message);

public sealed record ApiListenerStatus(string Name, int AttachedRoutes, ImmutableArray<RouteKind> SupportedKinds, ImmutableArray<ApiCondition> Conditions);

/// <param name="Owner">An ApiGateway or a ListenerSet.</param>
public sealed record ApiGatewayStatus(Resource Owner, ImmutableArray<ApiCondition> Conditions, ImmutableArray<ApiListenerStatus> Listeners, ImmutableArray<ApiAddress> Addresses)
{
    /// <summary>How many ListenerSets a Gateway serves.</summary>
    public int AttachedSets { get; init; }

    /// <summary>How the objects that are made for a Gateway differ from the usual, in the order in which the patches apply; null when what was said of it cannot be used.</summary>
    public ImmutableArray<GatewayOverlay>? Overlays { get; init; }

    /// <summary>A Gateway's own listeners and those that its ListenerSets add: whose ports must be open in front of it.</summary>
    public ImmutableArray<ApiListener> Served { get; init; } = [];
}

/// <summary>A strategic merge patch of one object of a gateway.</summary>
/// <param name="Key">deployment, service, serviceAccount, horizontalPodAutoscaler or podDisruptionBudget.</param>
public sealed record GatewayOverlay(string Key, JsonObject Patch);

public sealed record ApiParentStatus(ParentRef Parent, ImmutableArray<ApiCondition> Conditions);

public sealed record ApiRouteStatus(ApiRoute Route, ImmutableArray<ApiParentStatus> Parents);

/// <summary>What a policy comes to for one of those it reaches.</summary>
/// <param name="Ancestor">The Gateway whose routes lead to the target, or the target itself where only the mesh calls it.</param>
public sealed record ApiAncestorStatus(ParentRef Ancestor, ImmutableArray<ApiCondition> Conditions);

public sealed record ApiPolicyStatus(BackendTlsPolicy Policy, ImmutableArray<ApiAncestorStatus> Ancestors);

/// <summary>Gateway API and Ingress in the mesh's own terms, and what is to be told to their authors.</summary>
public sealed record ApiTranslation(
    ImmutableArray<Gateway> Gateways, ImmutableArray<VirtualService> VirtualServices, ImmutableArray<DestinationRule> Rules,
    ImmutableArray<ApiGatewayStatus> GatewayStatuses, ImmutableArray<ApiRouteStatus> RouteStatuses)
{
    public ImmutableArray<ApiPolicyStatus> PolicyStatuses { get; init; } = [];

    public static ApiTranslation Empty { get; } = new([], [], [], [], []);
}
