namespace Mesh.Http.H2;

/// <content>Field blocks: HEADERS and CONTINUATION, and the heads and trailers they become.</content>
public sealed partial class H2Session
{
    private readonly Headers _scratch = new();
    private byte[] _block = [];
    private int _blockLength;
    private int _blockStreamId; // 0 = outside
    private bool _blockEndsStream;
    private bool _blockDependsOnItself;
    private int _continuations;

    private bool IsInsideBlock => _blockStreamId != 0;

    private H2Event OnHeaders(FrameHeader frame, ReadOnlySpan<byte> payload)
    {
        if (frame.StreamId == 0) return Die(H2Errors.WrongStreamZero);
        if (frame.Has(FrameFlags.Padded) && !TryStripPadding(ref payload)) return Die(H2Errors.BadPadding);

        var dependsOnItself = false;
        if (frame.Has(FrameFlags.Priority))
        {
            if (payload.Length < 5) return Die(H2Errors.WrongFrameSize);

            dependsOnItself = DependsOn(payload) == frame.StreamId;
            payload = payload[5..];
        }

        if (frame.Has(FrameFlags.EndHeaders)) return OnBlock(frame.StreamId, payload, frame.Has(FrameFlags.EndStream), dependsOnItself);
        if (payload.IsEmpty && !_flood.AllowsEmpty()) return Die(H2Errors.EmptyFrameFlood);

        _blockStreamId = frame.StreamId;
        _blockEndsStream = frame.Has(FrameFlags.EndStream);
        _blockDependsOnItself = dependsOnItself;
        _blockLength = _continuations = 0;
        return KeepBlock(payload);
    }

    private H2Event OnContinuation(FrameHeader frame, ReadOnlySpan<byte> payload)
    {
        if (!IsInsideBlock) return Die(H2Errors.BlockInterrupted);

        var isLast = frame.Has(FrameFlags.EndHeaders);
        if (++_continuations > _settings.ContinuationFramesMax || (payload.IsEmpty && !isLast)) return Die(H2Errors.TooManyContinuations);

        var failure = KeepBlock(payload);
        if (!isLast || failure.Kind != H2EventKind.None) return failure;

        var streamId = _blockStreamId;
        _blockStreamId = 0;
        var next = OnBlock(streamId, _block.AsSpan(0, _blockLength), _blockEndsStream, _blockDependsOnItself);
        _block = []; // rare: not worth keeping
        return next;
    }

    private H2Event KeepBlock(ReadOnlySpan<byte> payload)
    {
        // A block larger than the head may be, compressed, is larger still.
        if (_blockLength + payload.Length > _limits.HeadBytesMax + _settings.MaxFrameBytes) return Die(H2Errors.BlockTooLarge);

        if (_blockLength + payload.Length > _block.Length) Array.Resize(ref _block, Math.Max(_blockLength + payload.Length, _block.Length * 2));
        payload.CopyTo(_block.AsSpan(_blockLength));
        _blockLength += payload.Length;
        return default;
    }

    private H2Event OnBlock(int streamId, ReadOnlySpan<byte> block, bool endStream, bool dependsOnItself)
    {
        if (!block.IsEmpty) _flood.SawContent();
        if (_streams.Find(streamId) is { } stream)
        {
            if (stream.RemoteEnded) return PassOver(block) ? Fail(stream, H2Errors.StreamClosed) : Die(H2Errors.Compression);
            if (dependsOnItself) return PassOver(block) ? Fail(stream, H2Errors.SelfDependency) : Die(H2Errors.Compression);

            return Role == H2Role.Client && !stream.FinalHeadReceived ? OnResponse(stream, block, endStream) : OnTrailers(stream, block, endStream);
        }

        if (Role == H2Role.Server && IsFromPeer(streamId) && streamId > LastPeerStreamId) return OnRequest(streamId, block, endStream, dependsOnItself);
        if (!PassOver(block)) return Die(H2Errors.Compression);
        if (IsIgnored(streamId)) return default;
        if (!IsFromPeer(streamId)) return streamId < _nextStreamId && Role == H2Role.Client ? Refuse(streamId, H2Errors.StreamClosed) : Die(H2Errors.BadStreamId);

        return Die(_ended.Has(streamId) ? H2Errors.OnClosedStream : H2Errors.BadStreamId);
    }

