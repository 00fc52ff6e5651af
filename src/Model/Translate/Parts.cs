using System.Collections.Immutable;
using Google.Protobuf;

namespace Mesh.Model.Translate;

/// <summary>The memos of all resources, shared between proxies: one encoding of each, whoever is sent it.</summary>
internal sealed class Parts
{
    private readonly System.Runtime.CompilerServices.ConditionalWeakTable<ResourceList, ResourceSet> sets = [];

    public Memo<ClusterInputs, NamedResource> Clusters { get; } = new();
    public Memo<AssignmentInputs, NamedResource> Assignments { get; } = new();
    public Memo<Digest, NamedResource> ByContent { get; } = new();
    public Memo<OutboundKey, OutboundPart> Outbound { get; } = new();
    public Memo<ClustersKey, ResourceList> ClusterLists { get; } = new();
    public Memo<EndpointsKey, ResourceList> EndpointLists { get; } = new();
    public Memo<HostKey, EncodedHost> Hosts { get; } = new();
    public Memo<ListenersKey, ListenersPart> Listeners { get; } = new();
    public Memo<TableKey, CommonTable> Tables { get; } = new();
    public Memo<NamesKey, NamedResource> NameTables { get; } = new();
    private readonly Memo<ObjectList, ObjectList> lists = new();
    private readonly Memo<(ResourceList Shared, ObjectList Own), ResourceSet> clusterSets = new();

    /// <summary>Parts that have no small key of their own: equal bytes give the one resource that is already there.</summary>
    public NamedResource Share(string name, IMessage message)
    {
        var fresh = NamedResource.Of(name, message);
        return ByContent.Get(new(fresh.TypeUrl, fresh.Name, fresh.Version), _ => fresh);
    }

    public NamedResource Share(NamedResource fresh) => ByContent.Get(new(fresh.TypeUrl, fresh.Name, fresh.Version), _ => fresh);

    /// <summary>The set of a list, made once for all proxies that share the list.</summary>
    public ResourceSet Set(string typeUrl, ResourceList list, ResourceSet? before)
    {
        var set = sets.GetValue(list, made => ResourceSet.Of(typeUrl, made.Items, null));
        return Kept(before, set);
    }

    /// <summary>The clusters of a list and a workload's own behind them, one set for all workloads with the same.</summary>
    public ResourceSet ClusterSet(ResourceList shared, ImmutableArray<NamedResource> own, ResourceSet? before)
    {
        var set = clusterSets.Get((shared, new(own.CastArray<object?>())), key => ResourceSet.Of(TypeUrl.Cluster, shared.Items.AddRange(own), null));
        return Kept(before, set);
    }

    /// <summary>Keeps <paramref name="before"/> when nothing differs from it.</summary>
    public static ResourceSet Kept(ResourceSet? before, ResourceSet now) => before is not null && before.HasContentOf(now.All) ? before : now;

    /// <summary>The one list that stands for equal ones.</summary>
    public ObjectList Share(ImmutableArray<object?> items)
    {
        var list = new ObjectList(items);
        return lists.Get(list, _ => list);
    }

    public readonly record struct Digest(string TypeUrl, string Name, string Version);
}
