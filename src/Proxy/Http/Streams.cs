using Mesh.Http;
using Mesh.Net;

namespace Mesh.Proxy.Http;

/// <summary>A piece of a body. Its bytes are valid until the next call on the source they came from.</summary>
/// <param name="Ends">Nothing follows but, perhaps, trailers.</param>
internal readonly record struct BodyPiece(ReadOnlyMemory<byte> Bytes, bool Ends);

/// <summary>Where a body comes from: the caller's request, or the upstream's response.</summary>
internal interface IBodySource
{
    /// <returns>False when nothing has come since: wait.</returns>
    bool TryRead(out BodyPiece piece);

    /// <summary>Waits until <see cref="TryRead"/> has something. Anything but Ok means that the body will not be completed (see <see cref="Problem"/>).</summary>
    ValueTask<IoStatus> WaitAsync(Deadline deadline);

    /// <summary>Why a wait ended badly, when the peer broke the protocol rather than the connection.</summary>
    ProtocolError Problem { get; }

    /// <summary>What followed the body; empty until the end was read, and mostly after it.</summary>
    Headers Trailers { get; }
}

/// <summary>Where a body goes.</summary>
internal interface IBodySink
{
    /// <summary>Takes the bytes into the output; they leave with the next flush.</summary>
    void Write(ReadOnlySpan<byte> bytes);

    /// <param name="trailers">Null or empty: none.</param>
    void End(Headers? trailers);

    /// <summary>Bytes taken and not yet sent: above a bound the other side is no longer read.</summary>
    int Backlog { get; }

    /// <summary>Sends what was written, and waits until the backlog is gone.</summary>
    ValueTask<IoStatus> FlushAsync(Deadline deadline);
}

/// <summary>The caller's end of an exchange: request in, response out.</summary>
internal interface IDownstreamStream : IBodySource, IBodySink
{
    /// <summary>Writes the head into the output. <see cref="ResponseHead.Body"/> says how its body is framed.</summary>
    void WriteHead(ResponseHead head);

    /// <summary>Sends a head that a further one follows (100), at once.</summary>
    void WriteInterim(ResponseHead head);

    /// <summary>From here on bytes both ways, whatever they are: an upgrade or CONNECT was answered.</summary>
    void BeginTunnel();

    /// <summary>Whether its caller closes (HTTP/1) or resets (HTTP/2) when it gives up.</summary>
    FailureKind GoneAs { get; }

    /// <summary>What it is called when the caller's bytes can no longer be read.</summary>
    FailureKind BrokenAs { get; }

    /// <summary>While nobody reads: cuts the exchange (<see cref="Exchange.Cut"/>) when the caller goes away.</summary>
    void WatchCaller(bool watch);

    /// <summary>Ends the stream without a proper end: the caller sees that the response is cut.</summary>
    void Abort(ProtocolError reason = default);
}

/// <summary>The upstream's end of an exchange: request out, response in.</summary>
internal interface IUpstreamStream : IBodySource, IBodySink
{
    /// <summary>Writes the head into the output; <see cref="RequestHead.Body"/> says how its body is framed.</summary>
    void WriteHead(RequestHead head);

    /// <summary>The next head, interim ones included, in <see cref="Head"/>.</summary>
    /// <param name="room">Where a stream that owns no head may put it.</param>
    /// <param name="status">Ok with a head, or why none will come.</param>
    /// <returns>False when nothing of either has come: wait.</returns>
    bool TryReadHead(ResponseHead room, out IoStatus status);

    /// <summary>Waits until <see cref="TryReadHead"/> has something to look at. Anything but Ok means that no head will come.</summary>
    ValueTask<IoStatus> WaitHeadAsync(Deadline deadline);

    /// <summary>What was read last. Valid until <see cref="Release"/>.</summary>
    ResponseHead Head { get; }

    /// <summary>Bytes of the request may have reached the upstream's application.</summary>
    bool RequestSent { get; }

    /// <summary>The connection had carried an exchange before: an end without a byte may be nothing but its idle time running out.</summary>
    bool IsReused { get; }

    /// <summary>What a status other than Ok, of a read, a flush or a head, means for the request.</summary>
    FailureKind Explain(IoStatus status);

    /// <summary>What the connection is: addresses, identity, protocol.</summary>
    Upstream.UpstreamConnection Connection { get; }

    /// <summary>All of the response was read: if the request is sent too, others may have the connection from now on.</summary>
    /// <returns>True when the stream went back where it came from: its user forgets it. Otherwise <see cref="Release"/> is still owed.</returns>
    bool Finish();

    /// <summary>The exchange is over: what is not complete is reset.</summary>
    void Release();

    /// <summary>From here on bytes both ways.</summary>
    void BeginTunnel();

    /// <summary>Gives up: waits on it end with Aborted.</summary>
    void Abort();
}
