using System.Collections.Immutable;
using System.Net;

namespace Mesh.Proxy.Config;

internal enum TrafficDirection { Unspecified, Inbound, Outbound }

/// <summary>An address we accept on and the filter chains tried there.</summary>
internal sealed record Listener
{
    public required string Name { get; init; }
    public required SocketTarget Address { get; init; }
    public ImmutableArray<SocketTarget> AdditionalAddresses { get; init; } = [];
    public TrafficDirection Direction { get; init; }

    /// <summary>False: no socket of its own; connections come to it from a listener with <see cref="UseOriginalDestination"/>.</summary>
    public bool BindToPort { get; init; } = true;
    /// <summary>Hand each connection to the listener that carries its original destination, if there is one.</summary>
    public bool UseOriginalDestination { get; init; }
    public bool Transparent { get; init; }
    /// <summary>Reached only from inside this process (HBONE's inner listener).</summary>
    public bool IsInternal { get; init; }
    public bool ReusePort { get; init; } = true;
    public int? BacklogMax { get; init; }
    public uint? ConnectionBufferBytesMax { get; init; }

    public ImmutableArray<ListenerFilter> Filters { get; init; } = [];
    /// <summary>How long the listener filters may wait for bytes; null is forever.</summary>
    public TimeSpan? FiltersTimeout { get; init; } = TimeSpan.FromSeconds(15);
    /// <summary>On timeout go on with what is known, instead of closing.</summary>
    public bool ContinueOnFiltersTimeout { get; init; }

    public ImmutableArray<FilterChain> Chains { get; init; } = [];
    public FilterChain? DefaultChain { get; init; }
    /// <summary>Written for connections for which no chain was found.</summary>
    public ImmutableArray<AccessLogSettings> AccessLogs { get; init; } = [];
    public TcpKeepAlive? KeepAlive { get; init; }
    public Metadata Metadata { get; init; } = Metadata.Empty;

    /// <summary>Of all that it was told but its chains; 0 when it was not told.</summary>
    public UInt128 FingerprintWithoutChains { get; init; }

    /// <summary>Only chains differ, if anything: connections on chains that stayed need not leave.</summary>
    public bool DiffersInChainsOnly(Listener other) => FingerprintWithoutChains == other.FingerprintWithoutChains && FingerprintWithoutChains != 0;

    /// <summary>
    /// With the former version's chains themselves wherever nothing about them has changed, so that what was made ready for them, their TLS above all, serves on:
    /// of a gateway's thousand hosts, one new one costs the others nothing.
    /// </summary>
    public Listener KeepingChainsOf(Listener before)
    {
        var known = before.Chains.Where(chain => chain.Fingerprint != 0).DistinctBy(chain => chain.Fingerprint).ToDictionary(chain => chain.Fingerprint);
        return this with
        {
            Chains = [.. Chains.Select(chain => known.GetValueOrDefault(chain.Fingerprint, chain))],
            DefaultChain = DefaultChain is { } last && before.DefaultChain?.IsSameAs(last) == true ? before.DefaultChain : DefaultChain,
        };
    }
}

internal enum ListenerFilterKind { OriginalDestination, OriginalSource, TlsInspector, HttpInspector, ProxyProtocol, SetInternalDestination, ConnectionLimit }

internal sealed record ListenerFilter(ListenerFilterKind Kind)
{
    /// <summary>Destination ports on which this filter stays out of the way (server-first protocols).</summary>
    public ImmutableArray<PortRange> DisabledPorts { get; init; } = [];
    /// <summary>True when the set above says where the filter works rather than where it does not.</summary>
    public bool DisabledInverted { get; init; }

    public bool IsEnabledFor(int destinationPort)
    {
        var listed = false;
        foreach (var range in DisabledPorts) listed |= range.Contains(destinationPort);
        return DisabledPorts.IsEmpty || listed == DisabledInverted;
    }
}

/// <summary>Half open, as on the wire.</summary>
internal readonly record struct PortRange(int Start, int End)
{
    public bool Contains(int port) => port >= Start && port < End;
}

internal sealed record TcpKeepAlive(uint? Probes, TimeSpan? Idle, TimeSpan? Interval);
