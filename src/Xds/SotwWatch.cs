using Envoy.Service.Discovery.V3;

namespace Mesh.Xds;

/// <summary>
/// The server's memory of one type on one state-of-the-world stream: the older variant, in which a request repeats everything
/// wanted and a response to clusters or listeners repeats everything there is. gRPC's own xDS clients speak only this one. Pure.
/// </summary>
public sealed class SotwWatch(string typeUrl)
{
    private HashSet<string> wanted = [];
    private HashSet<string> unanswered = [];
    private ResourceSet sent = ResourceSet.Empty(typeUrl);
    private bool started;
    private long serial;

    public string TypeUrl { get; } = typeUrl;
    public bool IsWildcard { get; private set; }
    public IReadOnlySet<string> Wanted => wanted;
    public string NonceSent { get; private set; } = "";
    public string NonceAcked { get; private set; } = "";
    public string NonceRefused { get; private set; } = "";
    public string VersionSent { get; private set; } = "";
    public string VersionAcked { get; private set; } = "";

    /// <summary>The client's words of its last refusal; null when it accepted what came last.</summary>
    public string? Error { get; private set; }

    /// <summary>Nothing was sent that has not been accepted or refused.</summary>
    public bool IsSettled => NonceSent == NonceAcked || NonceSent == NonceRefused;

    public bool Sees(string name) => IsWildcard || wanted.Contains(name);

    public DeltaRequestKind Take(DiscoveryRequest request)
    {
        var first = !started;
        var stale = !first && request.ResponseNonce.Length > 0 && request.ResponseNonce != NonceSent;
        if (stale) return DeltaRequestKind.Stale;

        started = true;
        var more = Interest(request, first);
        if (first) return DeltaRequestKind.First;
        if (request.ErrorDetail is { } error)
        {
            NonceRefused = request.ResponseNonce;
            Error = error.Message;
            return DeltaRequestKind.Nack;
        }
        if (request.ResponseNonce.Length > 0)
        {
            NonceAcked = request.ResponseNonce;
            VersionAcked = VersionSent;
            Error = null;
        }
        return more ? DeltaRequestKind.Interest : DeltaRequestKind.Ack;
    }

    /// <summary>
    /// What must be sent now; null when nothing. Clusters and listeners go whole when any that is wanted changed or went,
    /// for that is how this variant says "gone"; of other types only what changed.
    /// </summary>
    public DiscoveryReply? Send(ResourceSet now, string version)
    {
        if (!started) return null;

        var difference = now.Since(sent);
        var owed = NonceSent.Length == 0 || unanswered.Count > 0;
        sent = now;
        var resources = IsWhole ? Whole(now, difference, owed) : Partial(now, difference);
        unanswered = [];
        if (resources is null || (resources.Count == 0 && !IsWhole)) return null;

        NonceSent = (++serial).ToString("x");
        VersionSent = version;
        return new(TypeUrl, NonceSent, version, resources, [], IsDelta: false);
    }

    private bool IsWhole => TypeUrl is Mesh.Xds.TypeUrl.Cluster or Mesh.Xds.TypeUrl.Listener;

    private bool Interest(DiscoveryRequest request, bool first)
    {
        var names = request.ResourceNames.Take(DeltaWatch.NamesMax).ToHashSet();
        if (names.Remove("*")) IsWildcard = true;
        else if (first) IsWildcard = names.Count == 0 && Mesh.Xds.TypeUrl.IsWildcardType(TypeUrl);

        var more = false;
        foreach (var name in names)
            if (!wanted.Contains(name)) more |= unanswered.Add(name);
        var less = wanted.Count > names.Count || !wanted.IsSubsetOf(names);
        wanted = names;
        unanswered.IntersectWith(names);
        return more || (less && IsWhole);
    }

    private List<NamedResource>? Whole(ResourceSet now, ResourceDifference difference, bool owed)
    {
        var touched = owed || difference.Changed.Any(r => Sees(r.Name)) || difference.Removed.Any(Sees);
        return touched ? now.All.Where(r => Sees(r.Name)).ToList() : null;
    }

    private List<NamedResource> Partial(ResourceSet now, ResourceDifference difference)
    {
        var resources = difference.Changed.Where(r => Sees(r.Name) && !unanswered.Contains(r.Name)).ToList();
        foreach (var name in unanswered)
            if (now.Find(name) is { } resource) resources.Add(resource);
        return resources;
    }
}
