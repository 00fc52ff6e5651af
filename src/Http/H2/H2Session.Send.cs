using Mesh.Http.Hpack;

namespace Mesh.Http.H2;

/// <content>Calls in, frames out.</content>
public sealed partial class H2Session
{
    /// <summary>Client: opens a stream with this request; extended CONNECT when it asks for an upgrade (see <see cref="TakesUpgrades"/>).</summary>
    /// <returns>Null when the peer allows no more streams now or is going away: use another connection or wait for Settings or an ended stream.</returns>
    public H2Stream? OpenStream(RequestHead head, bool endStream, long nowMs)
    {
        if (!CanOpenStream) return null;

        var stream = _pool.Rent();
        stream.Open(_nextStreamId, _peer.InitialWindowBytes, _settings.InitialWindowBytes, nowMs);
        stream.Asked = ResponseContext.For(head);
        _nextStreamId += 2;
        _streams.Add(stream);
        _flood.StreamOpened();

        var room = _output.GetSpan(BlockBytesMax(HeadWriter.RequestBytesMax(head)));
        WriteBlock(room, HeadWriter.Request(_encoder, head, room[FrameHeader.Size..]), stream.Id, endStream);
        if (endStream) EndLocal(stream);
        return stream;
    }

    /// <summary>Server: an interim or final response. Nothing happens when the stream is closed already.</summary>
    public void SendResponse(H2Stream stream, ResponseHead head, bool endStream)
    {
        if (stream.LocalEnded || _isDead) return;

        var room = _output.GetSpan(BlockBytesMax(HeadWriter.ResponseBytesMax(head)));
        WriteBlock(room, HeadWriter.Response(_encoder, head, stream.Asked.ToHead, room[FrameHeader.Size..]), stream.Id, endStream);
        if (!head.IsInterim) stream.FinalHeadSent = true;
        if (endStream) EndLocal(stream);
    }

    /// <summary>Sends as much of the body as the peer's windows allow, in frames as large as it takes.</summary>
    /// <returns>Bytes taken. Less than all: a Writable event comes when the rest can go. END_STREAM goes only with the last byte.</returns>
    public int SendData(H2Stream stream, ReadOnlySpan<byte> data, bool endStream)
    {
        if (stream.LocalEnded || _isDead) return data.Length; // the owner learns of it by an event; what it still has is of no use

        var total = Math.Min(data.Length, SendableBytes(stream));
        var frameMax = Math.Min(_peer.MaxFrameBytes, 16384);
        var isLast = endStream && total == data.Length;
        if (total < data.Length) stream.WantsToSend = true;

        var sent = 0;
        do
        {
            var length = Math.Min(total - sent, frameMax);
            if (length == 0 && !isLast) break;

            var room = _output.GetSpan(FrameHeader.Size + length);
            var flags = isLast && sent + length == total ? FrameFlags.EndStream : FrameFlags.None;
            new FrameHeader(length, FrameType.Data, flags, stream.Id).Write(room);
            data.Slice(sent, length).CopyTo(room[FrameHeader.Size..]);
            _output.Advance(FrameHeader.Size + length);
            _flood.DataSent();
            sent += length;
        }
        while (sent < total);

        stream.SendWindow -= total;
        _sendWindow -= total;
        if (isLast) EndLocal(stream);
        return total;
    }

    /// <summary>Ends our side with trailers.</summary>
    public void SendTrailers(H2Stream stream, Headers trailers)
    {
        if (stream.LocalEnded || _isDead) return;

        if (trailers.Count == 0)
        {
            SendData(stream, [], endStream: true);
            return;
        }

        var room = _output.GetSpan(BlockBytesMax(HeadWriter.TrailersBytesMax(trailers)));
        WriteBlock(room, HeadWriter.Trailers(_encoder, trailers, room[FrameHeader.Size..]), stream.Id, endStream: true);
        EndLocal(stream);
    }

    /// <summary>What <see cref="SendData"/> would take now.</summary>
    public int SendableBytes(H2Stream stream) => stream.LocalEnded ? 0 : Math.Max(0, Math.Min(stream.SendWindow, _sendWindow));

    /// <summary>Asks for a Writable event although nothing was refused yet; for an owner that wants to wait before it fetches more to send.</summary>
    public void WantToSend(H2Stream stream)
    {
        if (stream.LocalEnded) return;

        stream.WantsToSend = true;
        if (SendableBytes(stream) > 0) _pending.AddWritable(stream);
    }

    // A block that needs CONTINUATION frames gets their headers moved in between.
    private int BlockBytesMax(int payloadMax) => FrameHeader.Size + payloadMax + FrameHeader.Size * (payloadMax / FrameBytesMax + 1);

    private int FrameBytesMax => Math.Min(_peer.MaxFrameBytes, 16384);

    private void WriteBlock(Span<byte> room, int length, int streamId, bool endStream)
    {
        var endFlag = endStream ? FrameFlags.EndStream : FrameFlags.None;
        if (length <= FrameBytesMax)
        {
            new FrameHeader(length, FrameType.Headers, FrameFlags.EndHeaders | endFlag, streamId).Write(room);
            _output.Advance(FrameHeader.Size + length);
            return;
        }

        var frames = (length + FrameBytesMax - 1) / FrameBytesMax;
        for (var frame = frames - 1; frame >= 0; frame--)
        {
            var start = frame * FrameBytesMax;
            var size = Math.Min(FrameBytesMax, length - start);
            var at = start + frame * FrameHeader.Size;
            room.Slice(FrameHeader.Size + start, size).CopyTo(room[(at + FrameHeader.Size)..]);
            var flags = (frame == frames - 1 ? FrameFlags.EndHeaders : FrameFlags.None) | (frame == 0 ? endFlag : FrameFlags.None);
            new FrameHeader(size, frame == 0 ? FrameType.Headers : FrameType.Continuation, flags, streamId).Write(room[at..]);
        }

        _output.Advance(length + frames * FrameHeader.Size);
    }
}
