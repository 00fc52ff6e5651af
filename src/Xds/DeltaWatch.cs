using Envoy.Service.Discovery.V3;

namespace Mesh.Xds;

/// <summary>What a request on a delta stream means to the server.</summary>
public enum DeltaRequestKind
{
    /// <summary>The first of its type on this stream: it must be answered, even with nothing.</summary>
    First,

    /// <summary>The proxy took what the nonce stands for.</summary>
    Ack,

    /// <summary>It refused; <see cref="DeltaWatch.Error"/> has its words. The same content is not sent again.</summary>
    Nack,

    /// <summary>It asks for more, or for less.</summary>
    Interest,

    /// <summary>About a response older than the newest; nothing follows from it.</summary>
    Stale,
}

/// <summary>
/// The server's memory of one type on one delta stream: what was asked for, sent, accepted. Pure; one owner.
/// What was sent is a reference to a shared <see cref="ResourceSet"/>, so that a thousand streams cost a thousand references.
/// </summary>
/// <param name="names">Shared by all streams; null for one that stands alone.</param>
public sealed class DeltaWatch(string typeUrl, NamePool? names = null)
{
    // A client that subscribes to more is broken or hostile; Envoy's largest meshes have some ten thousand clusters.
    public const int NamesMax = 200_000;

    private const string Everything = "*";

    private readonly bool byCollection = Mesh.Xds.TypeUrl.IsAskedByCollection(typeUrl);
    private readonly NamePool names = names ?? new();
    private NameSet wanted = NameSet.Empty;
    private NameSet unanswered = NameSet.Empty;
    private Dictionary<string, string>? claimed;
    private ResourceSet sent = ResourceSet.Empty(typeUrl);
    private bool started, everythingUnanswered;
    private long serial;

    public string TypeUrl { get; } = typeUrl;
    public bool IsWildcard { get; private set; }

    /// <summary>Names asked for one by one.</summary>
    public NameSet Wanted => wanted;

    /// <summary>Of the newest response; empty before the first.</summary>
    public string NonceSent { get; private set; } = "";
    public string NonceAcked { get; private set; } = "";
    public string NonceRefused { get; private set; } = "";
    public string VersionSent { get; private set; } = "";
    public string VersionAcked { get; private set; } = "";

    /// <summary>The proxy's words of its last refusal; null when it accepted what came last.</summary>
    public string? Error { get; private set; }

    /// <summary>Nothing was sent that has not been accepted or refused.</summary>
    public bool IsSettled => NonceSent == NonceAcked || NonceSent == NonceRefused;

    public bool Sees(string name) => IsWildcard || wanted.Contains(AskedAs(name));

    public DeltaRequestKind Take(DeltaDiscoveryRequest request)
    {
        var kind = KindOf(request);
        if (kind == DeltaRequestKind.First) Start(request);
        var asksMore = request.ResourceNamesSubscribe.Count > 0 || request.ResourceNamesUnsubscribe.Count > 0;
        if (asksMore) Ask(request.ResourceNamesSubscribe, request.ResourceNamesUnsubscribe);
        return kind == DeltaRequestKind.Stale && asksMore ? DeltaRequestKind.Interest : kind;
    }

    /// <summary>
    /// What must be sent so that the proxy has all it may see of <paramref name="now"/>; null when it has.
    /// Calling it counts as sending.
    /// </summary>
    public DiscoveryReply? Send(ResourceSet now, string version)
    {
        if (!started) return null;

        var (resources, removed) = claimed is null && !everythingUnanswered ? Changes(now.Since(sent), now) : AllThereIs(now);
        var owed = NonceSent.Length == 0;
        if (resources.Count == 0 && removed.Count == 0 && !owed)
        {
            sent = now;
            return null;
        }

        sent = now;
        claimed = null;
        everythingUnanswered = false;
        unanswered = NameSet.Empty;
        NonceSent = (++serial).ToString("x");
        VersionSent = version;
        return new(TypeUrl, NonceSent, version, resources, removed, IsDelta: true);
    }