    private H2Event OnRequest(int streamId, ReadOnlySpan<byte> block, bool endStream, bool dependsOnItself)
    {
        if (streamId > _lastStreamAllowed) return PassOver(block) ? default : Die(H2Errors.Compression);

        LastPeerStreamId = streamId;
        _flood.StreamOpened();
        if (dependsOnItself || _streams.Count >= _settings.MaxConcurrentStreams)
        {
            if (!PassOver(block)) return Die(H2Errors.Compression);

            return Refuse(streamId, dependsOnItself ? H2Errors.SelfDependency : H2Errors.RefusedStream);
        }

        var stream = _pool.Rent();
        var fields = new RequestFields(ClearedRequest(stream), _limits);
        if (!_decoder.TryDecode(block, ref fields))
        {
            _pool.Return(stream);
            return Die(H2Errors.Compression);
        }

        var error = fields.Finish(endStream);
        if (!error.IsNone && error.Status == 400 && error != H2Errors.MissingHost)
        {
            _pool.Return(stream);
            return _settings.MalformedEndsConnection ? Die(error) : Refuse(streamId, error);
        }

        stream.Open(streamId, _peer.InitialWindowBytes, _settings.InitialWindowBytes, _nowMs);
        stream.Asked = ResponseContext.For(stream.Request);
        if (stream.Request.Body.Kind == BodyKind.Length) stream.BodyLeft = stream.Request.Body.Length;
        _streams.Add(stream);
        if (endStream) EndRemote(stream);
        return new() { Kind = error.IsNone ? H2EventKind.Request : H2EventKind.RefusedRequest, Stream = stream, EndStream = endStream, Error = error };
    }

    private static RequestHead ClearedRequest(H2Stream stream)
    {
        stream.Request.Clear();
        return stream.Request;
    }

    private H2Event OnResponse(H2Stream stream, ReadOnlySpan<byte> block, bool endStream)
    {
        var head = stream.Response;
        head.Clear();
        var fields = new ResponseFields(head, _limits);
        if (!_decoder.TryDecode(block, ref fields)) return Die(H2Errors.Compression);

        var error = fields.Finish(endStream, stream.Asked);
        if (error.IsNone && head.IsInterim && ++stream.InterimHeads > _limits.InterimResponsesMax) error = H2Errors.TooManyInterim;
        if (!error.IsNone) return Fail(stream, error);

        if (!head.IsInterim)
        {
            stream.FinalHeadReceived = true;
            stream.BodyLeft = head.Body.Kind switch { BodyKind.Length => head.Body.Length, BodyKind.None => 0, _ => -1 };
            if (endStream) EndRemote(stream);
        }

        return new() { Kind = H2EventKind.Response, Stream = stream, EndStream = endStream };
    }

    private H2Event OnTrailers(H2Stream stream, ReadOnlySpan<byte> block, bool endStream)
    {
        stream.Trailers.Clear();
        var fields = new TrailerFields(stream.Trailers, _limits);
        if (!_decoder.TryDecode(block, ref fields)) return Die(H2Errors.Compression);

        var error = !endStream ? H2Errors.TrailersWithoutEnd : stream.BodyLeft > 0 ? H2Errors.LengthMismatch : fields.Finish();
        if (!error.IsNone) return Fail(stream, error);

        EndRemote(stream);
        return new() { Kind = H2EventKind.Trailers, Stream = stream, EndStream = true };
    }

    /// <summary>Decodes for the table's sake.</summary>
    private bool PassOver(ReadOnlySpan<byte> block)
    {
        _scratch.Clear();
        var fields = new NoFields(_scratch);
        return _decoder.TryDecode(block, ref fields);
    }
}
