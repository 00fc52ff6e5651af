namespace Mesh.Http.H2;

/// <summary>What we tell the peer, and our own defences. Defaults: 100 streams, 64 KiB windows and 1 MiB for the connection (Envoy's edge values).</summary>
public sealed record H2Settings
{
    public static H2Settings Default { get; } = new();

    public int MaxConcurrentStreams { get; init; } = 100;

    /// <summary>What a peer may send on one stream ahead of what was consumed.</summary>
    public int InitialWindowBytes { get; init; } = 64 * 1024;

    public int ConnectionWindowBytes { get; init; } = 1024 * 1024;

    /// <summary>RFC 9113 §4.2: 16384 is the least allowed and the most that pays.</summary>
    public int MaxFrameBytes { get; init; } = 16384;

    public int HeaderTableBytes { get; init; } = 4096;

    /// <summary>Server only: RFC 8441, for WebSocket over HTTP/2.</summary>
    public bool ExtendedConnect { get; init; } = true;

    /// <summary>A malformed request ends the connection (edges) instead of its stream (tunnels that many share).</summary>
    public bool MalformedEndsConnection { get; init; }

    /// <summary>Frames behind HEADERS for one block; an empty one that does not end it is a violation by itself (CVE-2024-27316, -30255).</summary>
    public int ContinuationFramesMax { get; init; } = 8;

    /// <summary>Streams reset, by the peer or for its violations: at once, and per second from then on (CVE-2023-44487, CVE-2025-8671).</summary>
    public int ResetBurst { get; init; } = 200;

    public int ResetsPerSecond { get; init; } = 33;

    /// <summary>PING and SETTINGS that want an answer: at once, and per second (CVE-2019-9512, -9515).</summary>
    public int PingBurst { get; init; } = 100;

    public int PingsPerSecond { get; init; } = 10;

    /// <summary>DATA, HEADERS without payload and without END_STREAM, in a row (CVE-2019-9518).</summary>
    public int EmptyFramesMax { get; init; } = 10;

    /// <summary>Control frames written since the output was last flushed (CVE-2019-9512: answers that are never read).</summary>
    public int QueuedControlFramesMax { get; init; } = 1000;

    /// <summary>Entries in one SETTINGS frame.</summary>
    public int SettingsEntriesMax { get; init; } = 32;
}
