using System.Buffers;

namespace Mesh.Http.H2;

/// <summary>
/// One HTTP/2 connection: bytes in, events out; calls in, bytes out. No I/O and no clock: the owner feeds what it received with
/// <see cref="Read"/>, and sends what the session wrote into its output. Back-pressure is the owner's: window is given back only by
/// <see cref="Consumed"/>, and <see cref="SendData"/> takes no more than the peer's window allows. Loop thread only.
/// </summary>
public sealed class H2Session
{
    /// <param name="output">Where frames are written. The preface and our SETTINGS are the first bytes in it.</param>
    public H2Session(H2Role role, H2Settings settings, HttpLimits limits, IBufferWriter<byte> output, H2StreamPool pool)
    {
        Role = role;
        _ = (settings, limits, output, pool);
    }

    public H2Role Role { get; }

    /// <summary>Streams that are open in either direction.</summary>
    public int ActiveStreams { get; private set; }

    /// <summary>True from the first GOAWAY either way: no new streams; the connection may be closed when none is active.</summary>
    public bool IsDraining { get; private set; }

    /// <summary>Client: <see cref="OpenStream"/> would succeed now.</summary>
    public bool CanOpenStream { get; private set; }

    /// <summary>The greatest stream id of the peer that we took up, for logs and GOAWAY.</summary>
    public int LastPeerStreamId { get; private set; }

    /// <summary>
    /// Takes the next event out of the bytes received and moves <paramref name="input"/> past what was used. Call until it says None; what is left
    /// of the input then (part of a frame) is fed again with more behind it.
    /// </summary>
    /// <param name="nowMs">Any monotonic clock; used for flood limits only.</param>
    public H2Event Read(ref ReadOnlySpan<byte> input, long nowMs) => default;

    /// <summary>Client: opens a stream with this request; extended CONNECT when it asks for an upgrade.</summary>
    /// <returns>Null when the peer allows no more streams now or is going away: use another connection or wait for Settings or an ended stream.</returns>
    public H2Stream? OpenStream(RequestHead head, bool endStream, long nowMs) => null;

    /// <summary>Server: an interim or final response.</summary>
    public void SendResponse(H2Stream stream, ResponseHead head, bool endStream) { }

    /// <summary>Sends as much of the body as the peer's windows allow, in frames as large as it takes.</summary>
    /// <returns>Bytes taken. Less than all: a Writable event comes when the rest can go. END_STREAM goes only with the last byte.</returns>
    public int SendData(H2Stream stream, ReadOnlySpan<byte> data, bool endStream) => 0;

    /// <summary>Ends our side with trailers.</summary>
    public void SendTrailers(H2Stream stream, Headers trailers) { }

    /// <summary>What <see cref="SendData"/> would take now.</summary>
    public int SendableBytes(H2Stream stream) => 0;

    /// <summary>The owner has passed this many body bytes on: the peer may send as many more.</summary>
    public void Consumed(H2Stream stream, int bytes) { }

    /// <summary>Ends the stream both ways now. No event follows for it. Nothing is written when it is closed already.</summary>
    public void Reset(H2Stream stream, H2ErrorCode code) { }

    /// <summary>The owner is done with the stream object; resets the stream if it is still open.</summary>
    public void Release(H2Stream stream) { }

    /// <summary>Keep-alive or measuring; the answer comes as PingAck.</summary>
    public void Ping(ulong opaque) { }

    /// <summary>Begins a graceful end: the peer is told to open no more streams, those in flight go on (RFC 9113 §6.8). Call again later for the final GOAWAY.</summary>
    public void Drain() { }

    /// <summary>Says goodbye for good with a code; the owner flushes and closes.</summary>
    public void GoAway(H2ErrorCode code) { }

    /// <summary>Everything in the output has reached the socket: answers owed to the peer no longer pile up here.</summary>
    public void OutputFlushed() { }
}
