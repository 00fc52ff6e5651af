using System.Buffers.Text;
using System.Text;

namespace Mesh.Http.H1;

/// <summary>Makes a RequestHead of a scanned head: request line, authority, persistence, framing, upgrade. The arena already holds the bytes.</summary>
internal static class H1Request
{
    /// <summary>Method, version and where the target is. Everything else of the head is reset for the fields to come.</summary>
    public static ProtocolError ReadRequestLine(RequestHead head, ReadOnlySpan<byte> line, HttpLimits limits, out Slice target)
    {
        Reset(head);
        target = default;
        // Blanks more than one between the words, and behind them, are passed over (RFC 9112 §3 lets us).
        line = line.TrimEnd((byte)' ');
        var firstSpace = line.IndexOf((byte)' ');
        var lastSpace = line.LastIndexOf((byte)' ');
        if (firstSpace <= 0) return H1Errors.BadRequestLine;

        var name = line[..firstSpace];
        if (!HttpChars.IsToken(name)) return H1Errors.BadMethod;

        head.UseMethod(Methods.Find(name), new(0, firstSpace));
        if (head.Method == Method.Other && !limits.AcceptCustomMethods && !Methods.IsRegistered(name)) return H1Errors.UnknownMethod;

        if (firstSpace == lastSpace || line[(firstSpace + 1)..lastSpace].IndexOfAnyExcept((byte)' ') < 0)
        {
            // HTTP/0.9's "GET /x".
            return Methods.IsRegistered(name) ? H1Errors.LowVersion : H1Errors.BadRequestLine;
        }

        var version = line[(lastSpace + 1)..];
        if (version.Length != 8 || !version.StartsWith("HTTP/"u8) || !HttpChars.IsDigit(version[5]) || version[6] != '.' || !HttpChars.IsDigit(version[7]))
            return H1Errors.BadRequestLine;

        var bytes = line[(firstSpace + 1)..lastSpace].TrimStart((byte)' ');
        target = new(lastSpace - bytes.Length, bytes.Length);
        bytes = bytes.TrimEnd((byte)' ');
        target = new(target.Offset, bytes.Length);
        if (bytes.IsEmpty || bytes.ContainsAny(HttpChars.BadTargetBytes)) return H1Errors.BadRequestLine;
        if (version[5] == '1' && version[7] == '1') return default;

        head.Version = HttpVersion.Http10;
        return limits.AcceptHttp10 && version[5] == '1' && version[7] == '0' ? default : H1Errors.LowVersion;
    }

    /// <summary>Call when the arena holds the whole head.</summary>
    public static ProtocolError Finish(RequestHead head, in FieldScan scan, HttpLimits limits)
    {
        var error = TryFinish(head, scan, limits);
        if (error.IsCodecError) head.UseAuthority(default); // nobody should believe, or log, for whom a broken request was
        return error;
    }

    private static ProtocolError TryFinish(RequestHead head, in FieldScan scan, HttpLimits limits)
    {
        var wishes = HopByHop.Apply(scan, head.Headers);
        if (wishes.NamesEnds) return H1Errors.NominatedField;

        head.KeepAlive = head.Version == HttpVersion.Http11 ? !wishes.Close : wishes.KeepAlive && !wishes.Close;
        head.ExpectsContinue = scan.ExpectsContinue && head.Version == HttpVersion.Http11;
        head.AcceptsTrailers = scan.TeTrailers;

        // Host before target: a whole URL's authority counts more (RFC 9112 §3.2.2), but a bad Host is refused either way.
        var error = ReadHost(head, scan, limits);
        if (error.IsNone) error = ReadTarget(head, scan.Target, limits);
        if (error.IsNone && scan.HostLines == 0 && head.Version == HttpVersion.Http11) error = H1Errors.MissingHost;
        if (!error.IsNone) return error;

        error = H1Framing.OfRequest(scan, head.Headers, head.Version, out var body);
        if (!error.IsNone) return error;
        if (head.Method == Method.Connect && !body.IsEmpty) return scan.EncodingLines > 0 ? H1Errors.EncodingNotAllowed : H1Errors.BadLength;

        head.Body = body;
        if (wishes.Upgrade && scan.Upgrade.Length > 0 && body.IsEmpty) ReadUpgrade(head, scan.Upgrade);
        return default;
    }

    // Everything but the fields, which the parser has just cleared.
    private static void Reset(RequestHead head)
    {
        head.UsePath(default);
        head.UseAuthority(default);
        head.UseProtocol(default);
        head.Scheme = HttpScheme.Http;
        head.Version = HttpVersion.Http11;
        head.Body = BodyFraming.None;
    }

    private static ProtocolError ReadHost(RequestHead head, in FieldScan scan, HttpLimits limits)
    {
        if (scan.HostLines == 0) return default;
        if (scan.HostLines > 1 && !limits.JoinRepeatedHost) return H1Errors.RepeatedHost;

        var headers = head.Headers;
        var host = scan.HostLines == 1 ? scan.Host : JoinHosts(headers);
        headers.Remove(KnownHeader.Host);
        head.UseAuthority(host);
        // Several, where they are joined, are nobody's address: what they hold is looked at, not how it is put together.
        var isAuthority = scan.HostLines == 1 ? HttpChars.IsAuthority(head.Authority) : !head.Authority.ContainsAnyExcept(HttpChars.AuthorityBytes);
        return isAuthority ? default : H1Errors.BadAuthority;
    }

