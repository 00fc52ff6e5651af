using System.Text.Json.Nodes;
using Mesh.ControlPlane.Serve;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.ControlPlane.Kube;

/// <summary>Tells the authors of Gateway API objects what became of them: the status, written where it differs from what stands there.</summary>
internal sealed class GatewayStatuses(KubeApi api, WorldFeed feed, KindArrivals arrivals, TimeProvider time, ILogger<GatewayStatuses> log)
{
    public const string Controller = StatusDocuments.GatewayController;
    private const string ClassName = "istio";
    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(1);
    private static readonly KubeKind Class = new("gateway.networking.k8s.io", "v1", "gatewayclasses", "GatewayClass", false);

    private readonly StatusWriter writer = new(api, log);

    private StatusDocuments Documents => new(time.GetUtcNow());

    public Task RunAsync(CancellationToken cancel) => Task.WhenAll(
        ClassesAsync(cancel), AfterEachWorld.RunAsync(feed, time, LookAgain, (world, stop) => WriteAsync(world, stop), cancel));

    internal async Task WriteAsync(World world, CancellationToken cancel)
    {
        var (translation, classes) = (world.GatewayApi, world.Resources.OfType<GatewayClass>().Where(one => one.Controller == Controller).ToList());
        foreach (var one in classes) await writer.WriteAsync(one.Meta, before => Accepted(one, before), cancel);
        foreach (var gateway in translation.GatewayStatuses)
            await writer.WriteAsync(gateway.Owner.Meta, before => Documents.Of(gateway, before), cancel);
        foreach (var route in translation.RouteStatuses)
            await writer.WriteAsync(route.Route.Meta, before => Documents.Of(route, before), cancel);
        foreach (var policy in translation.PolicyStatuses)
            await writer.WriteAsync(policy.Policy.Meta, before => Documents.Of(policy, before), cancel);

        var present = translation.GatewayStatuses.Select(gateway => gateway.Owner.Meta.Key).Concat(translation.RouteStatuses.Select(route => route.Route.Meta.Key))
            .Concat(translation.PolicyStatuses.Select(policy => policy.Policy.Meta.Key)).Concat(classes.Select(one => one.Meta.Key)).ToHashSet();
        writer.Forget(key => !present.Contains(key));
    }

    private async Task ClassesAsync(CancellationToken cancel)
    {
        try
        {
            while (!cancel.IsCancellationRequested)
            {
                if (await ClassAsync(cancel)) await Task.Delay(LookAgain, time, cancel);
                else await arrivals.WaitAsync(Class, LookAgain, cancel);
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            return; // its term is over
        }
    }

    /// <summary>The class that gateways name to be ours is there even where nobody made it.</summary>
    /// <returns>False while the cluster does not have the Gateway API.</returns>
    internal async Task<bool> ClassAsync(CancellationToken cancel)
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
        return there.IsFine || !there.IsAbsent;
    }

    /// <summary>Every class of our controller is accepted, whoever made it.</summary>
    private JsonObject Accepted(GatewayClass ours, JsonNode? before)
    {
        var status = before as JsonObject is { } there ? (JsonObject)there.DeepClone() : [];
        status["conditions"] = Documents.Conditions([new("Accepted", true, "Accepted", "Handled by Istio controller")], before.At("conditions"), ours.Meta.Generation);
        status["supportedFeatures"] = new JsonArray([.. SupportedFeatures.All.Select(name => (JsonNode)new JsonObject { ["name"] = name })]);
        return status;
    }
}
