using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Serve;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.ControlPlane.Kube;

/// <summary>Tells the authors of Gateway API objects what became of them: the status, written where it differs from what stands there.</summary>
internal sealed class GatewayStatuses(KubeApi api, WorldFeed feed, TimeProvider time, ILogger<GatewayStatuses> log)
{
    public const string Controller = "istio.io/gateway-controller";
    private const string ClassName = "istio";
    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(1);
    private static readonly KubeKind Class = new("gateway.networking.k8s.io", "v1", "gatewayclasses", "GatewayClass", false);

    /// <summary>What was last found to stand in the cluster, so that an unchanged status costs no request.</summary>
    private readonly Dictionary<ResourceKey, (string Version, JsonObject Status)> standing = [];
    private long? lookedAt;

    public Task RunAsync(CancellationToken cancel) => AfterEachWorld.RunAsync(feed, time, LookAgain, (world, stop) => WriteAsync(world.GatewayApi, stop), cancel);

    internal async Task WriteAsync(ApiTranslation translation, CancellationToken cancel)
    {
        if (lookedAt is not { } last || time.GetElapsedTime(last) >= LookAgain)
        {
            lookedAt = time.GetTimestamp();
            await ClassAsync(cancel);
        }
        foreach (var gateway in translation.GatewayStatuses)
            await OneAsync(gateway.Owner.Meta, before => Gateway(gateway, before), cancel);
        foreach (var route in translation.RouteStatuses)
            await OneAsync(route.Route.Meta, before => Route(route, before), cancel);

        var present = translation.GatewayStatuses.Select(gateway => gateway.Owner.Meta.Key).Concat(translation.RouteStatuses.Select(route => route.Route.Meta.Key)).ToHashSet();
        foreach (var gone in standing.Keys.Where(key => !present.Contains(key)).ToList()) standing.Remove(gone);
    }

    private async Task OneAsync(ResourceMeta meta, Func<JsonNode?, JsonObject> status, CancellationToken cancel)
    {
        if (standing.TryGetValue(meta.Key, out var known) && known.Version == meta.ResourceVersion && JsonNode.DeepEquals(status(known.Status), known.Status)) return;
        if (await api.FindKindAsync($"{meta.Group}/{meta.Version}", meta.Kind, cancel) is not { } kind) return;

        var there = await api.GetAsync(kind, meta.Namespace, meta.Name, cancel);
        if (there.Body is not { } item || !there.IsFine) return; // gone meanwhile; the next World knows
        // A newer version of it is judged when the World has it.
        if (item.At("metadata", "generation").Integer() is { } generation && generation > meta.Generation && meta.Generation > 0) return;

        var wanted = status(item["status"]);
        if (!JsonNode.DeepEquals(wanted, item["status"]))
        {
            var patch = new JsonObject { ["metadata"] = new JsonObject { ["resourceVersion"] = item.At("metadata", "resourceVersion").Text() }, ["status"] = wanted.DeepClone() };
            there = await api.MergeAsync(kind, meta.Namespace, meta.Name, patch, cancel, "/status");
            if (!there.IsFine)
            {
                if (!there.IsConflict && !there.IsAbsent) log.LogWarning("the status of {Kind} {Namespace}/{Name} cannot be written: {Answer}", meta.Kind, meta.Namespace, meta.Name, there);
                return;
            }
        }
        standing[meta.Key] = (there.Body.At("metadata", "resourceVersion").Text() ?? "", wanted);
    }