    private static Slice JoinHosts(Headers headers)
    {
        var length = 0;
        foreach (var value in headers.Values(KnownHeader.Host)) length += value.Length + 1;

        var offset = headers.ArenaUsed;
        var room = headers.Reserve(length);
        foreach (var value in headers.Values(KnownHeader.Host))
        {
            value.CopyTo(room);
            room[value.Length] = (byte)',';
            room = room[(value.Length + 1)..];
        }

        return new(offset, length - 1);
    }

    private static ProtocolError ReadTarget(RequestHead head, Slice target, HttpLimits limits)
    {
        var bytes = head.Headers.Bytes(target.Offset, target.Length);
        if (head.Method == Method.Connect)
        {
            head.UseAuthority(target);
            return HttpChars.IsAuthority(bytes) && EndsInPort(bytes) ? default : H1Errors.BadTarget;
        }

        if (bytes[0] == '/')
        {
            head.UsePath(WithoutFragment(bytes, target.Offset));
            return default;
        }

        if (bytes.SequenceEqual("*"u8)) return head.Method == Method.Options ? H1Errors.NoAbsolutePath : H1Errors.BadTarget;

        return ReadAbsoluteForm(head, bytes, target.Offset, limits);
    }

    private static bool EndsInPort(ReadOnlySpan<byte> authority)
    {
        var colon = authority.LastIndexOf((byte)':');
        return colon > 0 && HttpChars.TryParseDecimal(authority[(colon + 1)..], out var port) && port <= 65535;
    }

    private static ProtocolError ReadAbsoluteForm(RequestHead head, ReadOnlySpan<byte> target, int offset, HttpLimits limits)
    {
        var isHttps = target.Length >= 8 && Ascii.EqualsIgnoreCase(target[..8], "https://"u8);
        if (!isHttps && !(target.Length >= 7 && Ascii.EqualsIgnoreCase(target[..7], "http://"u8))) return target.IndexOf("://"u8) > 0 ? H1Errors.BadScheme : H1Errors.RelativeTarget;
        if (isHttps && limits.RefuseHttpsTargets) return H1Errors.HttpsInPlaintext;

        var start = isHttps ? 8 : 7;
        var rest = target[start..];
        var length = rest.IndexOfAny((byte)'/', (byte)'?', (byte)'#');
        if (length < 0) length = rest.Length;

        var authority = rest[..length];
        if (authority.Contains((byte)'@')) return H1Errors.UserInfo;
        if (authority.IsEmpty || !HttpChars.IsAuthority(authority)) return H1Errors.BadTarget;

        head.UseAuthority(new(offset + start, length));
        head.Scheme = isHttps ? HttpScheme.Https : HttpScheme.Http;
        var path = WithoutFragment(rest[length..], offset + start + length);
        if (path.Length > 0 && rest[length] == '/') head.UsePath(path);
        else UsePathBehindSlash(head, path);
        return default;
    }

    // "http://host?x" asks for "/?x" (RFC 9110 §4.2.3).
    private static void UsePathBehindSlash(RequestHead head, Slice query)
    {
        var at = head.Headers.Store("/"u8);
        head.Headers.Store(head.Headers.Bytes(query.Offset, query.Length));
        head.UsePath(new Slice(at, query.Length + 1));
    }

    private static Slice WithoutFragment(ReadOnlySpan<byte> target, int offset)
    {
        var hash = target.IndexOf((byte)'#');
        return new(offset, hash < 0 ? target.Length : hash);
    }

    private static void ReadUpgrade(RequestHead head, Slice upgrade)
    {
        // h2c is never spoken by upgrade (RFC 9113 §3.1): the request goes on as if it had not asked.
        var list = head.Headers.Bytes(upgrade.Offset, upgrade.Length);
        var at = upgrade.Offset;
        while (true)
        {
            var before = list.Length;
            if (!HttpChars.TryNextElement(ref list, out var protocol)) return;

            if (!Ascii.EqualsIgnoreCase(protocol, "h2c"u8))
            {
                var found = head.Headers.Bytes(at, before).IndexOf(protocol);
                head.UseProtocol(new(at + found, protocol.Length));
                break;
            }

            at += before - list.Length;
        }

        if (head.IsWebSocket && !IsWebSocketHandshake(head)) head.ClearProtocol();
    }

    // RFC 6455 §4.1: a malformed handshake is no upgrade, and so never a tunnel (CVE-2024-23326).
    private static bool IsWebSocketHandshake(RequestHead head)
    {
        Span<byte> nonce = stackalloc byte[24];
        var key = head.Headers.Get(KnownHeader.SecWebsocketKey);
        return head.Method == Method.Get && head.Headers.Get(KnownHeader.SecWebsocketVersion).SequenceEqual("13"u8)
            && key.Length == 24 && Base64.DecodeFromUtf8(key, nonce, out _, out var written) == System.Buffers.OperationStatus.Done && written == 16;
    }
}
