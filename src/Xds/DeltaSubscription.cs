using Envoy.Service.Discovery.V3;

namespace Mesh.Xds;

/// <summary>
/// The client's memory of one type: what it wants, what it holds and in which version. It outlives the stream, so that after a
/// reconnect only what changed meanwhile is sent. Pure; one owner.
/// </summary>
public sealed class DeltaSubscription(string typeUrl, bool wildcard)
{
    // The protocol's own limits are none; a reason longer than this is of no use to whoever reads it.
    private const int ReasonCharsMax = 2_000;

    private readonly bool byCollection = Mesh.Xds.TypeUrl.IsAskedByCollection(typeUrl);
    private readonly HashSet<string> wanted = [];
    private readonly Dictionary<string, string> held = [];

    public string TypeUrl { get; } = typeUrl;
    public IReadOnlySet<string> Wanted => wanted;

    /// <summary>Accepted resources: name to version.</summary>
    public IReadOnlyDictionary<string, string> Held => held;

    /// <summary>False until the first response was accepted on any stream.</summary>
    public bool HasAnswer { get; private set; }

    /// <summary>The words of the last refusal; null when what came last was accepted.</summary>
    public string? Refusal { get; private set; }

    /// <summary>The first request on a new stream: everything wanted, and what is here already.</summary>
    public DeltaDiscoveryRequest Open(Envoy.Config.Core.V3.Node? node)
    {
        var request = new DeltaDiscoveryRequest { TypeUrl = TypeUrl, Node = node };
        // On a stream's first request a list without names means everything; with names, "*" must be said.
        if (wildcard && wanted.Count > 0) request.ResourceNamesSubscribe.Add("*");
        request.ResourceNamesSubscribe.AddRange(wanted);
        foreach (var (name, version) in held) request.InitialResourceVersions.Add(name, version);
        return request;
    }

    /// <summary>A former process accepted this version and it is in force here; said before the first <see cref="Open"/>, it will not be sent again.</summary>
    public void Holds(string name, string version) => held[name] = version;

    /// <summary>From now on exactly these are wanted by name.</summary>
    /// <returns>What to send; null when nothing changes or there is no stream to send it on (then <see cref="Open"/> will say it).</returns>
    public DeltaDiscoveryRequest? Want(IReadOnlySet<string> names)
    {
        var request = new DeltaDiscoveryRequest { TypeUrl = TypeUrl };
        foreach (var name in names)
            if (wanted.Add(name)) request.ResourceNamesSubscribe.Add(name);
        foreach (var name in wanted)
            if (!names.Contains(name)) request.ResourceNamesUnsubscribe.Add(name);
        foreach (var name in request.ResourceNamesUnsubscribe)
        {
            wanted.Remove(name);
            if (!wildcard) held.Remove(name);
            if (!byCollection) continue;
            foreach (var member in held.Keys.Where(member => Mesh.Xds.TypeUrl.CollectionOf(member) == name).ToList()) held.Remove(member);
        }
        return request.ResourceNamesSubscribe.Count + request.ResourceNamesUnsubscribe.Count == 0 ? null : request;
    }

    /// <summary>Takes a response in: it is the answer to give, and what is held changes.</summary>
    public DeltaDiscoveryRequest Accept(DeltaDiscoveryResponse response)
    {
        HasAnswer = true;
        Refusal = null;
        Hold(response, new HashSet<string>());
        return Answer(response);
    }

    /// <summary>Refuses a response, whole or in part: of what is refused, what was held before stays held.</summary>
    /// <param name="reason">Names the resource and the field; cut when too long.</param>
    /// <param name="refused">Resources that were refused; null for all. The others were taken.</param>
    public DeltaDiscoveryRequest Refuse(DeltaDiscoveryResponse response, string reason, IReadOnlySet<string>? refused = null)
    {
        Refusal = reason.Length <= ReasonCharsMax ? reason : reason[..ReasonCharsMax];
        if (refused is not null) Hold(response, refused);
        var request = Answer(response);
        request.ErrorDetail = new Google.Rpc.Status { Code = 3, Message = Refusal };
        return request;
    }

    private void Hold(DeltaDiscoveryResponse response, IReadOnlySet<string> except)
    {
        foreach (var resource in response.Resources)
            if ((wildcard || wanted.Contains(byCollection ? Mesh.Xds.TypeUrl.CollectionOf(resource.Name) : resource.Name)) && !except.Contains(resource.Name)) held[resource.Name] = resource.Version;
        foreach (var name in response.RemovedResources) held.Remove(name);
    }

    private DeltaDiscoveryRequest Answer(DeltaDiscoveryResponse response) =>
        new() { TypeUrl = TypeUrl, ResponseNonce = response.Nonce };
}
