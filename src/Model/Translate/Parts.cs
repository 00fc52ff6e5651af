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

    /// <summary>Parts that have no small key of their own: equal bytes give the one resource that is already there.</summary>
    public NamedResource Share(string name, IMessage message)
    {
        var fresh = NamedResource.Of(name, message);
        return ByContent.Get(new(fresh.TypeUrl, fresh.Name, fresh.Version), _ => fresh);
    }

    public NamedResource Share(NamedResource fresh) => ByContent.Get(new(fresh.TypeUrl, fresh.Name, fresh.Version), _ => fresh);

    /// <summary>The set of a list, made once for all proxies that share the list.</summary>
    public ResourceSet Set(ResourceList list, ResourceSet? before)
    {
        var set = sets.GetValue(list, made => ResourceSet.Of(made.Items, null));
        return before is not null && before.Version == set.Version ? before : set;
    }

    public readonly record struct Digest(string TypeUrl, string Name, string Version);
}
