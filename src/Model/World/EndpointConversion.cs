using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>What one service's endpoints are made from; looked up by the caller, so that nothing else can be read.</summary>
internal sealed record EndpointInputs(
    MeshService Service, ImmutableArray<EndpointSlice> Slices, ImmutableArray<KubeEndpoints> OldForm, ImmutableArray<WorkloadEntry> Workloads,
    ImmutableArray<Pod> SelectedPods, Func<string, Pod?> PodNamed, Func<string, Pod?> PodAt, Func<string, KubeNode?> NodeNamed);

internal static class EndpointConversion
{
    public static ServiceEndpoints Build(EndpointInputs inputs, ServiceEndpoints? before)
    {
        var ports = new SortedDictionary<int, List<Endpoint>>();
        foreach (var port in inputs.Service.Ports) ports[port.Number] = [];
        if (inputs.Service.Source is ServiceEntry entry) FromEntry(inputs, entry, ports);
        else FromKubernetes(inputs, ports);
        foreach (var list in ports.Values)
            list.Sort((a, b) => string.CompareOrdinal(a.Address, b.Address) is var order && order != 0 ? order : a.Port.CompareTo(b.Port));
        return ServiceEndpoints.Of(ports, before);
    }

    private static void FromKubernetes(EndpointInputs inputs, SortedDictionary<int, List<Endpoint>> ports)
    {
        var service = (KubeService)inputs.Service.Source;
        var seen = new HashSet<(int, string)>();
        foreach (var slice in inputs.Slices.Where(slice => slice.AddressType != "FQDN"))
            foreach (var endpoint in slice.Endpoints)
                AddSlice(inputs, slice.Ports, endpoint, seen, ports);
        if (inputs.Slices.IsEmpty)
            foreach (var subset in inputs.OldForm.SelectMany(old => old.Subsets))
                foreach (var endpoint in subset.Endpoints)
                    AddSlice(inputs, subset.Ports, endpoint, seen, ports);

        foreach (var workload in inputs.Workloads.Where(workload => workload.IsHealthy))
            foreach (var port in service.Ports.Where(port => port.Protocol != "UDP"))
            {
                var number = workload.Spec.PortFor(port.Name) ?? workload.Spec.PortFor(port.TargetPort)
                    ?? (int.TryParse(port.TargetPort, out var target) ? target : port.Port);
                if (seen.Add((port.Port, workload.Spec.Address))) ports[port.Port].Add(FromWorkload(workload.Spec, workload, number));
            }
    }

    private static void AddSlice(
        EndpointInputs inputs, ImmutableArray<SlicePort> slicePorts, SliceEndpoint endpoint, HashSet<(int, string)> seen, SortedDictionary<int, List<Endpoint>> ports)
    {
        var health = endpoint.Ready || inputs.Service.PublishesNotReady ? EndpointHealth.Healthy
            : endpoint.Serving && endpoint.Terminating ? EndpointHealth.Draining
            : EndpointHealth.NotReady;
        if (health == EndpointHealth.NotReady || health == EndpointHealth.Draining) return;

        // A slice written by hand may name only the address.
        var pod = endpoint.TargetPod.Length > 0 ? inputs.PodNamed(endpoint.TargetPod) : endpoint.Addresses is [var only, ..] ? inputs.PodAt(only) : null;
        foreach (var slicePort in slicePorts)
        {
            var servicePort = inputs.Service.Ports.FirstOrDefault(port => port.Name == slicePort.Name && port.Protocol != AppProtocol.Udp);
            if (servicePort is null) continue;
            foreach (var address in endpoint.Addresses)
            {
                if (!seen.Add((servicePort.Number, address))) continue;
                ports[servicePort.Number].Add(new(address, slicePort.Port)
                {
                    Labels = pod?.Meta.Labels ?? LabelSet.Empty,
                    Locality = LocalityOf(pod?.NodeName ?? endpoint.NodeName, pod?.Meta.Labels, inputs.NodeNamed) is var found && found != Locality.None
                        ? found : new("", endpoint.Zone, ""),
                    Namespace = pod?.Namespace ?? inputs.Service.Namespace,
                    ServiceAccount = pod?.ServiceAccount ?? "",
                    Workload = pod?.Workload ?? "",
                    Network = pod?.Meta.Labels["topology.istio.io/network"] ?? "",
                    NodeName = pod?.NodeName ?? endpoint.NodeName,
                    Hostname = endpoint.Hostname,
                    Health = health,
                });
            }
        }
    }

