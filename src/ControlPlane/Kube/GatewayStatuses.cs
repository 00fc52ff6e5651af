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
    public const string Controller = StatusDocuments.GatewayController;
    private const string ClassName = "istio";
    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(1);
    private static readonly KubeKind Class = new("gateway.networking.k8s.io", "v1", "gatewayclasses", "GatewayClass", false);

    private readonly StatusWriter writer = new(api, log);
    private long? lookedAt;

    private StatusDocuments Documents => new(time.GetUtcNow());

    public Task RunAsync(CancellationToken cancel) => AfterEachWorld.RunAsync(feed, time, LookAgain, (world, stop) => WriteAsync(world.GatewayApi, stop), cancel);

    internal async Task WriteAsync(ApiTranslation translation, CancellationToken cancel)
    {
        if (lookedAt is not { } last || time.GetElapsedTime(last) >= LookAgain)
        {
            lookedAt = time.GetTimestamp();
            await ClassAsync(cancel);
        }
        foreach (var gateway in translation.GatewayStatuses)
            await writer.WriteAsync(gateway.Owner.Meta, before => Documents.Of(gateway, before), cancel);
        foreach (var route in translation.RouteStatuses)
            await writer.WriteAsync(route.Route.Meta, before => Documents.Of(route, before), cancel);
        foreach (var policy in translation.PolicyStatuses)
            await writer.WriteAsync(policy.Policy.Meta, before => Documents.Of(policy, before), cancel);

        var present = translation.GatewayStatuses.Select(gateway => gateway.Owner.Meta.Key).Concat(translation.RouteStatuses.Select(route => route.Route.Meta.Key))
            .Concat(translation.PolicyStatuses.Select(policy => policy.Policy.Meta.Key)).ToHashSet();
        writer.Forget(key => !present.Contains(key));
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
        var status = new JsonObject
        {
            ["conditions"] = Documents.Conditions([new("Accepted", true, "Accepted", "Handled by Istio controller")], there.Body.At("status", "conditions"), generation),
            ["supportedFeatures"] = new JsonArray([.. SupportedFeatures.All.Select(name => (JsonNode)new JsonObject { ["name"] = name })]),
        };
        if (!JsonNode.DeepEquals(status["conditions"], there.Body.At("status", "conditions")) || !JsonNode.DeepEquals(status["supportedFeatures"], there.Body.At("status", "supportedFeatures")))
            await api.MergeAsync(Class, null, ClassName, new JsonObject { ["status"] = status }, cancel, "/status");
    }
}