    /// <summary>The class that gateways name to be ours.</summary>
    private async Task ClassAsync(CancellationToken cancel)
    {
        var there = await api.GetAsync(Class, null, ClassName, cancel);
        if (there.IsAbsent)
        {
            there = await api.CreateAsync(Class, null, new JsonObject
            {
                ["apiVersion"] = Class.ApiVersion,
                ["kind"] = Class.Kind,
                ["metadata"] = new JsonObject { ["name"] = ClassName },
                ["spec"] = new JsonObject { ["controllerName"] = Controller, ["description"] = "The default Istio GatewayClass" },
            }, cancel);
        }
        if (!there.IsFine || there.Body.At("spec", "controllerName").Text() != Controller) return; // the Gateway API is not installed, or the class is another's

        var generation = there.Body.At("metadata", "generation").Integer() ?? 1;
        var conditions = Conditions([new("Accepted", true, "Accepted", "Handled by Istio controller")], there.Body.At("status", "conditions"), generation);
        if (!JsonNode.DeepEquals(conditions, there.Body.At("status", "conditions")))
            await api.MergeAsync(Class, null, ClassName, new JsonObject { ["status"] = new JsonObject { ["conditions"] = conditions } }, cancel, "/status");
    }

    private JsonObject Gateway(ApiGatewayStatus gateway, JsonNode? before)
    {
        var generation = gateway.Owner.Meta.Generation;
        var status = new JsonObject();
        if (!gateway.Addresses.IsEmpty) status["addresses"] = new JsonArray([.. gateway.Addresses.Select(address => (JsonNode)new JsonObject { ["type"] = address.Type, ["value"] = address.Value })]);
        status["conditions"] = Conditions(gateway.Conditions, before.At("conditions"), generation);
        status["listeners"] = new JsonArray([.. gateway.Listeners.Select(listener => (JsonNode)new JsonObject
        {
            ["attachedRoutes"] = listener.AttachedRoutes,
            ["conditions"] = Conditions(listener.Conditions, before.At("listeners").Named(listener.Name).At("conditions"), generation),
            ["name"] = listener.Name,
            ["supportedKinds"] = new JsonArray([.. listener.SupportedKinds.Select(kind => (JsonNode)new JsonObject { ["group"] = kind.Group, ["kind"] = kind.Kind })]),
        })]);
        return status;
    }

    /// <summary>A route may have other controllers' gateways as parents: what they wrote stays.</summary>
    private JsonObject Route(ApiRouteStatus route, JsonNode? before)
    {
        var parents = new JsonArray();
        foreach (var other in before.At("parents").Objects().Where(parent => parent["controllerName"].Text() != Controller)) parents.Add(other.DeepClone());
        foreach (var parent in route.Parents)
        {
            var reference = Reference(parent.Parent);
            var former = before.At("parents").Objects().FirstOrDefault(one => one["controllerName"].Text() == Controller && JsonNode.DeepEquals(one["parentRef"], reference));
            parents.Add((JsonNode)new JsonObject
            {
                ["conditions"] = Conditions(parent.Conditions, former.At("conditions"), route.Route.Meta.Generation),
                ["controllerName"] = Controller,
                ["parentRef"] = reference,
            });
        }
        return new() { ["parents"] = parents };
    }

    private static JsonObject Reference(ParentRef parent)
    {
        var reference = new JsonObject { ["group"] = parent.Group, ["kind"] = parent.Kind, ["name"] = parent.Name };
        if (parent.Namespace.Length > 0) reference["namespace"] = parent.Namespace;
        if (parent.SectionName.Length > 0) reference["sectionName"] = parent.SectionName;
        if (parent.Port is { } port) reference["port"] = port;
        return reference;
    }

    /// <summary>The time of a condition is that of its last change, not of its last look.</summary>
    private JsonArray Conditions(IEnumerable<ApiCondition> conditions, JsonNode? before, long generation) => new([.. conditions.Select(condition =>
    {
        var holds = condition.Holds ? "True" : "False";
        var former = before.Objects().FirstOrDefault(one => one["type"].Text() == condition.Type);
        var since = former?["status"].Text() == holds ? former["lastTransitionTime"].Text() : null;
        return (JsonNode)new JsonObject
        {
            ["lastTransitionTime"] = since ?? time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
            ["message"] = condition.Message,
            ["observedGeneration"] = generation,
            ["reason"] = condition.Reason,
            ["status"] = holds,
            ["type"] = condition.Type,
        };
    })]);
}