    private static void FromEntry(EndpointInputs inputs, ServiceEntry entry, SortedDictionary<int, List<Endpoint>> ports)
    {
        foreach (var port in entry.Ports)
        {
            var target = port.TargetPort > 0 ? port.TargetPort : port.Number;
            foreach (var spec in entry.Endpoints)
                ports[port.Number].Add(FromWorkload(spec, entry, spec.PortFor(port.Name) ?? target));
            foreach (var workload in inputs.Workloads.Where(workload => workload.IsHealthy))
                ports[port.Number].Add(FromWorkload(workload.Spec, workload, workload.Spec.PortFor(port.Name) ?? target));
            foreach (var pod in inputs.SelectedPods.Where(pod => pod.Ready && pod.Ip.Length > 0))
                ports[port.Number].Add(new(pod.Ip, target)
                {
                    Labels = pod.Meta.Labels,
                    Locality = LocalityOf(pod.NodeName, pod.Meta.Labels, inputs.NodeNamed),
                    Namespace = pod.Namespace,
                    ServiceAccount = pod.ServiceAccount,
                    Workload = pod.Workload,
                    Network = pod.Meta.Labels["topology.istio.io/network"] ?? "",
                    NodeName = pod.NodeName,
                });
            // A DNS service without endpoints is found under its own name.
            if (entry.Endpoints.IsEmpty && entry.Selector is null && inputs.Service.Resolution is Resolution.Dns or Resolution.DnsRoundRobin
                && ports[port.Number].Count == 0)
                ports[port.Number].Add(new(inputs.Service.Host, target) { Namespace = entry.Namespace });
        }
    }

    private static Endpoint FromWorkload(WorkloadSpec spec, Resource owner, int port)
    {
        // Where both have a label, that of the object's own metadata holds.
        var labels = owner is WorkloadEntry ? LabelSet.Of(spec.Labels.Pairs.Where(pair => owner.Meta.Labels[pair.Key] is null).Concat(owner.Meta.Labels.Pairs)) : spec.Labels;
        var place = spec.Locality.Length > 0 ? spec.Locality : labels["istio-locality"]?.Replace('.', '/') ?? "";
        return new(spec.Address, port)
        {
            Labels = labels,
            Locality = place.Length > 0 ? Locality.Parse(place) : Locality.None,
            Weight = spec.Weight == 0 ? 1 : spec.Weight,
            Namespace = owner.Namespace,
            ServiceAccount = spec.ServiceAccount,
            HasAccountOfItsOwn = spec.ServiceAccount.Length > 0,
            Workload = owner is WorkloadEntry ? owner.Name : "",
            Network = spec.Network,
        };
    }

    public static Locality LocalityOf(string node, LabelSet? labels, Func<string, KubeNode?> nodeNamed)
    {
        if (labels?["istio-locality"] is { } written) return Locality.Parse(written.Replace('.', '/'));
        if (nodeNamed(node)?.Meta.Labels is not { } nodeLabels) return Locality.None;
        return new(
            nodeLabels["topology.kubernetes.io/region"] ?? nodeLabels["failure-domain.beta.kubernetes.io/region"] ?? "",
            nodeLabels["topology.kubernetes.io/zone"] ?? nodeLabels["failure-domain.beta.kubernetes.io/zone"] ?? "",
            nodeLabels["topology.istio.io/subzone"] ?? "");
    }
}
