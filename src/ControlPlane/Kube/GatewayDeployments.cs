using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Serve;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.ControlPlane.Kube;

/// <summary>
/// A Gateway of ours that names no place of its own gets one: a ServiceAccount, a Service and a Deployment whose pods the injector makes proxies, and where its
/// class or the Gateway asks for them a HorizontalPodAutoscaler and a PodDisruptionBudget. They belong to the Gateway and go with it.
/// </summary>
internal sealed class GatewayDeployments(KubeApi api, Options options, WorldFeed feed, TimeProvider time, ILogger<GatewayDeployments> log)
{
    private const string NameOverride = "gateway.istio.io/name-override";
    private const string ServiceType = "networking.istio.io/service-type";
    private const string GatewayLabel = "gateway.networking.k8s.io/gateway-name";
    private const int StatusPort = 15021;
    private const int PortsMax = 250; // a Service of Kubernetes has no room for more

    private static readonly KubeKind[] Optional = [KubeKinds.HorizontalPodAutoscaler, KubeKinds.PodDisruptionBudget];

    /// <summary>How long what was put in place is taken to be there still.</summary>
    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(5);

    private readonly Dictionary<ResourceKey, (string Wanted, long Since)> placed = [];

    public Task RunAsync(CancellationToken cancel) => AfterEachWorld.RunAsync(feed, time, LookAgain, (world, stop) => PlaceAsync(world.GatewayApi, stop), cancel);

    private async Task PlaceAsync(ApiTranslation translation, CancellationToken cancel)
    {
        var present = new HashSet<ResourceKey>();
        foreach (var status in translation.GatewayStatuses)
        {
            if (status.Owner is not ApiGateway gateway || !IsManaged(gateway)) continue;
            present.Add(gateway.Meta.Key);
            if (status.Overlays is not { } overlays) continue; // its status says why; what is in place stays
            var objects = Objects(gateway, status.Served, overlays, options.Revision);
            var wanted = string.Concat(objects.Select(item => item.ToJsonString()));
            if (placed.TryGetValue(gateway.Meta.Key, out var before) && before.Wanted == wanted && time.GetElapsedTime(before.Since) < LookAgain) continue;
            if (await ApplyAsync(gateway, objects, cancel)) placed[gateway.Meta.Key] = (wanted, time.GetTimestamp());
        }
        foreach (var gone in placed.Keys.Where(key => !present.Contains(key)).ToList()) placed.Remove(gone);
    }

    /// <summary>An address that is a name means gateways that somebody else runs.</summary>
    private static bool IsManaged(ApiGateway gateway) =>
        !gateway.Meta.IsBeingDeleted && (gateway.Addresses.IsEmpty || (gateway.Addresses.Length == 1 && gateway.Addresses[0].Type == "IPAddress"));

    private async Task<bool> ApplyAsync(ApiGateway gateway, IReadOnlyList<JsonObject> objects, CancellationToken cancel)
    {
        foreach (var item in objects)
        {
            var kind = KubeKinds.Find(item["apiVersion"].Text()!, item["kind"].Text()!)!;
            var name = item.At("metadata", "name").Text()!;
            var there = await api.GetAsync(kind, gateway.Meta.Namespace, name, cancel);
            if (there.IsFine && !IsOwned(there.Body, gateway))
            {
                log.LogWarning("{Gateway} is not deployed: {Kind} {Name} is there already and belongs to somebody else; {Annotation} chooses another name", gateway.Meta.Key, kind.Kind, name, NameOverride);
                return true; // looked at again later
            }
            var answer = await api.ApplyAsync(kind, gateway.Meta.Namespace, name, item, GatewayStatuses.Controller, dryRun: false, cancel);
            if (answer.IsFine) continue;
            if (!cancel.IsCancellationRequested) log.LogWarning("{Gateway}: {Kind} {Name} cannot be put in place: {Answer}", gateway.Meta.Key, kind.Kind, name, answer);
            return false;
        }
        return await RemoveAsync(gateway, Optional.Where(kind => objects.All(item => item["kind"].Text() != kind.Kind)), cancel);
    }

    /// <summary>What was asked for before and is not any more.</summary>
    private async Task<bool> RemoveAsync(ApiGateway gateway, IEnumerable<KubeKind> kinds, CancellationToken cancel)
    {
        foreach (var kind in kinds)
        {
            var there = await api.GetAsync(kind, gateway.Meta.Namespace, NameOf(gateway), cancel);
            if (there.IsFine && IsOwned(there.Body, gateway) && await api.DeleteAsync(kind, gateway.Meta.Namespace, NameOf(gateway), cancel) is { IsFine: false, IsAbsent: false }) return false;
        }
        return true;
    }

    private static bool IsOwned(JsonNode? item, ApiGateway gateway) =>
        item.At("metadata", "ownerReferences").Objects().Any(owner => owner["uid"].Text() == gateway.Meta.Uid);

    private static string NameOf(ApiGateway gateway) => gateway.Meta.Annotations[NameOverride] ?? $"{gateway.Meta.Name}-{gateway.ClassName}";

