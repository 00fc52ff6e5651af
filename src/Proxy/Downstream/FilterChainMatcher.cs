using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Downstream;

/// <summary>
/// Room 2 of 8: which filter chain serves this connection? Criterion by criterion the most specific value that some chain names wins, and the chains
/// that do not name it are out of the race: Envoy never goes back to a less specific one, even if nothing is left in the end.
/// </summary>
internal sealed class FilterChainMatcher
{
    private readonly Dictionary<int, ServerNameIndex> _byPort = [];
    private readonly ServerNameIndex _anyPort;
    private readonly FilterChain? _otherwise;

    public FilterChainMatcher(Listener listener)
    {
        foreach (var group in listener.Chains.Where(chain => chain.Match.DestinationPort is not null).GroupBy(chain => chain.Match.DestinationPort!.Value))
            _byPort[group.Key] = new([.. group]);
        _anyPort = new([.. listener.Chains.Where(chain => chain.Match.DestinationPort is null)]);
        _otherwise = listener.DefaultChain;
    }

    /// <returns>Null when no chain wants it: the connection is closed, flag NR.</returns>
    public FilterChain? Find(in ConnectionTraits traits)
    {
        var chains = (_byPort.TryGetValue(traits.Destination.Port, out var some) ? some : _anyPort).For(traits.ServerName);
        if (chains.Length == 0) return _otherwise;

        Span<bool> alive = chains.Length <= 512 ? stackalloc bool[chains.Length] : new bool[chains.Length];
        alive.Fill(true);
        Narrow(chains, alive, traits, static (FilterChainMatch match, in ConnectionTraits t) => Prefix(match.DestinationRanges, t.Destination.Address));
        Narrow(chains, alive, traits, static (FilterChainMatch match, in ConnectionTraits t) => Name(match.ServerNames, t.ServerName));
        Narrow(chains, alive, traits, static (FilterChainMatch match, in ConnectionTraits t) => match.TransportProtocol == "" ? 0 : match.TransportProtocol == t.TransportProtocol ? 1 : -1);
        Narrow(chains, alive, traits, static (FilterChainMatch match, in ConnectionTraits t) => Protocol(match.ApplicationProtocols, t.ApplicationProtocols));
        Narrow(chains, alive, traits, static (FilterChainMatch match, in ConnectionTraits t) => Prefix(match.DirectSourceRanges, t.DirectSource.Address));
        Narrow(chains, alive, traits, static (FilterChainMatch match, in ConnectionTraits t) => SourceType(match.SourceType, t));
        Narrow(chains, alive, traits, static (FilterChainMatch match, in ConnectionTraits t) => Prefix(match.SourceRanges, t.Source.Address));
        Narrow(chains, alive, traits, static (FilterChainMatch match, in ConnectionTraits t) => match.SourcePorts.IsEmpty ? 0 : match.SourcePorts.Contains(t.Source.Port) ? 1 : -1);

        var index = alive.IndexOf(true);
        return index < 0 ? _otherwise : chains[index];
    }

    /// <summary>True when a connection that asks for this host at once would be led to another chain: it belongs to another group of servers.</summary>
    /// <param name="host">Lower case, without a port.</param>
    public bool IsElsewhere(string host, FilterChain chain)
    {
        foreach (var other in (chain.Match.DestinationPort is { } port && _byPort.TryGetValue(port, out var some) ? some : _anyPort).For(host))
            if (other == chain) return false;
            else if (!other.Match.ServerNames.IsEmpty && other.Match.DestinationRanges.IsEmpty) return true;
        return false;
    }

    private static void Narrow(FilterChain[] chains, Span<bool> alive, in ConnectionTraits traits, Criterion criterion)
    {
        var best = -1;
        for (var i = 0; i < chains.Length; i++)
            if (alive[i]) best = Math.Max(best, criterion(chains[i].Match, traits));

        for (var i = 0; i < chains.Length; i++)
            if (alive[i]) alive[i] = best >= 0 && criterion(chains[i].Match, traits) == best;
    }

    /// <summary>Below zero: does not match. Zero: says nothing. Above: how specific the match is.</summary>
    private delegate int Criterion(FilterChainMatch match, in ConnectionTraits traits);

    private static int Prefix(ImmutableArray<AddressRange> ranges, IPAddress address)
    {
        if (ranges.IsEmpty) return 0;

        var best = -1;
        foreach (var range in ranges)
            if (range.Contains(address)) best = Math.Max(best, 1 + range.PrefixLength);
        return best;
    }

    private static int Name(ImmutableArray<string> names, string serverName)
    {
        if (names.IsEmpty) return 0;

        var best = -1;
        foreach (var name in names)
        {
            if (name.Equals(serverName, StringComparison.OrdinalIgnoreCase)) return int.MaxValue;
            if (name.StartsWith("*.", StringComparison.Ordinal) && serverName.EndsWith(name[1..], StringComparison.OrdinalIgnoreCase)) best = Math.Max(best, name.Length);
        }
        return best;
    }

    private static int Protocol(ImmutableArray<string> wanted, ImmutableArray<string> offered)
    {
        if (wanted.IsEmpty) return 0;

        // The client's first choice that any chain knows decides.
        for (var i = 0; i < offered.Length; i++)
            if (wanted.Contains(offered[i])) return offered.Length - i;
        return -1;
    }

    private static int SourceType(ConnectionSourceType type, in ConnectionTraits traits)
    {
        if (type == ConnectionSourceType.Any) return 0;

        var near = IPAddress.IsLoopback(traits.Source.Address) || traits.Source.Address.Equals(traits.Destination.Address);
        return near == (type == ConnectionSourceType.SameIpOrLoopback) ? 1 : -1;
    }
}

/// <summary>What the choice of a filter chain may depend on.</summary>
/// <param name="Destination">Where the client was headed, before any redirection.</param>
/// <param name="DirectSource">The socket's own peer; differs from <paramref name="Source"/> behind the PROXY protocol.</param>
/// <param name="ServerName">Lower case; empty when none was asked for.</param>
/// <param name="TransportProtocol">"tls" or "raw_buffer".</param>
/// <param name="ApplicationProtocols">From ALPN, or sniffed from plain text: "http/1.1", "http/1.0", "h2c".</param>
internal readonly record struct ConnectionTraits(
    IPEndPoint Destination, IPEndPoint Source, IPEndPoint DirectSource, string ServerName, string TransportProtocol, ImmutableArray<string> ApplicationProtocols);
