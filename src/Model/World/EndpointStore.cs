using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>The endpoints of every service; remembers which services a change can reach and computes only those again.</summary>
internal sealed class EndpointStore
{
    private readonly Dictionary<MeshService, ServiceEndpoints> made = [];
    private readonly Dictionary<(string Namespace, string Service), List<EndpointSlice>> slices = [];
    private readonly Dictionary<string, Dictionary<string, Pod>> pods = [];
    private readonly HashSet<(string Namespace, string Service)> dirtySlices = [];
    private readonly Dictionary<string, List<LabelSet>> dirtyLabels = [];
    private readonly HashSet<(string Namespace, string Pod)> dirtyPods = [];
    private readonly Dictionary<string, Pod> podsByIp = [];
    private readonly HashSet<string> dirtyIps = [];
    private ImmutableArray<MeshService> known = [];
    private bool allDirty = true;
    private Dictionary<MeshService, ServiceEndpoints>? snapshot;

    /// <summary>Stays the same object while no change of endpoints can matter to anything but the endpoints sent.</summary>
    public object Identity { get; private set; } = new();

    public void Touched(Resource? before, Resource? after)
    {
        switch (after ?? before)
        {
            case EndpointSlice:
                Move(before as EndpointSlice, after as EndpointSlice);
                break;
            case KubeEndpoints old:
                dirtySlices.Add((old.Namespace, old.Name));
                break;
            case Pod pod:
                if (!pods.TryGetValue(pod.Namespace, out var inNamespace)) pods[pod.Namespace] = inNamespace = [];
                if (after is Pod now) inNamespace[pod.Name] = now;
                else inNamespace.Remove(pod.Name);
                dirtyPods.Add((pod.Namespace, pod.Name));
                At(before as Pod, null);
                At(null, after as Pod);
                Label(before);
                Label(after);
                break;
            case WorkloadEntry:
                Label(before);
                Label(after);
                break;
            case KubeNode:
                allDirty = true;
                break;
        }
    }

    /// <param name="callersChoose">Some rule lets callers keep the address that they chose: then it matters whether every endpoint has a sidecar.</param>
    public void Refresh(ImmutableArray<MeshService> services, Dictionary<ResourceKey, Resource> resources, ImmutableArray<WorkloadEntry> workloads, bool callersChoose)
    {
        var listChanged = known != services;
        if (listChanged)
        {
            var now = services.ToHashSet();
            foreach (var gone in made.Keys.Where(service => !now.Contains(service)).ToList())
            {
                made.Remove(gone);
                snapshot = null;
            }
            known = services;
        }
        if (!listChanged && !allDirty && dirtySlices.Count == 0 && dirtyLabels.Count == 0) return;

        KubeNode? Node(string name) => name.Length == 0 ? null : resources.GetValueOrDefault(new("", "Node", "", name)) as KubeNode;
        foreach (var service in services)
        {
            made.TryGetValue(service, out var before);
            if (before is not null && !allDirty && !Reached(service)) continue;

            var key = (service.Namespace, service.Source.Name);
            var inNamespace = pods.GetValueOrDefault(service.Namespace);
            var selector = service.Source is KubeService kube ? kube.Selector.Count > 0 ? kube.Selector : null : ((ServiceEntry)service.Source).Selector;
            var inputs = new EndpointInputs(
                service,
                service.IsKubernetes && slices.TryGetValue(key, out var list) ? [.. list.OrderBy(slice => slice.Name, StringComparer.Ordinal)] : [],
                service.IsKubernetes && resources.GetValueOrDefault(new("", "Endpoints", key.Namespace, key.Name)) is KubeEndpoints old ? [old] : [],
                selector is null ? [] : [.. workloads.Where(workload => workload.Namespace == service.Namespace && selector.Selects(LabelsOf(workload)))],
                selector is null || service.IsKubernetes || inNamespace is null ? []
                    : [.. inNamespace.Values.Where(pod => selector.Selects(pod.Meta.Labels)).OrderBy(pod => pod.Name, StringComparer.Ordinal)],
                name => inNamespace?.GetValueOrDefault(name), podsByIp.GetValueOrDefault, Node);
            var after = EndpointConversion.Build(inputs, before);
            if (ReferenceEquals(before, after)) continue;
            if (before is null || before.Accounts != after.Accounts || service.Resolution != Resolution.Sent || service.IsHeadless || LooksOtherwise(service, before, after, callersChoose))
                Identity = new();
            made[service] = after;
            snapshot = null;
        }
        allDirty = false;
        dirtySlices.Clear();
        dirtyLabels.Clear();
        dirtyPods.Clear();
        dirtyIps.Clear();
    }

