using System.Collections.Immutable;
using Google.Protobuf.WellKnownTypes;

namespace Mesh.Proxy.Control;

/// <summary>What the control plane has sent so far, as it came: for the admin port. Immutable; replaced whole.</summary>
internal sealed record ControlState
{
    public static readonly ControlState Empty = new();

    public bool IsConnected { get; init; }
    /// <summary>Set when a former process's configuration serves, until this one's control plane has answered: when it was last known to be right.</summary>
    public DateTimeOffset? GoesOnSince { get; init; }
    /// <summary>Why there was no configuration to go on with; null when nobody has looked.</summary>
    public string? NothingKept { get; init; }
    /// <summary>By type, then name.</summary>
    public ImmutableDictionary<string, ImmutableDictionary<string, ReceivedResource>> Resources { get; init; } =
        ImmutableDictionary<string, ImmutableDictionary<string, ReceivedResource>>.Empty;
    public ImmutableDictionary<string, TypeStatus> Types { get; init; } = ImmutableDictionary<string, TypeStatus>.Empty;
    /// <summary>Refused resources: the latest refusal of each, by type and name.</summary>
    public ImmutableDictionary<(string Type, string Name), string> Refusals { get; init; } = ImmutableDictionary<(string, string), string>.Empty;
    public ImmutableArray<string> Waiting { get; init; } = [];

    /// <summary>The control plane has given clusters and listeners, and they were taken.</summary>
    public bool IsConfirmed => StatusOf(Config.ResourceFromXds.ClusterType).Accepted > 0 && StatusOf(Config.ResourceFromXds.ListenerType).Accepted > 0;

    public TypeStatus StatusOf(string typeUrl) => Types.GetValueOrDefault(typeUrl) ?? new();

    public ImmutableDictionary<string, ReceivedResource> Of(string typeUrl) => Resources.GetValueOrDefault(typeUrl) ?? ImmutableDictionary<string, ReceivedResource>.Empty;
}

internal sealed record ReceivedResource(string Version, Any Body, DateTimeOffset At);

/// <summary>How many responses of one type were taken and refused.</summary>
internal sealed record TypeStatus(int Accepted = 0, int Rejected = 0, string LastVersion = "", DateTimeOffset LastAt = default);
