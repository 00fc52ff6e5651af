using System.Buffers.Binary;

namespace Mesh.Http.H2;

/// <content>Bytes in, events out: every frame but those that carry field blocks.</content>
public sealed partial class H2Session
{
    private bool _prefaceSeen;
    private bool _settingsSeen;

    /// <summary>
    /// Takes the next event out of the bytes received and moves <paramref name="input"/> past what was used. Call until it says None; what is left
    /// of the input then (part of a frame) is fed again with more behind it. After ConnectionError there is nothing more.
    /// </summary>
    /// <param name="nowMs">Any monotonic clock; used for flood limits only.</param>
    public H2Event Read(ref ReadOnlySpan<byte> input, long nowMs)
    {
        _nowMs = nowMs;
        while (true)
        {
            if (_pending.TryTake(out var next)) return next;
            if (_isDead) return default;

            if (!_prefaceSeen)
            {
                var preface = FrameWriter.Preface;
                var here = Math.Min(preface.Length, input.Length);
                if (!input[..here].SequenceEqual(preface[..here])) return Die(H2Errors.BadPreface);
                if (here < preface.Length) return default;

                input = input[preface.Length..];
                _prefaceSeen = true;
            }

            if (!FrameHeader.TryRead(input, out var frame)) return default;
            if (frame.Length > _settings.MaxFrameBytes) return Die(H2Errors.FrameTooLarge);
            if (input.Length < FrameHeader.Size + frame.Length) return default;

            var payload = input.Slice(FrameHeader.Size, frame.Length);
            input = input[(FrameHeader.Size + frame.Length)..];
            next = OnFrame(frame, payload);
            if (next.Kind != H2EventKind.None) return next;
            if (_controlFramesQueued > _settings.QueuedControlFramesMax) return Die(H2Errors.OutputFlood);
        }
    }

    private H2Event OnFrame(FrameHeader frame, ReadOnlySpan<byte> payload)
    {
        if (!_settingsSeen && (frame.Type != FrameType.Settings || frame.Has(FrameHeader.Ack))) return Die(H2Errors.NoSettingsFirst);
        if (IsInsideBlock && (frame.Type != FrameType.Continuation || frame.StreamId != _blockStreamId)) return Die(H2Errors.BlockInterrupted);

        return frame.Type switch
        {
            FrameType.Data => OnData(frame, payload),
            FrameType.Headers => OnHeaders(frame, payload),
            FrameType.Continuation => OnContinuation(frame, payload),
            FrameType.WindowUpdate => OnWindowUpdate(frame, payload),
            FrameType.RstStream => OnRstStream(frame, payload),
            FrameType.Settings => OnSettings(frame, payload),
            FrameType.Ping => OnPing(frame, payload),
            FrameType.GoAway => OnGoAway(frame, payload),
            FrameType.Priority => OnPriority(frame, payload),
            FrameType.PushPromise => Die(H2Errors.Push),
            _ => OnUnknown(),
        };
    }

    private H2Event OnData(FrameHeader frame, ReadOnlySpan<byte> payload)
    {
        if (frame.StreamId == 0) return Die(H2Errors.WrongStreamZero);
        if (frame.Has(FrameFlags.Padded) && !TryStripPadding(ref payload)) return Die(H2Errors.BadPadding);

        _receiveWindow -= frame.Length;
        if (_receiveWindow < 0) return Die(H2Errors.ConnectionWindow);
        if (!payload.IsEmpty) _flood.SawContent();
        else if (!frame.Has(FrameFlags.EndStream) && !_flood.AllowsEmpty()) return Die(H2Errors.EmptyFrameFlood);

        var stream = _streams.Find(frame.StreamId);
        if (stream is null || stream.RemoteEnded)
        {
            GiveBackConnection(frame.Length);
            if (stream is not null) return Fail(stream, H2Errors.StreamClosed);
            if (IsIdle(frame.StreamId)) return Die(H2Errors.Idle);

            return IsIgnored(frame.StreamId) ? default : Refuse(frame.StreamId, H2Errors.StreamClosed);
        }

        stream.ReceiveWindow -= frame.Length;
        var error = CheckData(stream, frame, payload.Length);
        if (!error.IsNone)
        {
            GiveBackConnection(frame.Length);
            return Fail(stream, error);
        }

        if (frame.Length > payload.Length) GiveBack(stream, frame.Length - payload.Length); // padding is consumed by being read
        stream.UnconsumedBytes += payload.Length;
        var isLast = frame.Has(FrameFlags.EndStream);
        if (isLast) EndRemote(stream);
        if (payload.IsEmpty && !isLast) return default;

        return new() { Kind = H2EventKind.Data, Stream = stream, Data = payload, EndStream = isLast };
    }

