namespace Mesh.Http.H2;

public enum H2EventKind : byte
{
    /// <summary>The input is used up as far as it goes: read more, flush the output.</summary>
    None = 0,

    /// <summary>Server: a request began; <see cref="H2Stream.Request"/> is filled. <see cref="H2Event.EndStream"/>: it has no body.</summary>
    Request,

    /// <summary>
    /// Server: a well-formed request that is to be answered with <see cref="H2Event.Error"/>'s status, not passed on: fields beyond the limit, no
    /// host, no path. <see cref="H2Stream.Request"/> may be incomplete.
    /// </summary>
    RefusedRequest,

    /// <summary>Client: an interim or final response; <see cref="H2Stream.Response"/> is filled.</summary>
    Response,

    /// <summary>A piece of body, in place in the input. Its bytes are owed to the window until <see cref="H2Session.Consumed"/>.</summary>
    Data,

    /// <summary><see cref="H2Stream.Trailers"/> is filled and the peer's side has ended.</summary>
    Trailers,

    /// <summary>
    /// The stream is dead both ways: the peer reset it, went away before it, or broke a rule on it (then <see cref="H2Event.Error"/> says which
    /// and the reset has been written). Nothing more comes for it. <see cref="H2Event.Stream"/> is null for a malformed request that never became one.
    /// </summary>
    Reset,

    /// <summary>A stream that could not send all it wanted may go on.</summary>
    Writable,

    /// <summary>The peer's settings arrived or changed: more or fewer streams may be opened.</summary>
    Settings,

    /// <summary>An answer to <see cref="H2Session.Ping"/>; the value is in <see cref="H2Event.Opaque"/>.</summary>
    PingAck,

    /// <summary>The peer takes no new streams; those it will not process come as Reset with RefusedStream.</summary>
    GoAway,

    /// <summary>
    /// The connection is over and all its streams with it: GOAWAY has been written; flush, close, release the streams.
    /// <see cref="H2Event.Error"/> says why.
    /// </summary>
    ConnectionError,
}

/// <summary>One thing that happened, as a view into the input: valid until the next call.</summary>
public readonly ref struct H2Event
{
    public H2EventKind Kind { get; init; }

    /// <summary>Null for events of the whole connection.</summary>
    public H2Stream? Stream { get; init; }

    public ReadOnlySpan<byte> Data { get; init; }

    /// <summary>The peer will send nothing more on this stream.</summary>
    public bool EndStream { get; init; }

    /// <summary>Of Reset and GoAway.</summary>
    public H2ErrorCode Code { get; init; }

    /// <summary>Not none when it was we who found a violation.</summary>
    public ProtocolError Error { get; init; }

    public ulong Opaque { get; init; }
}
