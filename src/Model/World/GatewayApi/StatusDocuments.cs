using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>Statuses in the shape that the API server keeps. The time of a condition is that of its last change, not of its last look.</summary>
/// <param name="now">The time of what changes now.</param>
public sealed class StatusDocuments(DateTimeOffset now)
{
    public const string GatewayController = "istio.io/gateway-controller";
    public const string MeshController = "istio.io/mesh-controller";

    /// <summary>Every object that has a status, with nothing else of it: Gateways and their sets, routes, policies.</summary>
    public static IEnumerable<JsonObject> All(ApiTranslation api, DateTimeOffset now)
    {
        var documents = new StatusDocuments(now);
        foreach (var gateway in api.GatewayStatuses) yield return Named(gateway.Owner, documents.Of(gateway, null));
        foreach (var route in api.RouteStatuses) yield return Named(route.Route, documents.Of(route, null));
        foreach (var policy in api.PolicyStatuses) yield return Named(policy.Policy, documents.Of(policy, null));
    }

    public JsonObject Of(ApiGatewayStatus gateway, JsonNode? before)
    {
        var generation = gateway.Owner.Meta.Generation;
        var status = new JsonObject();
        if (!gateway.Addresses.IsEmpty) status["addresses"] = new JsonArray([.. gateway.Addresses.Select(address => (JsonNode)new JsonObject { ["type"] = address.Type, ["value"] = address.Value })]);
        if (gateway.AttachedSets > 0) status["attachedListenerSets"] = gateway.AttachedSets;
        status["conditions"] = Conditions(gateway.Conditions, before?["conditions"], generation);
        if (gateway.Listeners.IsEmpty) return status;
        status["listeners"] = new JsonArray([.. gateway.Listeners.Select(listener => (JsonNode)new JsonObject
        {
            ["attachedRoutes"] = listener.AttachedRoutes,
            ["conditions"] = Conditions(listener.Conditions, Each(before?["listeners"]).FirstOrDefault(one => Text(one["name"]) == listener.Name)?["conditions"], generation),
            ["name"] = listener.Name,
            ["supportedKinds"] = new JsonArray([.. listener.SupportedKinds.Select(kind => (JsonNode)new JsonObject { ["group"] = kind.Group, ["kind"] = kind.Kind })]),
        })]);
        return status;
    }

    /// <summary>A route may have other controllers' gateways as parents: what they wrote stays.</summary>
    public JsonObject Of(ApiRouteStatus route, JsonNode? before) => Each("parents", "parentRef", before, route.Route.Meta.Generation,
        route.Parents.Select(parent => (parent.Parent, GatewayController, parent.Conditions)));

    public JsonObject Of(ApiPolicyStatus policy, JsonNode? before) => Each("ancestors", "ancestorRef", before, policy.Policy.Meta.Generation,
        policy.Ancestors.Select(one => (one.Ancestor, one.Ancestor.Kind == "Gateway" ? GatewayController : MeshController, one.Conditions)));

    public JsonArray Conditions(IEnumerable<ApiCondition> conditions, JsonNode? before, long generation) => new([.. conditions.Select(condition =>
    {
        var holds = condition.Holds ? "True" : "False";
        var former = Each(before).FirstOrDefault(one => Text(one["type"]) == condition.Type);
        var since = Text(former?["status"]) == holds ? Text(former!["lastTransitionTime"]) : null;
        return (JsonNode)new JsonObject
        {
            ["lastTransitionTime"] = since ?? now.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
            ["message"] = condition.Message,
            ["observedGeneration"] = generation,
            ["reason"] = condition.Reason,
            ["status"] = holds,
            ["type"] = condition.Type,
        };
    })]);

    private JsonObject Each(string list, string reference, JsonNode? before, long generation, IEnumerable<(ParentRef To, string Controller, ImmutableArray<ApiCondition> Conditions)> all)
    {
        var entries = new JsonArray();
        foreach (var other in Each(before?[list]).Where(one => Text(one["controllerName"]) is not (GatewayController or MeshController))) entries.Add(other.DeepClone());
        foreach (var (to, controller, conditions) in all)
        {
            var at = Reference(to);
            var former = Each(before?[list]).FirstOrDefault(one => Text(one["controllerName"]) == controller && JsonNode.DeepEquals(one[reference], at));
            entries.Add((JsonNode)new JsonObject { ["conditions"] = Conditions(conditions, former?["conditions"], generation), ["controllerName"] = controller, [reference] = at });
        }
        return new() { [list] = entries };
    }

    private static JsonObject Named(Resource resource, JsonObject status) => new()
    {
        ["apiVersion"] = $"{resource.Meta.Group}/{resource.Meta.Version}",
        ["kind"] = resource.Meta.Kind,
        ["metadata"] = new JsonObject { ["name"] = resource.Name, ["namespace"] = resource.Namespace },
        ["status"] = status,
    };

    private static JsonObject Reference(ParentRef parent)
    {
        var reference = new JsonObject { ["group"] = parent.Group, ["kind"] = parent.Kind, ["name"] = parent.Name };
        if (parent.Namespace.Length > 0) reference["namespace"] = parent.Namespace;
        if (parent.SectionName.Length > 0) reference["sectionName"] = parent.SectionName;
        if (parent.Port is { } port) reference["port"] = port;
        return reference;
    }

    private static IEnumerable<JsonObject> Each(JsonNode? list) => list is JsonArray array ? array.OfType<JsonObject>() : [];

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
}
