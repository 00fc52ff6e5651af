using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Mesh.Net;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Upstream;

/// <summary>
/// Endpoints that a cluster knows by name: resolves the names, again and again, and puts addresses in their place. The operating system's resolver does the asking,
/// off the loop; while an answer fails the last good one stays. Loop thread only.
/// </summary>
internal sealed class NamedEndpoints
{
    private const int NamesMax = 4096;
    private static readonly TimeSpan RefreshMin = TimeSpan.FromSeconds(1), RefreshMax = TimeSpan.FromMinutes(10);

    private readonly Loop _loop;
    private readonly Action _onChange;
    private readonly Dictionary<string, IPAddress[]> _known = [];
    private readonly HashSet<string> _answered = [];
    private readonly LoopSignal _answer;
    private readonly LoopTimer _again;
    private ImmutableArray<string> _names = [];
    private Cluster? _cluster;
    private int _asking;
    private bool _isStopped;

    public NamedEndpoints(Loop loop, Action onChange)
    {
        (_loop, _onChange) = (loop, onChange);
        _again = new(loop, Ask);
        _answer = new(loop);
    }

    /// <summary>A cluster is not served before its names were asked once, as Envoy warms it; this long at most.</summary>
    private static readonly TimeSpan FirstAnswerMax = TimeSpan.FromSeconds(5);

    public bool IsFirstAnswerDue
    {
        get
        {
            foreach (var name in _names)
                if (!_answered.Contains(name)) return true;
            return false;
        }
    }

    public async ValueTask FirstAnswerAsync(Deadline deadline)
    {
        var end = Deadline.After(_loop.Clock, FirstAnswerMax).Sooner(deadline);
        while (IsFirstAnswerDue && !_isStopped)
            if (await _answer.WaitAsync(end) is not IoStatus.Ok) return;
    }

    /// <summary>The same endpoints with addresses instead of names; those whose name has no answer yet are left out.</summary>
    public ClusterEndpoints? Expand(Cluster cluster, ClusterEndpoints? endpoints)
    {
        if (endpoints is null || cluster.Discovery is not (ClusterDiscovery.StrictDns or ClusterDiscovery.LogicalDns)) return endpoints;

        _cluster = cluster;
        var names = endpoints.Localities.SelectMany(place => place.Endpoints).Select(e => e.Address.Host).OfType<string>().Distinct().ToImmutableArray();
        if (!names.SequenceEqual(_names))
        {
            _names = names;
            Ask();
        }
        var places = endpoints.Localities.Select(place => place with { Endpoints = [.. place.Endpoints.SelectMany(endpoint => Resolved(cluster, endpoint))] });
        return endpoints with { Localities = [.. places] };
    }

    public void Stop()
    {
        _isStopped = true;
        _answer.Wake();
        _again.Disarm();
    }

    private IEnumerable<Endpoint> Resolved(Cluster cluster, Endpoint endpoint)
    {
        if (endpoint.Address.Host is not { } host) return [endpoint];

        var addresses = _known.GetValueOrDefault(host) ?? [];
        var wanted = cluster.Discovery == ClusterDiscovery.LogicalDns ? addresses.Take(1) : addresses;
        return wanted.Select(address => endpoint with
        {
            Address = SocketTarget.At(new(address, endpoint.Address.Port)),
            Hostname = endpoint.Hostname.Length > 0 ? endpoint.Hostname : host,
        });
    }

    private void Ask()
    {
        if (_isStopped || _asking > 0) return;

        foreach (var name in _names)
        {
            _asking++;
            _ = AskAsync(name, FamilyOf(_cluster!.Dns.Family));
        }
    }

    private async Task AskAsync(string name, AddressFamily family)
    {
        IPAddress[]? found = null;
        try
        {
            found = IPAddress.TryParse(name, out var literal) ? [literal] : await System.Net.Dns.GetHostAddressesAsync(name, family).ConfigureAwait(false);
        }
        catch (SocketException)
        {
            // No answer: what was known stays.
        }
        _loop.Post(() => Take(name, found));
    }

    private void Take(string name, IPAddress[]? found)
    {
        _asking--;
        if (_isStopped) return;

        var isFirst = _answered.Count < NamesMax && _answered.Add(name);

        if (found is { Length: > 0 })
        {
            found = [.. found.OrderBy(address => address.ToString(), StringComparer.Ordinal)];
            if (!_known.TryGetValue(name, out var before) || !before.SequenceEqual(found))
            {
                _known[name] = found;
                _onChange();
            }
        }
        if (isFirst) _answer.Wake();
        if (_asking > 0) return;

        var every = _cluster!.Dns.RefreshRate;
        if (every < RefreshMin) every = RefreshMin;
        if (every > RefreshMax) every = RefreshMax;
        _again.Arm(Deadline.After(_loop.Clock, every));
    }

    private static AddressFamily FamilyOf(DnsFamily family) => family switch
    {
        DnsFamily.V4Only or DnsFamily.V4Preferred => AddressFamily.InterNetwork,
        DnsFamily.V6Only => AddressFamily.InterNetworkV6,
        _ => AddressFamily.Unspecified,
    };
}
