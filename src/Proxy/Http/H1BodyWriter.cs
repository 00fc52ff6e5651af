using Mesh.Http;
using Mesh.Http.H1;
using Mesh.Net;

namespace Mesh.Proxy.Http;

/// <summary>Writes the body of an HTTP/1 message into a connection's output as its head announced it.</summary>
internal struct H1BodyWriter(BodyFraming onTheWire)
{
    private readonly bool _isChunked = onTheWire.Kind == BodyKind.Streamed;
    private readonly bool _isDropped = onTheWire.Kind == BodyKind.None;
    private long _left = onTheWire.Kind == BodyKind.Length ? onTheWire.Length : long.MaxValue;

    public readonly void Write(Connection connection, ReadOnlySpan<byte> bytes)
    {
        if (_isDropped || bytes.IsEmpty) return;

        if (_isChunked) Chunked.Write(bytes, connection.Output);
        else connection.Output.Write(bytes);
    }

    /// <summary>Counts against the announced length. A sender that gives more than it said must not be believed.</summary>
    /// <returns>False when the announced length would be passed.</returns>
    public bool TryCount(int bytes)
    {
        _left -= bytes;
        return _left >= 0;
    }

    /// <summary>All that the head announced has been written.</summary>
    public readonly bool IsComplete => _left is 0 or > long.MaxValue / 2;

    public readonly void End(Connection connection, Headers? trailers)
    {
        if (_isChunked) Chunked.WriteLast(trailers, connection.Output);
    }
}
