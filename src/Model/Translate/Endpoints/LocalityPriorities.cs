using Mesh.Model.Resources;
using Mesh.Model.World;
using Proto = Envoy.Config.Endpoint.V3;

namespace Mesh.Model.Translate;

/// <summary>Localities near the client first (priority 0 is nearest), or fixed shares between them.</summary>
internal static class LocalityPriorities
{
    public static void Apply(Proto.ClusterLoadAssignment assignment, List<List<World.Endpoint>> members, AssignmentInputs inputs)
    {
        if (inputs.Distribution.Length > 0 && inputs.Balance is { Distribute.IsEmpty: true, Failover.IsEmpty: true, FailoverPriority.IsEmpty: true })
        {
            Near(assignment, inputs);
            return;
        }
        if (inputs.Balance is not { } balance) return;
        if (!balance.Distribute.IsEmpty)
        {
            Distribute(assignment, balance, inputs.Client);
            return;
        }
        if (!inputs.HasOutliers) return;
        if (balance.FailoverPriority.IsEmpty) ByPlace(assignment, balance, inputs.Client);
        else ByLabels(assignment, members, balance, inputs);
        Compact(assignment);
    }

    private static void Distribute(Proto.ClusterLoadAssignment assignment, LocalityBalance balance, World.Locality client)
    {
        foreach (var share in balance.Distribute)
        {
            if (!Covers(share.From, client)) continue;

            var left = assignment.Endpoints.ToList();
            var kept = new List<Proto.LocalityLbEndpoints>();
            foreach (var (to, weight) in share.To)
            {
                var matching = left.Where(group => Covers(to, Place(group))).ToList();
                if (weight > 0)
                {
                    // A share for several localities is divided by the number of their endpoints.
                    var total = matching.Sum(group => (long)group.LoadBalancingWeight!.Value);
                    foreach (var group in matching)
                    {
                        group.LoadBalancingWeight = total == 0 ? weight : (uint)Math.Max(1, Math.Ceiling((double)group.LoadBalancingWeight!.Value * weight / total));
                        kept.Add(group);
                    }
                }
                left.RemoveAll(matching.Contains);
            }
            assignment.Endpoints.Clear();
            assignment.Endpoints.Add(kept.OrderBy(group => Place(group).ToString(), StringComparer.Ordinal));
            return;
        }
    }

    private static void ByPlace(Proto.ClusterLoadAssignment assignment, LocalityBalance balance, World.Locality client)
    {
        foreach (var group in assignment.Endpoints)
        {
            var place = Place(group);
            var priority = Distance(client, place);
            if (priority == 3 && !balance.Failover.IsEmpty)
                foreach (var (from, to) in balance.Failover)
                    if (from == client.Region && place.Region != to) priority = 4;
            group.Priority = priority;
        }
    }

    /// <summary>0 same subzone, 1 same zone, 2 same region, 3 elsewhere.</summary>
    private static uint Distance(World.Locality a, World.Locality b) =>
        a.Region != b.Region ? 3u : a.Zone != b.Zone ? 2u : a.Subzone != b.Subzone ? 1u : 0u;

    private static void ByLabels(Proto.ClusterLoadAssignment assignment, List<List<World.Endpoint>> members, LocalityBalance balance, AssignmentInputs inputs)
    {
        var labels = balance.FailoverPriority;
        var groups = assignment.Endpoints.ToList();
        assignment.Endpoints.Clear();
        for (var g = 0; g < groups.Count; g++)
        {
            var byPriority = new SortedDictionary<uint, Proto.LocalityLbEndpoints>();
            for (var i = 0; i < members[g].Count; i++)
            {
                var endpoint = members[g][i];
                var priority = 0u;
                for (var l = 0; l < labels.Length; l++)
                {
                    if (Same(labels[l], endpoint, inputs)) continue;
                    priority = (uint)(labels.Length - l);
                    break;
                }
                if (!byPriority.TryGetValue(priority, out var made))
                    byPriority[priority] = made = new() { Locality = groups[g].Locality, Priority = priority, LoadBalancingWeight = 0 };
                made.LbEndpoints.Add(groups[g].LbEndpoints[i]);
                made.LoadBalancingWeight += endpoint.Weight;
            }
            assignment.Endpoints.Add(byPriority.Values);
        }
        if (!balance.Failover.IsEmpty) FailoverWithin(assignment, balance, inputs.Client);
    }

    private static void FailoverWithin(Proto.ClusterLoadAssignment assignment, LocalityBalance balance, World.Locality client)
    {
        foreach (var group in assignment.Endpoints)
        {
            var distance = Distance(client, Place(group));
            var demoted = distance == 3 && balance.Failover.Any(pair => pair.Key == client.Region && pair.Value != Place(group).Region);
            group.Priority = group.Priority * 5 + (demoted ? 4 : distance);
        }
    }

    private static bool Same(string label, World.Endpoint endpoint, AssignmentInputs inputs)
    {
        var equals = label.IndexOf('=', StringComparison.Ordinal);
        if (equals >= 0) return Value(label[..equals], endpoint.Labels, endpoint.Locality, endpoint.Network) == label[(equals + 1)..];
        return Value(label, inputs.ClientLabels, inputs.Client, inputs.ClientLabels["topology.istio.io/network"] ?? "")
            == Value(label, endpoint.Labels, endpoint.Locality, endpoint.Network);
    }

    private static string Value(string label, LabelSet labels, World.Locality place, string network) => labels[label] ?? label switch
    {
        "topology.kubernetes.io/region" => place.Region,
        "topology.kubernetes.io/zone" => place.Zone,
        "topology.istio.io/subzone" => place.Subzone,
        "topology.istio.io/network" => network,
        "topology.istio.io/cluster" => "Kubernetes",
        _ => "",
    };

    /// <summary>A Service's trafficDistribution: the same zone or node first, the rest behind it.</summary>
    private static void Near(Proto.ClusterLoadAssignment assignment, AssignmentInputs inputs)
    {
        if (inputs.Distribution is not ("PreferClose" or "PreferSameZone" or "PreferSameNode")) return;
        foreach (var group in assignment.Endpoints)
            group.Priority = Place(group).Zone == inputs.Client.Zone && Place(group).Region == inputs.Client.Region ? 0u : Place(group).Region == inputs.Client.Region ? 1u : 2u;
        Compact(assignment);
    }

    /// <summary>Envoy wants priorities without gaps.</summary>
    private static void Compact(Proto.ClusterLoadAssignment assignment)
    {
        var used = assignment.Endpoints.Select(group => group.Priority).Distinct().Order().ToList();
        foreach (var group in assignment.Endpoints) group.Priority = (uint)used.IndexOf(group.Priority);
    }

    private static World.Locality Place(Proto.LocalityLbEndpoints group) => new(group.Locality.Region, group.Locality.Zone, group.Locality.SubZone);

    /// <summary><c>*</c>, <c>region/*</c>, <c>region/zone/*</c>, or a place; shorter forms cover what lies within.</summary>
    private static bool Covers(string pattern, World.Locality place)
    {
        var parts = pattern.Split('/');
        ReadOnlySpan<string> own = [place.Region, place.Zone, place.Subzone];
        for (var i = 0; i < parts.Length && i < 3; i++)
        {
            if (parts[i] == "*") return true;
            if (parts[i] != own[i]) return false;
        }
        return true;
    }
}