    private ProtocolError CheckData(H2Stream stream, FrameHeader frame, int length)
    {
        if (stream.ReceiveWindow < 0) return H2Errors.StreamWindow;
        if (Role == H2Role.Client && !stream.FinalHeadReceived) return H2Errors.BadPseudo;
        if (stream.BodyLeft < 0) return default;

        stream.BodyLeft -= length;
        return stream.BodyLeft < 0 || (frame.Has(FrameFlags.EndStream) && stream.BodyLeft > 0) ? H2Errors.LengthMismatch : default;
    }

    private H2Event OnWindowUpdate(FrameHeader frame, ReadOnlySpan<byte> payload)
    {
        if (payload.Length != 4) return Die(H2Errors.WrongFrameSize);
        if (!_flood.AllowsWindowUpdate()) return Die(H2Errors.WindowUpdateFlood);

        var increment = BinaryPrimitives.ReadInt32BigEndian(payload) & 0x7FFF_FFFF;
        if (frame.StreamId == 0)
        {
            if (increment == 0) return Die(H2Errors.ZeroIncrement);
            if (_sendWindow > int.MaxValue - increment) return Die(H2Errors.ConnectionWindow);

            var wasClosed = _sendWindow <= 0;
            _sendWindow += increment;
            if (wasClosed && _sendWindow > 0) WakeSenders();
            return default;
        }

        var stream = _streams.Find(frame.StreamId);
        if (stream is null)
        {
            if (IsIdle(frame.StreamId)) return Die(H2Errors.Idle);

            return increment == 0 && !IsIgnored(frame.StreamId) ? Refuse(frame.StreamId, H2Errors.StreamZeroIncrement) : default;
        }

        if (increment == 0) return Fail(stream, H2Errors.StreamZeroIncrement);
        if (stream.SendWindow > int.MaxValue - increment) return Fail(stream, H2Errors.StreamWindow);

        stream.SendWindow += increment;
        if (stream.WantsToSend && SendableBytes(stream) > 0) _pending.AddWritable(stream);
        return default;
    }

    private H2Event OnRstStream(FrameHeader frame, ReadOnlySpan<byte> payload)
    {
        if (frame.StreamId == 0) return Die(H2Errors.WrongStreamZero);
        if (payload.Length != 4) return Die(H2Errors.WrongFrameSize);

        var stream = _streams.Find(frame.StreamId);
        if (stream is null && IsIdle(frame.StreamId)) return Die(H2Errors.Idle);

        // An answer that is complete may be followed by a reset without error; only those cost nothing.
        var code = (H2ErrorCode)BinaryPrimitives.ReadUInt32BigEndian(payload);
        if (Role == H2Role.Server && !_flood.AllowsReset(_nowMs, stream?.OpenedMs ?? _nowMs)) return Die(H2Errors.ResetFlood);
        if (stream is null) return default;

        GiveBackUnconsumed(stream);
        Close(stream, byUs: false);
        return new() { Kind = H2EventKind.Reset, Stream = stream, Code = code };
    }

    private H2Event OnSettings(FrameHeader frame, ReadOnlySpan<byte> payload)
    {
        if (frame.StreamId != 0) return Die(H2Errors.WrongStreamZero);
        if (frame.Has(FrameHeader.Ack)) return payload.IsEmpty ? default : Die(H2Errors.WrongFrameSize);
        if (payload.Length % 6 != 0) return Die(H2Errors.WrongFrameSize);
        if (payload.Length / 6 > _settings.SettingsEntriesMax) return Die(H2Errors.SettingsTooLarge);
        if (!_flood.AllowsPing(_nowMs)) return Die(H2Errors.PingFlood);

        var windowBefore = _peer.InitialWindowBytes;
        var error = _peer.Apply(payload, Role);
        if (!error.IsNone) return Die(error);

        _settingsSeen = true;
        _encoder.SetPeerMax(_peer.HeaderTableBytes);
        FrameWriter.SettingsAck(_output);
        _controlFramesQueued++;
        return TryMoveWindows(_peer.InitialWindowBytes - windowBefore) ? new() { Kind = H2EventKind.Settings } : Die(H2Errors.WindowSettingTooLarge);
    }

    /// <summary>A new initial window applies to open streams too, and may make their windows negative (RFC 9113 §6.9.2).</summary>
    private bool TryMoveWindows(int change)
    {
        if (change == 0) return true;

        for (var slot = 0; slot < _streams.Width; slot++)
        {
            if (_streams.At(slot) is not { } stream) continue;
            if (change > 0 && stream.SendWindow > int.MaxValue - change) return false;

            stream.SendWindow += change;
        }

        if (change > 0) WakeSenders();
        return true;
    }

    private void WakeSenders()
    {
        for (var slot = 0; slot < _streams.Width; slot++)
        {
            if (_streams.At(slot) is { WantsToSend: true, SendWindow: > 0 } stream && _sendWindow > 0) _pending.AddWritable(stream);
        }
    }

