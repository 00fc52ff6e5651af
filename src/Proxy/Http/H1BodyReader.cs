using System.Runtime.CompilerServices;
using Mesh.Http;
using Mesh.Http.H1;
using Mesh.Net;

namespace Mesh.Proxy.Http;

/// <summary>The body of an HTTP/1 message as it lies in a connection's input: pieces in place, nothing copied. One per connection and direction, used again for each message.</summary>
internal sealed class H1BodyReader(Connection connection, HttpLimits limits)
{
    // Most connections never carry chunks.
    private static readonly Headers NoTrailers = new();
    private ChunkedDecoder? _chunked;
    private Headers? _trailers;
    private BodyKind _kind;
    private long _left;
    private int _given;
    private bool _sawEnd;

    public Headers Trailers => _trailers ?? NoTrailers;

    public ProtocolError Problem => _chunked?.Error ?? default;

    /// <summary>The last piece was handed out (or there was none to begin with).</summary>
    public bool HasEnded { get; private set; }

    public void Begin(BodyFraming framing)
    {
        (_kind, _left, _given, _sawEnd) = (framing.Kind, framing.Length, 0, false);
        HasEnded = framing.IsEmpty;
        _trailers?.Clear();
        if (_kind != BodyKind.Streamed) return;

        _trailers ??= new();
        _chunked ??= new(limits);
        _chunked.Reset();
    }

    /// <summary>Takes what was handed out last off the input. Needed before anybody else reads from the connection.</summary>
    public void Settle()
    {
        if (_given == 0) return;

        connection.Input.Consume(_given);
        _given = 0;
    }

    public bool TryRead(out BodyPiece piece)
    {
        Settle();
        piece = default;
        if (HasEnded)
        {
            piece = new(default, true);
            return true;
        }
        return _kind == BodyKind.Streamed ? TryReadChunk(out piece) : TryReadPlain(out piece);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<IoStatus> WaitAsync(Deadline deadline)
    {
        Settle();
        if (!Problem.IsNone && _kind == BodyKind.Streamed) return IoStatus.Reset;

        var status = await connection.FillAsync(deadline);
        if (status != IoStatus.End || _kind is not (BodyKind.UntilClose or BodyKind.Tunnel)) return status;

        _sawEnd = true;
        return IoStatus.Ok;
    }

    private bool TryReadPlain(out BodyPiece piece)
    {
        var bytes = connection.Input.Memory;
        if (_kind == BodyKind.Length)
        {
            if (bytes.Length > _left) bytes = bytes[..(int)_left];
            _left -= bytes.Length;
            HasEnded = _left == 0;
        }
        else
        {
            HasEnded = _sawEnd;
        }
        _given = bytes.Length;
        piece = new(bytes, HasEnded);
        return HasEnded || !bytes.IsEmpty;
    }

    private bool TryReadChunk(out BodyPiece piece)
    {
        piece = default;
        var status = _chunked!.Read(connection.Input.Span, _trailers, out var consumed, out var data);
        if (status == ChunkedStatus.Data)
        {
            // The piece ends where what was consumed ends; both leave the input with the next call.
            piece = new(connection.Input.Memory[(consumed - data.Length)..consumed], false);
            _given = consumed;
            // Mostly the last chunk lies right behind: then the piece is known to be the last one, and one flush serves both.
            if (!EndsBehind(consumed, out var more)) return true;

            _given += more;
            HasEnded = true;
            piece = piece with { Ends = true };
            return true;
        }

        connection.Input.Consume(consumed);
        if (status != ChunkedStatus.Done) return false;

        HasEnded = true;
        piece = new(default, true);
        return true;
    }

    private bool EndsBehind(int offset, out int more)
    {
        more = 0;
        var rest = connection.Input.Span[offset..];
        if (!rest.StartsWith("\r\n0\r\n\r\n"u8)) return false;

        return _chunked!.Read(rest, _trailers, out more, out _) == ChunkedStatus.Done;
    }
}
