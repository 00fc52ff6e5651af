using System.Text;
using Mesh.Http.Hpack;

namespace Mesh.Http.H2;

/// <summary>Makes a RequestHead of a field block (RFC 9113 §8.2, §8.3.1). The first violation is kept; the rest of the block is still taken in.</summary>
internal ref struct RequestFields(RequestHead head, HttpLimits limits) : IFieldSink
{
    private FieldCount _count = new(limits);
    private ProtocolError _error;
    private uint _pseudoSeen;
    private bool _regularSeen;
    private Slice _host;
    private Slice _length;
    private int _hosts;
    private int _lengths;
    private int _cookies;
    private bool _pathIsStar;

    public readonly Headers Arena => head.Headers;

    public bool Admit(int nameBytes, int valueBytes) => _count.Admit(nameBytes, valueBytes);

    public void Add(byte token, Slice name, Slice value, bool neverIndexed, bool isBad)
    {
        if (isBad) Fail(H2Errors.BadField);
        else if (FieldToken.IsPseudo(token)) AddPseudo(token, value);
        else AddRegular((KnownHeader)token, name, HeadFields.Trim(Arena, value), neverIndexed);
    }

    /// <summary>Call when the block is decoded. None, a stream error, or a request to be answered with the error's status.</summary>
    public ProtocolError Finish(bool endStream)
    {
        if (!_error.IsNone) return _error;
        if (_count.IsExceeded) return _count.IsTooLarge ? H2Errors.ListTooLarge : H2Errors.HeadTooLarge;

        var error = CheckPseudo();
        if (!error.IsNone) return error;

        if (_cookies > 1) HeadFields.JoinCookies(head.Headers);
        error = HeadFields.ReadLength(head.Headers, _lengths, _length, endStream, mayDiffer: false, out var body);
        if (!error.IsNone) return error;

        head.Body = body;
        head.Version = HttpVersion.Http2;
        head.KeepAlive = true;
        if (head.IsConnect) return default;
        if (_pathIsStar) return H2Errors.NoAbsolutePath;
        return head.Authority.IsEmpty && !Has(FieldToken.Authority) && _hosts == 0 ? H2Errors.MissingHost : default;
    }

    private void AddPseudo(byte token, Slice value)
    {
        var bit = 1u << (token - FieldToken.Method);
        if (_regularSeen || (_pseudoSeen & bit) != 0 || token is FieldToken.Status or FieldToken.UnknownPseudo)
        {
            Fail(H2Errors.BadPseudo);
            return;
        }

        _pseudoSeen |= bit;
        var bytes = Arena.Bytes(value.Offset, value.Length);
        switch (token)
        {
            case FieldToken.Method:
                if (!HttpChars.IsToken(bytes)) Fail(H2Errors.BadTarget);
                head.UseMethod(Methods.Find(bytes), value);
                break;
            case FieldToken.Scheme:
                if (bytes.SequenceEqual("https"u8)) head.Scheme = HttpScheme.Https;
                else if (bytes.SequenceEqual("http"u8)) head.Scheme = HttpScheme.Http;
                else if (!HttpChars.IsToken(bytes)) Fail(H2Errors.BadPseudo);
                break;
            case FieldToken.Authority:
                if (!HttpChars.IsAuthority(bytes)) Fail(H2Errors.BadTarget);
                head.UseAuthority(value);
                break;
            case FieldToken.Path:
                AddPath(bytes, value);
                break;
            default:
                if (!HttpChars.IsToken(bytes)) Fail(H2Errors.BadPseudo);
                head.UseProtocol(value);
                break;
        }
    }

    private void AddPath(ReadOnlySpan<byte> path, Slice value)
    {
        _pathIsStar = path.SequenceEqual("*"u8);
        if (path.IsEmpty || (path[0] != '/' && !_pathIsStar) || path.ContainsAny(HttpChars.BadTargetBytes)) Fail(H2Errors.BadTarget);

        var hash = path.IndexOf((byte)'#');
        head.UsePath(hash < 0 ? value : value with { Length = hash });
    }

    private void AddRegular(KnownHeader id, Slice name, Slice value, bool neverIndexed)
    {
        _regularSeen = true;
        switch (id)
        {
            case KnownHeader.Connection or KnownHeader.KeepAlive or KnownHeader.ProxyConnection or KnownHeader.TransferEncoding or KnownHeader.Upgrade:
                Fail(H2Errors.ConnectionField);
                return;
            case KnownHeader.Te:
                if (Ascii.EqualsIgnoreCase(Arena.Bytes(value.Offset, value.Length), "trailers"u8)) head.AcceptsTrailers = true;
                else Fail(H2Errors.ConnectionField);
                return;
            case KnownHeader.Host:
                _hosts++;
                _host = value;
                return;
            case KnownHeader.Http2Settings:
                return;
            case KnownHeader.Expect when Ascii.EqualsIgnoreCase(Arena.Bytes(value.Offset, value.Length), "100-continue"u8):
                head.ExpectsContinue = true;
                return;
            case KnownHeader.ContentLength:
                _lengths++;
                _length = value;
                break;
            case KnownHeader.Cookie:
                _cookies++;
                break;
            case KnownHeader.None when limits.RefuseUnderscores && Arena.Bytes(name.Offset, name.Length).Contains((byte)'_'):
                Fail(H2Errors.Underscore);
                return;
            default:
                break;
        }

        HeadFields.Keep(Arena, id, name, value, neverIndexed);
    }

    private ProtocolError CheckPseudo()
    {
        if (!Has(FieldToken.Method)) return H2Errors.BadPseudo;

        var isConnect = head.Method == Method.Connect;
        if (isConnect && !Has(FieldToken.Protocol))
        {
            // RFC 9113 §8.5: only the authority.
            var isPlain = Has(FieldToken.Authority) && !Has(FieldToken.Scheme) && !Has(FieldToken.Path) && !head.Authority.IsEmpty;
            return isPlain ? default : H2Errors.BadPseudo;
        }

        if (!Has(FieldToken.Scheme) || !Has(FieldToken.Path)) return H2Errors.BadPseudo;
        if (Has(FieldToken.Protocol))
        {
            if (!isConnect) return H2Errors.BadPseudo;

            head.SetMethod(Method.Get); // an upgrade looks the same whichever version asks for it
        }

        // :authority counts; host only stands in for it (§8.3.1).
        if (!Has(FieldToken.Authority) && _hosts > 0)
        {
            head.UseAuthority(_host);
            if (_hosts > 1 || !HttpChars.IsAuthority(head.Authority)) return H2Errors.BadTarget;
        }

        return default;
    }

    private readonly bool Has(byte token) => (_pseudoSeen & (1u << (token - FieldToken.Method))) != 0;

    private void Fail(ProtocolError error)
    {
        if (_error.IsNone) _error = error;
    }
}