    private H2Event OnPing(FrameHeader frame, ReadOnlySpan<byte> payload)
    {
        if (frame.StreamId != 0) return Die(H2Errors.WrongStreamZero);
        if (payload.Length != 8) return Die(H2Errors.WrongFrameSize);

        var opaque = BinaryPrimitives.ReadUInt64BigEndian(payload);
        if (frame.Has(FrameHeader.Ack)) return new() { Kind = H2EventKind.PingAck, Opaque = opaque };
        if (!_flood.AllowsPing(_nowMs)) return Die(H2Errors.PingFlood);

        FrameWriter.Ping(_output, opaque, ack: true);
        _controlFramesQueued++;
        return default;
    }

    private H2Event OnGoAway(FrameHeader frame, ReadOnlySpan<byte> payload)
    {
        if (frame.StreamId != 0) return Die(H2Errors.WrongStreamZero);
        if (payload.Length < 8) return Die(H2Errors.WrongFrameSize);

        IsDraining = true;
        var last = BinaryPrimitives.ReadInt32BigEndian(payload) & 0x7FFF_FFFF;
        var code = (H2ErrorCode)BinaryPrimitives.ReadUInt32BigEndian(payload[4..]);
        if (Role == H2Role.Client) EndStreamsAbove(last);
        return new() { Kind = H2EventKind.GoAway, Code = code };
    }

    private void EndStreamsAbove(int last)
    {
        for (var id = last + (last % 2 == 0 ? 1 : 2); id < _nextStreamId && id > 0 && _streams.Count > 0; id += 2)
        {
            if (_streams.Find(id) is not { } stream) continue;

            GiveBackUnconsumed(stream);
            Close(stream, byUs: false);
            _pending.AddReset(stream, H2ErrorCode.RefusedStream);
        }
    }

    private H2Event OnPriority(FrameHeader frame, ReadOnlySpan<byte> payload)
    {
        if (frame.StreamId == 0) return Die(H2Errors.WrongStreamZero);
        if (!_flood.AllowsPriority()) return Die(H2Errors.PriorityFlood);

        var error = payload.Length != 5 ? H2Errors.BadPriorityLength : DependsOn(payload) == frame.StreamId ? H2Errors.SelfDependency : default;
        if (error.IsNone) return default;
        return _streams.Find(frame.StreamId) is { } stream ? Fail(stream, error) : Refuse(frame.StreamId, error);
    }

    private H2Event OnUnknown() => _flood.AllowsPriority() ? default : Die(H2Errors.PriorityFlood); // ignored (§5.5), but not for ever

    private static int DependsOn(ReadOnlySpan<byte> priority) => BinaryPrimitives.ReadInt32BigEndian(priority) & 0x7FFF_FFFF;

    private static bool TryStripPadding(ref ReadOnlySpan<byte> payload)
    {
        if (payload.IsEmpty || payload[0] >= payload.Length) return false;

        payload = payload[1..^payload[0]];
        return true;
    }

    private bool IsFromPeer(int streamId) => (streamId & 1) == (Role == H2Role.Server ? 1 : 0);

    private bool IsIdle(int streamId) => IsFromPeer(streamId) ? streamId > LastPeerStreamId && streamId <= _lastStreamAllowed : streamId >= _nextStreamId;

    /// <summary>Frames that crossed our reset or our GOAWAY on the way (RFC 9113 §5.1).</summary>
    private bool IsIgnored(int streamId) => _resetByUs.Has(streamId) || (IsFromPeer(streamId) && streamId > _lastStreamAllowed);

    /// <summary>Ends a stream for a violation; the owner gets a Reset.</summary>
    private H2Event Fail(H2Stream stream, ProtocolError error)
    {
        if (!_flood.AllowsReset(_nowMs, stream.OpenedMs)) return Die(H2Errors.ResetFlood);

        WriteReset(stream.Id, error.Code);
        GiveBackUnconsumed(stream);
        if (!stream.IsClosed) Close(stream, byUs: true);
        return new() { Kind = H2EventKind.Reset, Stream = stream, Code = error.Code, Error = error };
    }

    /// <summary>Resets a stream that the owner never saw, or no longer has.</summary>
    private H2Event Refuse(int streamId, ProtocolError error)
    {
        if (!_flood.AllowsReset(_nowMs, _nowMs)) return Die(H2Errors.ResetFlood);

        WriteReset(streamId, error.Code);
        _resetByUs.Add(streamId);
        return new() { Kind = H2EventKind.Reset, Code = error.Code, Error = error };
    }

    private H2Event Die(ProtocolError error)
    {
        FrameWriter.GoAway(_output, Math.Min(_lastStreamAllowed, LastPeerStreamId), error.Code);
        _isDead = true;
        IsDraining = true;
        return new() { Kind = H2EventKind.ConnectionError, Code = error.Code, Error = error };
    }
}
