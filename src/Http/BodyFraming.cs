namespace Mesh.Http;

public enum BodyKind : byte
{
    /// <summary>No body follows.</summary>
    None = 0,

    /// <summary>Exactly <see cref="BodyFraming.Length"/> bytes.</summary>
    Length,

    /// <summary>Unknown length, ended by the framing itself: chunked in HTTP/1.1, END_STREAM in HTTP/2.</summary>
    Streamed,

    /// <summary>Everything until the connection ends (HTTP/1 responses only).</summary>
    UntilClose,

    /// <summary>No longer HTTP: bytes both ways until either side ends (CONNECT answered 2xx, 101).</summary>
    Tunnel,
}

/// <summary>How long is the body? The model's one answer, the same for both versions of HTTP; <see cref="H1.H1Framing"/> reads it off HTTP/1 fields.</summary>
public readonly record struct BodyFraming(BodyKind Kind, long Length = 0)
{
    public static BodyFraming None => default;
    public static BodyFraming Streamed => new(BodyKind.Streamed);
    public static BodyFraming UntilClose => new(BodyKind.UntilClose);
    public static BodyFraming Tunnel => new(BodyKind.Tunnel);

    public static BodyFraming OfLength(long bytes) => new(BodyKind.Length, bytes);

    /// <summary>True when not one byte of body can follow.</summary>
    public bool IsEmpty => Kind == BodyKind.None || (Kind == BodyKind.Length && Length == 0);
}