    internal static IReadOnlyList<JsonObject> Objects(ApiGateway gateway, ImmutableArray<ApiListener> served, ImmutableArray<GatewayOverlay> overlays, string revision)
    {
        var name = NameOf(gateway);
        var selector = new JsonObject { [GatewayLabel] = gateway.Meta.Name };
        var pod = Labels(gateway);
        pod["sidecar.istio.io/inject"] = "true";
        if (revision is not ("" or "default")) pod["istio.io/rev"] = revision;

        var service = new JsonObject
        {
            ["type"] = gateway.Meta.Annotations[ServiceType] ?? "LoadBalancer",
            ["selector"] = selector.DeepClone(),
            ["ports"] = Ports(served),
        };
        if (!gateway.Addresses.IsEmpty) service["loadBalancerIP"] = gateway.Addresses[0].Value;
        return [.. All().Where(made => made.IsAlways || overlays.Any(overlay => overlay.Key == made.Key)).Select(made => Overlaid(made.Key, made.Object))];

        IEnumerable<(string Key, bool IsAlways, JsonObject Object)> All() =>
        [
            ("serviceAccount", true, Owned("v1", "ServiceAccount")),
            ("deployment", true, Owned("apps/v1", "Deployment", new()
            {
                ["selector"] = new JsonObject { ["matchLabels"] = selector },
                ["template"] = new JsonObject
                {
                    ["metadata"] = new JsonObject { ["labels"] = pod, ["annotations"] = PodAnnotations(gateway) },
                    ["spec"] = new JsonObject
                    {
                        ["serviceAccountName"] = name,
                        // Ports below 1024 without a capability.
                        ["securityContext"] = new JsonObject { ["sysctls"] = new JsonArray(new JsonObject { ["name"] = "net.ipv4.ip_unprivileged_port_start", ["value"] = "0" }) },
                        ["containers"] = new JsonArray(new JsonObject { ["name"] = "istio-proxy", ["image"] = "auto", ["securityContext"] = Unprivileged() }),
                    },
                },
            })),
            ("service", true, Owned("v1", "Service", service)),
            ("horizontalPodAutoscaler", false, Owned("autoscaling/v2", "HorizontalPodAutoscaler", new()
            {
                ["scaleTargetRef"] = new JsonObject { ["apiVersion"] = "apps/v1", ["kind"] = "Deployment", ["name"] = name }, ["maxReplicas"] = 1,
            })),
            ("podDisruptionBudget", false, Owned("policy/v1", "PodDisruptionBudget", new() { ["selector"] = new JsonObject { ["matchLabels"] = selector.DeepClone() } })),
        ];

        // Whatever the patches say, it stays the object that belongs to the gateway.
        JsonObject Overlaid(string key, JsonObject made)
        {
            var patched = overlays.Where(overlay => overlay.Key == key).Aggregate(made, (item, overlay) => StrategicMerge.Merge(item, overlay.Patch));
            foreach (var field in (string[])["apiVersion", "kind"]) patched[field] = made[field]!.DeepClone();
            foreach (var field in (string[])["name", "namespace", "ownerReferences"]) patched.MapAt("metadata")[field] = made["metadata"]![field]!.DeepClone();
            return patched;
        }

        JsonObject Owned(string apiVersion, string kind, JsonObject? spec = null)
        {
            var item = new JsonObject
            {
                ["apiVersion"] = apiVersion,
                ["kind"] = kind,
                ["metadata"] = new JsonObject
                {
                    ["name"] = name,
                    ["namespace"] = gateway.Meta.Namespace,
                    ["labels"] = Labels(gateway),
                    ["ownerReferences"] = new JsonArray(new JsonObject
                    {
                        ["apiVersion"] = $"{gateway.Meta.Group}/{gateway.Meta.Version}", ["kind"] = "Gateway", ["name"] = gateway.Meta.Name, ["uid"] = gateway.Meta.Uid,
                    }),
                },
            };
            foreach (var (key, value) in gateway.InfrastructureAnnotations.Pairs) ((JsonObject)item["metadata"]!).MapAt("annotations")[key] = value;
            if (spec is not null) item["spec"] = spec;
            return item;
        }
    }

    private static JsonObject PodAnnotations(ApiGateway gateway)
    {
        var annotations = new JsonObject { ["inject.istio.io/templates"] = "gateway" };
        foreach (var (key, value) in gateway.InfrastructureAnnotations.Pairs) annotations[key] = value;
        return annotations;
    }

    private static JsonObject Labels(ApiGateway gateway)
    {
        var labels = new JsonObject { [GatewayLabel] = gateway.Meta.Name, ["gateway.networking.k8s.io/gateway-class-name"] = gateway.ClassName };
        foreach (var (key, value) in gateway.InfrastructureLabels.Pairs) labels[key] = value;
        return labels;
    }

    private static JsonObject Unprivileged() => new()
    {
        ["allowPrivilegeEscalation"] = false, ["capabilities"] = new JsonObject { ["drop"] = new JsonArray("ALL") }, ["privileged"] = false,
        ["readOnlyRootFilesystem"] = true, ["runAsUser"] = 1337, ["runAsGroup"] = 1337, ["runAsNonRoot"] = true,
    };

    /// <summary>The port of readiness, then each listener's, each once.</summary>
    private static JsonArray Ports(ImmutableArray<ApiListener> served)
    {
        var ports = new JsonArray(Port("status-port", StatusPort, "tcp"));
        foreach (var listener in served.DistinctBy(listener => listener.Port).Where(listener => listener.Port != StatusPort).Take(PortsMax))
            ports.Add((JsonNode)Port(Named(listener), listener.Port, listener.Protocol.ToLowerInvariant()));
        return ports;

        static JsonObject Port(string name, int port, string protocol) => new() { ["name"] = name, ["port"] = port, ["protocol"] = "TCP", ["appProtocol"] = protocol };

        // A port's name is shorter than a listener's may be.
        static string Named(ApiListener listener) => listener.Name.Length is > 0 and <= 15 && !listener.Name.Contains('.', StringComparison.Ordinal) ? listener.Name : $"{listener.Protocol.ToLowerInvariant()}-{listener.Port}";
    }
}
