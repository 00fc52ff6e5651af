namespace Mesh.Sim.Net;

/// <summary>What the simulated network does to bytes on their way.</summary>
public sealed record SimConditions
{
    /// <summary>Everything arrives at once and whole.</summary>
    public static SimConditions Calm { get; } = new();

    /// <summary>Small windows, bytes cut anywhere, a delay of up to 3 ms: what a codec must survive.</summary>
    public static SimConditions Rough { get; } = new()
    {
        LatencyMax = TimeSpan.FromMilliseconds(3), SegmentBytesMax = 97, WindowBytes = 512, ShuffleReady = true,
    };

    public TimeSpan LatencyMin { get; init; }

    public TimeSpan LatencyMax { get; init; }

    /// <summary>A read gives at most a random piece of this size; 0 leaves writes as they were made.</summary>
    public int SegmentBytesMax { get; init; }

    /// <summary>Bytes on their way or unread before the writer is told to wait.</summary>
    public int WindowBytes { get; init; } = 256 * 1024;

    /// <summary>What is ready at the same time is taken in an order chosen by the seed.</summary>
    public bool ShuffleReady { get; init; }
}