    public Dictionary<MeshService, ServiceEndpoints> Snapshot() => snapshot ??= new(made);

    /// <summary>True when another port stands behind a port than was said of it, or when callers may no longer, or only now, take every endpoint to have a sidecar.</summary>
    private static bool LooksOtherwise(MeshService service, ServiceEndpoints before, ServiceEndpoints after, bool callersChoose)
    {
        foreach (var port in service.Ports)
        {
            var (old, now) = (before.For(port.Number), after.For(port.Number));
            if (old == now) continue;
            if (callersChoose && ServiceEndpoints.AllHaveSidecars(old) != ServiceEndpoints.AllHaveSidecars(now)) return true;
            if (!PortsBehind(old, port).SetEquals(PortsBehind(now, port))) return true;
        }
        return false;
    }

    /// <summary>The endpoints' own ports where they are not simply the target port; with the labels where pods of one service differ in them.</summary>
    private static HashSet<(LabelSet?, int)> PortsBehind(ImmutableArray<Endpoint> endpoints, ServicePort port)
    {
        var numbers = endpoints.Select(endpoint => endpoint.Port).ToHashSet();
        if (numbers.Count == 0 || numbers.Count == 1 && numbers.Contains(port.Target)) return [];
        return numbers.Count == 1 ? [(null, numbers.First())] : [.. endpoints.Select(endpoint => ((LabelSet?)endpoint.Labels, endpoint.Port))];
    }

    private bool Reached(MeshService service)
    {
        if (service.IsKubernetes && dirtySlices.Contains((service.Namespace, service.Source.Name))) return true;
        if (service.IsKubernetes && dirtyIps.Count > 0 && slices.TryGetValue((service.Namespace, service.Source.Name), out var ofService)
            && ofService.Exists(slice => slice.Endpoints.Any(endpoint => endpoint.TargetPod.Length == 0 && endpoint.Addresses.Any(dirtyIps.Contains)))) return true;
        if (!dirtyLabels.TryGetValue(service.Namespace, out var labels)) return false;
        var selector = service.Source is KubeService kube ? kube.Selector : ((ServiceEntry)service.Source).Selector;
        if (selector is { Count: > 0 } && labels.Exists(selector.Selects)) return true;
        return service.IsKubernetes && slices.TryGetValue((service.Namespace, service.Source.Name), out var list)
            && list.Exists(slice => slice.Endpoints.Any(endpoint => dirtyPods.Contains((slice.Namespace, endpoint.TargetPod))));
    }

    private void At(Pod? before, Pod? after)
    {
        if (before is { Ip.Length: > 0 } && podsByIp.GetValueOrDefault(before.Ip) == before)
        {
            podsByIp.Remove(before.Ip);
            dirtyIps.Add(before.Ip);
        }
        if (after is not { Ip.Length: > 0, HostNetwork: false } || after.Phase is "Succeeded" or "Failed") return;
        podsByIp[after.Ip] = after;
        dirtyIps.Add(after.Ip);
    }

    private void Label(Resource? resource)
    {
        if (resource is null) return;
        if (!dirtyLabels.TryGetValue(resource.Namespace, out var list)) dirtyLabels[resource.Namespace] = list = [];
        list.Add(resource is WorkloadEntry workload ? LabelsOf(workload) : resource.Meta.Labels);
    }

    private static LabelSet LabelsOf(WorkloadEntry workload) =>
        LabelSet.Of(workload.Meta.Labels.Pairs.Where(pair => workload.Spec.Labels[pair.Key] is null).Concat(workload.Spec.Labels.Pairs));

    private void Move(EndpointSlice? before, EndpointSlice? after)
    {
        if (before is not null && slices.TryGetValue((before.Namespace, before.Service), out var old))
        {
            old.RemoveAll(slice => slice.Name == before.Name);
            dirtySlices.Add((before.Namespace, before.Service));
        }
        if (after is null) return;
        if (!slices.TryGetValue((after.Namespace, after.Service), out var list)) slices[(after.Namespace, after.Service)] = list = [];
        list.Add(after);
        dirtySlices.Add((after.Namespace, after.Service));
    }
}
