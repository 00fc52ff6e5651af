using System.Collections.Immutable;
using System.Net;

namespace Mesh.Proxy.Config;

/// <summary>A share of requests, as the field's protos write it: numerator over 100, 10 000 or 1 000 000.</summary>
internal readonly record struct Fraction(uint Numerator, uint Denominator)
{
    public static Fraction All => new(100, 100);
    public static Fraction None => new(0, 100);

    public bool IsAll => Numerator >= Denominator;
    public bool IsNone => Numerator == 0;

    /// <param name="roll">A uniform random number; only its remainder by the denominator counts.</param>
    public bool Includes(ulong roll) => roll % Denominator < Numerator;
}

/// <summary>A half-open range, as in header range matches: <paramref name="Start"/> is in, <paramref name="End"/> is not.</summary>
internal readonly record struct Int64Range(long Start, long End)
{
    public bool Contains(long value) => value >= Start && value < End;
}

/// <summary>The three names by which a place is known; empty parts match nothing but themselves.</summary>
internal sealed record Locality(string Region, string Zone, string SubZone)
{
    public static readonly Locality Nowhere = new("", "", "");

    public override string ToString() => $"{Region}/{Zone}/{SubZone}";
}

/// <summary>One value of the free-form metadata that clusters, endpoints and routes carry.</summary>
internal sealed record MetadataValue
{
    public static readonly MetadataValue Null = new();

    public string? Text { get; init; }
    public double? Number { get; init; }
    public bool? Flag { get; init; }
    public ImmutableArray<MetadataValue>? Items { get; init; }
    public ImmutableDictionary<string, MetadataValue>? Fields { get; init; }

    public MetadataValue? this[string key] => Fields is { } fields && fields.TryGetValue(key, out var value) ? value : null;
}

/// <summary>Metadata by the name of the filter it is meant for, such as <c>istio</c> or <c>envoy.transport_socket_match</c>.</summary>
internal sealed record Metadata(ImmutableDictionary<string, MetadataValue> ByFilter)
{
    public static readonly Metadata Empty = new(ImmutableDictionary<string, MetadataValue>.Empty);

    public MetadataValue? Get(string filter, string key) => ByFilter.TryGetValue(filter, out var value) ? value[key] : null;
}

/// <summary>Where to accept or to connect: an IP endpoint, a name still to be resolved, or a path of a Unix socket.</summary>
internal sealed record SocketTarget
{
    public IPEndPoint? Ip { get; init; }
    /// <summary>A DNS name, in clusters that resolve their endpoints themselves.</summary>
    public string? Host { get; init; }
    public int Port { get; init; }
    public string? UnixPath { get; init; }
    /// <summary>An endpoint inside this process: the name of an internal listener (HBONE).</summary>
    public string? InternalListener { get; init; }
    /// <summary>The id that tells apart several internal endpoints at one listener: for HBONE the real address.</summary>
    public string? InternalEndpointId { get; init; }

    public static SocketTarget At(IPEndPoint endPoint) => new() { Ip = endPoint, Port = endPoint.Port };

    public override string ToString() =>
        Ip?.ToString() ?? UnixPath ?? (Host is not null ? $"{Host}:{Port}" : $"envoy://{InternalListener}/{InternalEndpointId}");
}
