namespace Mesh.Http.H1;

public enum ChunkedStatus : byte
{
    /// <summary>Nothing more can be said without further bytes; what was consumed stays consumed.</summary>
    NeedMore = 0,

    /// <summary>A piece of the body, in place: take it, then call again.</summary>
    Data,

    /// <summary>The body and its trailers are complete.</summary>
    Done,
    Error,
}

/// <summary>
/// Takes a chunked body apart (RFC 9112 §7.1) without copying it. Strict: size lines of 1 to 16 hexadecimal digits, CRLF and nothing less,
/// extensions bounded and dropped, so that what is written on cannot be read in two ways.
/// </summary>
public sealed class ChunkedDecoder(HttpLimits limits)
{
    private State _state;
    private long _left;
    private int _searched; // within the line that begins the input
    private int _extensionBytes;
    private int _trailerBytes;
    private int _trailerLines;

    private enum State : byte
    {
        Size = 0,
        Data,
        DataEnd,
        Trailers,
        Done,
    }

    public ProtocolError Error { get; private set; }

    public bool IsDone => _state == State.Done;

    public void Reset()
    {
        _state = State.Size;
        _left = 0;
        _searched = _extensionBytes = _trailerBytes = _trailerLines = 0;
        Error = default;
    }

    /// <param name="trailers">Receives the trailer fields that may be passed on; null drops them all.</param>
    /// <param name="consumed">To be taken off the input whatever the status, <paramref name="data"/> with it.</param>
    public ChunkedStatus Read(ReadOnlySpan<byte> input, Headers? trailers, out int consumed, out ReadOnlySpan<byte> data)
    {
        consumed = 0;
        data = default;
        // A body that was broken once stays so: what lies behind the break is no chunk, however much it looks like one.
        if (!Error.IsNone) return ChunkedStatus.Error;

        while (_state != State.Done)
        {
            var rest = input[consumed..];
            if (_state == State.Data)
            {
                if (rest.IsEmpty) return ChunkedStatus.NeedMore;

                var take = (int)Math.Min(_left, rest.Length);
                data = rest[..take];
                consumed += take;
                _left -= take;
                if (_left == 0) _state = State.DataEnd;
                return ChunkedStatus.Data;
            }

            if (_state == State.DataEnd)
            {
                if (!rest.IsEmpty && (rest[0] != '\r' || (rest.Length > 1 && rest[1] != '\n'))) return Fail(H1Errors.BadChunkEnd);
                if (rest.Length < 2) return ChunkedStatus.NeedMore;

                consumed += 2;
                _state = State.Size;
                continue;
            }

            if (!TryTakeLine(rest, out var line, out var status)) return status;

            consumed += line.Length + 2;
            Error = _state == State.Size ? ReadSize(line) : ReadTrailer(line, trailers);
            if (!Error.IsNone) return ChunkedStatus.Error;
        }

        return ChunkedStatus.Done;
    }

    private bool TryTakeLine(ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> line, out ChunkedStatus status)
    {
        line = default;
        var feed = rest[_searched..].IndexOf((byte)'\n');
        var end = feed < 0 ? rest.Length : _searched + feed;
        var limit = _state == State.Size ? limits.ChunkLineBytesMax : limits.HeadBytesMax - _trailerBytes;
        if (end > limit)
        {
            status = Fail(_state == State.Size ? H1Errors.ChunkLineTooLong : H1Errors.TrailersTooLarge);
            return false;
        }

        if (feed < 0)
        {
            _searched = rest.Length;
            status = ChunkedStatus.NeedMore;
            return false;
        }

        _searched = 0;
        if (end == 0 || rest[end - 1] != '\r')
        {
            status = Fail(H1Errors.BareLineFeed);
            return false;
        }

        line = rest[..(end - 1)];
        status = ChunkedStatus.Data;
        return true;
    }

    private ProtocolError ReadSize(ReadOnlySpan<byte> line)
    {
        long size = 0;
        var digits = 0;
        for (; digits < line.Length; digits++)
        {
            var digit = HttpChars.FromHex(line[digits]);
            if (digit < 0) break;
            if (digits == 16 || size > long.MaxValue >> 4) return H1Errors.BadChunkSize;

            size = (size << 4) | (uint)digit;
        }

        if (digits == 0) return H1Errors.BadChunkSize;

        var extension = line[digits..];
        if (!extension.IsEmpty)
        {
            _extensionBytes += extension.Length;
            if (_extensionBytes > limits.ChunkExtensionBytesMax) return H1Errors.ChunkLineTooLong;
            if (!IsExtension(extension)) return H1Errors.BadChunkExtension;
        }

        _left = size;
        _state = size == 0 ? State.Trailers : State.Data;
        return default;
    }

    // *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ): never passed on, but refused where readers may differ.
    private static bool IsExtension(ReadOnlySpan<byte> extension)
    {
        if (extension.ContainsAny(HttpChars.BadValueBytes)) return false;

        while (true)
        {
            if (extension.IsEmpty) return true;

            extension = HttpChars.TrimOws(extension);
            if (extension.IsEmpty || extension[0] != ';' || !TrySkipToken(ref extension, 1)) return false;

            var value = HttpChars.TrimOws(extension);
            if (value.IsEmpty || value[0] != '=') continue;

            value = HttpChars.TrimOws(value[1..]);
            var isQuoted = !value.IsEmpty && value[0] == '"';
            if (isQuoted ? !TrySkipQuoted(ref value) : !TrySkipToken(ref value, 0)) return false;

            extension = value;
        }
    }

    private static bool TrySkipToken(ref ReadOnlySpan<byte> text, int skip)
    {
        text = HttpChars.TrimOws(text[skip..]);
        var length = text.IndexOfAnyExcept(HttpChars.TokenBytes);
        if (length < 0) length = text.Length;
        text = text[length..];
        return length > 0;
    }

    private static bool TrySkipQuoted(ref ReadOnlySpan<byte> text)
    {
        for (var i = 1; i < text.Length; i++)
        {
            if (text[i] == '\\') i++;
            else if (text[i] == '"')
            {
                text = text[(i + 1)..];
                return true;
            }
        }

        return false;
    }

    private ProtocolError ReadTrailer(ReadOnlySpan<byte> line, Headers? trailers)
    {
        if (line.IsEmpty)
        {
            _state = State.Done;
            return default;
        }

        _trailerBytes += line.Length + 2;
        if (++_trailerLines > limits.FieldCountMax) return H1Errors.TooManyFields;
        if (line[0] is (byte)' ' or (byte)'\t') return H1Errors.FoldedField;

        var colon = line.IndexOf((byte)':');
        if (colon <= 0 || !HttpChars.IsToken(line[..colon])) return H1Errors.BadFieldName;
        if (colon > limits.FieldNameBytesMax) return H1Errors.FieldNameTooLong;

        var value = line[(colon + 1)..];
        if (value.ContainsAny(HttpChars.BadValueBytes)) return H1Errors.BadFieldValue;
        if (trailers is not null && Trailers.MayCarry(KnownHeaders.Find(line[..colon]))) trailers.Append(line[..colon], HttpChars.TrimOws(value));
        return default;
    }

    private ChunkedStatus Fail(ProtocolError error)
    {
        Error = error;
        return ChunkedStatus.Error;
    }
}
