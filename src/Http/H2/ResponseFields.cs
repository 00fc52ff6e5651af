using Mesh.Http.Hpack;

namespace Mesh.Http.H2;

/// <summary>Makes a ResponseHead of a field block (RFC 9113 §8.3.2).</summary>
internal ref struct ResponseFields(ResponseHead head, HttpLimits limits) : IFieldSink
{
    private FieldCount _count = new(limits);
    private ProtocolError _error;
    private bool _regularSeen;
    private Slice _length;
    private int _lengths;

    public readonly Headers Arena => head.Headers;

    public bool Admit(int nameBytes, int valueBytes) => _count.Admit(nameBytes, valueBytes);

    public void Add(byte token, Slice name, Slice value, bool neverIndexed, bool isBad)
    {
        if (isBad)
        {
            Fail(H2Errors.BadField);
            return;
        }

        if (FieldToken.IsPseudo(token))
        {
            if (_regularSeen || head.Status != 0 || token != FieldToken.Status || !TryStatus(Arena.Bytes(value.Offset, value.Length))) Fail(H2Errors.BadPseudo);
            return;
        }

        _regularSeen = true;
        var id = (KnownHeader)token;
        switch (id)
        {
            case KnownHeader.Connection or KnownHeader.KeepAlive or KnownHeader.ProxyConnection or KnownHeader.TransferEncoding or KnownHeader.Upgrade or KnownHeader.Te:
                Fail(H2Errors.ConnectionField);
                return;
            case KnownHeader.Host or KnownHeader.Http2Settings:
                return;
            case KnownHeader.ContentLength:
                _lengths++;
                _length = HeadFields.Trim(Arena, value);
                break;
            default:
                break;
        }

        HeadFields.Keep(Arena, id, name, HeadFields.Trim(Arena, value), neverIndexed);
    }

    public ProtocolError Finish(bool endStream, ResponseContext asked)
    {
        if (!_error.IsNone) return _error;
        if (_count.IsExceeded) return H2Errors.HeadTooLarge;
        if (head.Status is 0 or 101 || (head.Status < 200 && endStream)) return H2Errors.BadStatus;

        var isTunnel = (asked.ToConnect || asked.ToUpgrade) && head.Status is >= 200 and < 300;
        var error = HeadFields.ReadLength(head.Headers, _lengths, _length, endStream, mayDiffer: asked.ToHead || head.Status is 304 or < 200 or 204 || isTunnel, out var body);
        if (!error.IsNone) return error;

        head.Version = HttpVersion.Http2;
        head.KeepAlive = true;
        head.Body = isTunnel ? BodyFraming.Tunnel : asked.ToHead || head.Status is 304 or 204 or < 200 ? BodyFraming.None : body;
        if (head.Status is < 200 or 204) head.Headers.Remove(KnownHeader.ContentLength);
        if (isTunnel && asked.ToUpgrade) head.Status = 101; // an upgrade looks the same whichever version grants it
        return default;
    }

    private readonly bool TryStatus(ReadOnlySpan<byte> text)
    {
        if (text.Length != 3 || !HttpChars.TryParseDecimal(text, out var status) || status < 100) return false;

        head.Status = (int)status;
        return true;
    }

    private void Fail(ProtocolError error)
    {
        if (_error.IsNone) _error = error;
    }
}
