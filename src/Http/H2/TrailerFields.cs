using Mesh.Http.H1;
using Mesh.Http.Hpack;

namespace Mesh.Http.H2;

/// <summary>Takes in trailers (RFC 9113 §8.1): no pseudo-headers; what must not come behind a body is dropped.</summary>
internal ref struct TrailerFields(Headers trailers, HttpLimits limits) : IFieldSink
{
    private FieldCount _count = new(limits);
    private ProtocolError _error;

    public readonly Headers Arena => trailers;

    public bool Admit(int nameBytes, int valueBytes) => _count.Admit(nameBytes, valueBytes);

    public void Add(byte token, Slice name, Slice value, bool neverIndexed, bool isBad)
    {
        var id = (KnownHeader)token;
        if (isBad) _error = H2Errors.BadField;
        else if (FieldToken.IsPseudo(token)) _error = H2Errors.BadPseudo;
        else if (id is KnownHeader.Connection or KnownHeader.KeepAlive or KnownHeader.ProxyConnection or KnownHeader.TransferEncoding or KnownHeader.Upgrade) _error = H2Errors.ConnectionField;
        else if (Trailers.MayCarry(id)) HeadFields.Keep(trailers, id, name, HeadFields.Trim(trailers, value), neverIndexed);
    }

    public readonly ProtocolError Finish() => !_error.IsNone ? _error : _count.IsExceeded ? H2Errors.HeadTooLarge : default;
}

/// <summary>Takes in a block for the table's sake: the stream is gone, the connection goes on.</summary>
internal ref struct NoFields(Headers scratch) : IFieldSink
{
    public readonly Headers Arena => scratch;

    public readonly bool Admit(int nameBytes, int valueBytes) => false;

    public readonly void Add(byte token, Slice name, Slice value, bool neverIndexed, bool isBad) { }
}