    /// <summary>Sends these again although they did not change, where the proxy asked for them: it has thrown its copy away.</summary>
    public void Resend(IEnumerable<string> thrownAway)
    {
        var more = thrownAway.Where(wanted.Contains).Where(name => !unanswered.Contains(name)).ToList();
        if (more.Count > 0) unanswered = names.Share([.. unanswered, .. more]);
    }

    private DeltaRequestKind KindOf(DeltaDiscoveryRequest request)
    {
        if (!started) return DeltaRequestKind.First;
        if (request.ResponseNonce.Length == 0) return DeltaRequestKind.Interest;

        if (request.ErrorDetail is { } error)
        {
            NonceRefused = request.ResponseNonce;
            Error = error.Message;
            return DeltaRequestKind.Nack;
        }
        if (request.ResponseNonce != NonceSent) return DeltaRequestKind.Stale;

        NonceAcked = request.ResponseNonce;
        VersionAcked = VersionSent;
        Error = null;
        return DeltaRequestKind.Ack;
    }

    private void Start(DeltaDiscoveryRequest request)
    {
        started = true;
        // Naming nothing at first means everything, where the type has such a meaning; "*" says so in any request.
        IsWildcard = request.ResourceNamesSubscribe.Count == 0 && Mesh.Xds.TypeUrl.IsWildcardType(TypeUrl);
        everythingUnanswered = IsWildcard;
        if (request.InitialResourceVersions.Count is > 0 and <= NamesMax)
            claimed = new(request.InitialResourceVersions);
    }

    private void Ask(IReadOnlyList<string> more, IReadOnlyList<string> less)
    {
        var (all, owed) = (wanted.Copy(), unanswered.Copy());
        foreach (var name in less)
        {
            if (name == Everything) IsWildcard = false;
            all.Remove(name);
            owed.Remove(name);
        }
        foreach (var name in more)
        {
            if (name == Everything) IsWildcard = everythingUnanswered = true;
            else if (all.Count < NamesMax)
            {
                // Asked again means: send again, whatever was sent (a cluster that warms anew asks for its endpoints anew).
                all.Add(name);
                owed.Add(name);
            }
        }
        wanted = names.Share(all);
        unanswered = wanted.Holds(owed) ? wanted : names.Share(owed);
    }

    /// <summary>The usual case: the difference of two shared sets, cut down to what this proxy asked for.</summary>
    private (IReadOnlyList<NamedResource>, IReadOnlyList<string>) Changes(ResourceDifference difference, ResourceSet now)
    {
        if (IsWildcard && unanswered.Count == 0) return (difference.Changed, difference.Removed);

        var resources = new List<NamedResource>();
        var removed = new List<string>();
        foreach (var resource in difference.Changed)
            if (Sees(resource.Name) && !unanswered.Contains(AskedAs(resource.Name))) resources.Add(resource);
        foreach (var name in difference.Removed)
            if (Sees(name) && !unanswered.Contains(AskedAs(name))) removed.Add(name);
        if (unanswered.Count > 0)
        {
            var asked = now.Of(unanswered, byCollection);
            // The first answer to names: all proxies of a kind share it.
            if (resources.Count == 0 && removed.Count == 0) return (asked.Found, asked.Missing);
            resources.AddRange(asked.Found);
            // A name that stands for nothing is told as removed, so that nobody waits for it.
            removed.AddRange(asked.Missing);
        }
        return (resources, removed);
    }

    /// <summary>The first answer, or the first after "everything" was asked for: all there is, less what the proxy said it has.</summary>
    private (IReadOnlyList<NamedResource>, IReadOnlyList<string>) AllThereIs(ResourceSet now)
    {
        var asked = now.Of(wanted, byCollection);
        IReadOnlyList<NamedResource> resources = IsWildcard ? now.All : asked.Found;
        if (claimed is null) return (resources, asked.Missing);

        var gone = claimed.Keys.Where(name => now.Find(name) is null && !wanted.Contains(name));
        return ([.. resources.Where(IsNew)], [.. asked.Missing, .. gone]);
    }

    private string AskedAs(string name) => byCollection ? Mesh.Xds.TypeUrl.CollectionOf(name) : name;

    private bool IsNew(NamedResource resource) => claimed?.GetValueOrDefault(resource.Name) != resource.Version;
}
