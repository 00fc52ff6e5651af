namespace Mesh.Http.H2;

/// <summary>
/// One request and its response on a session. Reused through <see cref="H2StreamPool"/>: whoever got it from an event or from
/// <see cref="H2Session.OpenStream"/> gives it back with <see cref="H2Session.Release"/> when done, whatever happened on it.
/// </summary>
public sealed class H2Stream
{
    private const int KeptBytesMax = 4 * 1024;

    private RequestHead? _request;
    private ResponseHead? _response;
    private Headers? _trailers;

    public int Id { get; internal set; }

    /// <summary>Server side: what was asked. Lives until the stream is released.</summary>
    public RequestHead Request => _request ??= new();

    /// <summary>Client side: what was answered; an interim answer is overwritten by the next.</summary>
    public ResponseHead Response => _response ??= new();

    public Headers Trailers => _trailers ??= new();

    /// <summary>The owner's own: its exchange, so that events need no table.</summary>
    public object? Tag { get; set; }

    /// <summary>Bytes received that have not been given back with <see cref="H2Session.Consumed"/>.</summary>
    public int UnconsumedBytes { get; internal set; }

    /// <summary>The peer has ended its side.</summary>
    public bool RemoteEnded => State is H2StreamState.HalfClosedRemote or H2StreamState.Closed;

    /// <summary>We have ended our side.</summary>
    public bool LocalEnded => State is H2StreamState.HalfClosedLocal or H2StreamState.Closed;

    public bool IsClosed => State == H2StreamState.Closed;

    internal H2StreamState State;
    internal int SendWindow;
    internal int ReceiveWindow;      // what the peer may still send
    internal long BodyLeft;          // of a declared content-length; -1 when none was declared
    internal int OwedWindow;         // consumed but not yet told to the peer
    internal ResponseContext Asked;
    internal int InterimHeads;
    internal bool FinalHeadReceived; // client: the final response is here, so that further HEADERS are trailers
    internal bool FinalHeadSent;
    internal bool WantsToSend;       // was refused window; Writable is owed
    internal bool IsShown;           // the owner knows it: it must release it
    internal long OpenedMs;

    internal void Open(int id, int sendWindow, int receiveWindow, long nowMs)
    {
        Id = id;
        State = H2StreamState.Open;
        SendWindow = sendWindow;
        ReceiveWindow = receiveWindow;
        OpenedMs = nowMs;
        BodyLeft = -1;
        IsShown = true;
    }

    internal void Clear()
    {
        _request?.Headers.Trim(KeptBytesMax);
        _response?.Headers.Trim(KeptBytesMax);
        _trailers?.Trim(KeptBytesMax);
        Tag = null;
        UnconsumedBytes = OwedWindow = InterimHeads = 0;
        BodyLeft = -1;
        Asked = default;
        FinalHeadReceived = FinalHeadSent = WantsToSend = IsShown = false;
    }
}

/// <summary>RFC 9113 §5.1, without the states that only push has.</summary>
internal enum H2StreamState : byte
{
    Idle = 0,
    Open,
    HalfClosedLocal,
    HalfClosedRemote,
    Closed,
}
