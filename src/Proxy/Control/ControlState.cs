using System.Collections.Immutable;
using Google.Protobuf.WellKnownTypes;

namespace Mesh.Proxy.Control;

/// <summary>What the control plane has sent so far, as it came: for the admin port. Immutable; replaced whole.</summary>
internal sealed record ControlState
{
    public static readonly ControlState Empty = new();

    public bool IsConnected { get; init; }
    /// <summary>By type, then name.</summary>
    public ImmutableDictionary<string, ImmutableDictionary<string, ReceivedResource>> Resources { get; init; } =
        ImmutableDictionary<string, ImmutableDictionary<string, ReceivedResource>>.Empty;
    public ImmutableDictionary<string, TypeStatus> Types { get; init; } = ImmutableDictionary<string, TypeStatus>.Empty;
    /// <summary>Refused resources: the latest refusal of each, by type and name.</summary>
    public ImmutableDictionary<(string Type, string Name), string> Refusals { get; init; } = ImmutableDictionary<(string, string), string>.Empty;
    public ImmutableArray<string> Waiting { get; init; } = [];

    public TypeStatus StatusOf(string typeUrl) => Types.GetValueOrDefault(typeUrl) ?? new();

    public ImmutableDictionary<string, ReceivedResource> Of(string typeUrl) => Resources.GetValueOrDefault(typeUrl) ?? ImmutableDictionary<string, ReceivedResource>.Empty;
}

internal sealed record ReceivedResource(string Version, Any Body, DateTimeOffset At);

/// <summary>How many responses of one type were taken and refused.</summary>
internal sealed record TypeStatus(int Accepted = 0, int Rejected = 0, string LastVersion = "", DateTimeOffset LastAt = default);
