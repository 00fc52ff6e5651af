using System.Buffers;
using System.Diagnostics;

namespace Mesh.Http.H1;

/// <summary>
/// Writes heads from the model, never from received bytes: framing and connection fields are this hop's own. Lines that the parser found in the
/// canonical form and nobody edited are copied in runs. One request for room, one pass.
/// </summary>
public static class H1Writer
{
    private const int FixedBytesMax = 256; // start line's constants, framing and connection fields

    /// <summary>
    /// A request to an HTTP/1.1 server. Whether the client keeps its own connection is of no concern here; "expect: 100-continue" goes on only while
    /// <see cref="RequestHead.ExpectsContinue"/> still stands (whoever answered it himself clears it).
    /// </summary>
    public static void WriteRequest(RequestHead head, IBufferWriter<byte> output, bool keepAlive = true)
    {
        var headers = head.Headers;
        var room = output.GetSpan(headers.WriteBytesMax + head.MethodName.Length + head.Path.Length + 2 * head.Authority.Length + 2 * head.Protocol.Length + FixedBytesMax);
        var at = 0;
        Put(head.MethodName, room, ref at);
        Put(" "u8, room, ref at);
        Put(head.IsConnect ? head.Authority : head.Path, room, ref at);
        Put(" HTTP/1.1\r\nhost: "u8, room, ref at);
        Put(head.Authority, room, ref at);
        Put("\r\n"u8, room, ref at);

        // What follows CONNECT or an upgrade is no body, and HTTP/1.1 frames none there (RFC 9110 §9.3.6).
        var body = head.IsConnect || head.IsUpgrade ? BodyFraming.None : head.Body.Kind == BodyKind.None && MayHaveBody(head.Method) ? BodyFraming.OfLength(0) : head.Body;
        var keepsLength = KeepsLengthField(headers, body, mayStateLength: false);
        PutFields(headers, keepsLength, room, ref at);
        PutFraming(body, keepsLength, room, ref at);
        if (head.AcceptsTrailers) Put("te: trailers\r\n"u8, room, ref at);
        if (head.ExpectsContinue) Put("expect: 100-continue\r\n"u8, room, ref at);
        if (head.IsUpgrade) PutUpgrade(head.Protocol, room, ref at);
        else if (!keepAlive) Put("connection: close\r\n"u8, room, ref at);
        Put("\r\n"u8, room, ref at);
        output.Advance(at);
    }

    /// <summary>A response to the request whose method and version are given; <see cref="ResponseHead.KeepAlive"/> false says "connection: close".</summary>
    public static void WriteResponse(ResponseHead head, Method toMethod, HttpVersion toVersion, IBufferWriter<byte> output)
    {
        var headers = head.Headers;
        var reason = head.Reason.IsEmpty ? ReasonPhrase.Of(head.Status) : head.Reason;
        var room = output.GetSpan(headers.WriteBytesMax + reason.Length + 2 * head.Protocol.Length + FixedBytesMax);
        var at = 0;
        PutStatusLine(head.Status, reason, room, ref at);

        var keepsLength = KeepsLengthField(headers, head.Body, mayStateLength: toMethod == Method.Head || head.Status == 304);
        PutFields(headers, keepsLength, room, ref at);
        PutFraming(FramingOnTheWire(head, toMethod, toVersion, keepsLength), keepsLength, room, ref at);
        if (head.Status == 101) PutUpgrade(head.Protocol, room, ref at);
        else if (!head.IsInterim) PutPersistence(head, toMethod, toVersion, room, ref at);
        Put("\r\n"u8, room, ref at);
        output.Advance(at);
    }

    /// <summary>True when a body of this framing, sent to that client, ends with the connection: the caller must close it.</summary>
    public static bool EndsWithConnection(BodyFraming body, HttpVersion toVersion) =>
        body.Kind == BodyKind.UntilClose || (body.Kind == BodyKind.Streamed && toVersion == HttpVersion.Http10);

    public static ReadOnlySpan<byte> ContinueResponse => "HTTP/1.1 100 Continue\r\n\r\n"u8;

    /// <summary>Methods whose empty body has to be said (RFC 9110 §8.6).</summary>
    private static bool MayHaveBody(Method method) => method is not (Method.Get or Method.Head or Method.Delete or Method.Trace or Method.Connect);

    private static BodyFraming FramingOnTheWire(ResponseHead head, Method toMethod, HttpVersion toVersion, bool keepsLength)
    {
        if (head.Status is < 200 or 204 or 304) return BodyFraming.None;
        // To HEAD: what GET would have said. A length that is not known would be chunks.
        if (toMethod == Method.Head) return keepsLength || toVersion == HttpVersion.Http10 ? BodyFraming.None : BodyFraming.Streamed;
        if (EndsWithConnection(head.Body, toVersion)) return BodyFraming.UntilClose;

        // Nothing said would mean "until the connection ends": an empty answer says so.
        return head.Body.Kind == BodyKind.None ? BodyFraming.OfLength(0) : head.Body;
    }

    private static void PutStatusLine(int status, ReadOnlySpan<byte> reason, Span<byte> room, ref int at)
    {
        Debug.Assert(status is >= 100 and <= 999);
        Put("HTTP/1.1 "u8, room, ref at);
        status.TryFormat(room[at..], out var digits);
        at += digits;
        room[at++] = (byte)' ';
        Put(reason, room, ref at);
        Put("\r\n"u8, room, ref at);
    }

    private static void PutPersistence(ResponseHead head, Method toMethod, HttpVersion toVersion, Span<byte> room, ref int at)
    {
        var isTunnel = head.Body.Kind == BodyKind.Tunnel;
        var ends = EndsWithConnection(head.Body, toVersion) && toMethod != Method.Head;
        if (isTunnel) return;
        if (!head.KeepAlive || ends) Put("connection: close\r\n"u8, room, ref at);
        else if (toVersion == HttpVersion.Http10) Put("connection: keep-alive\r\n"u8, room, ref at);
    }

    /// <summary>A Content-Length field is written only where it says what the framing says, or where no body is sent that it could contradict.</summary>
    private static bool KeepsLengthField(Headers headers, BodyFraming body, bool mayStateLength)
    {
        if (!headers.TryGet(KnownHeader.ContentLength, out var text) || headers.CountOf(KnownHeader.ContentLength) != 1) return false;
        if (text.Length > 1 && text[0] == '0') return false; // "005" is octal to some
        if (mayStateLength) return HttpChars.TryParseDecimal(text, out _);

        return body.Kind == BodyKind.Length && HttpChars.TryParseDecimal(text, out var length) && length == body.Length;
    }

    private static void PutFraming(BodyFraming body, bool hasLengthField, Span<byte> room, ref int at)
    {
        if (body.Kind == BodyKind.Streamed)
        {
            Put("transfer-encoding: chunked\r\n"u8, room, ref at);
        }
        else if (body.Kind == BodyKind.Length && !hasLengthField)
        {
            Put("content-length: "u8, room, ref at);
            body.Length.TryFormat(room[at..], out var digits);
            at += digits;
            Put("\r\n"u8, room, ref at);
        }
    }

    private static void PutUpgrade(ReadOnlySpan<byte> protocol, Span<byte> room, ref int at)
    {
        Put("connection: upgrade\r\nupgrade: "u8, room, ref at);
        Put(protocol, room, ref at);
        Put("\r\n"u8, room, ref at);
    }

    private static void PutFields(Headers headers, bool keepsLength, Span<byte> room, ref int at)
    {
        for (var slot = 0; slot < headers.FieldSlots; slot++)
        {
            ref readonly var first = ref headers.FieldAt(slot);
            if (!IsWritten(first, keepsLength)) continue;

            if ((first.Flags & Headers.FieldFlags.Canonical) == 0)
            {
                Put(headers.NameAt(slot), room, ref at);
                Put(": "u8, room, ref at);
                Put(headers.ValueAt(slot), room, ref at);
                Put("\r\n"u8, room, ref at);
                continue;
            }

            var end = first.ValueOffset + first.ValueLength + 2;
            while (slot + 1 < headers.FieldSlots)
            {
                ref readonly var next = ref headers.FieldAt(slot + 1);
                if (next.NameOffset != end || (next.Flags & Headers.FieldFlags.Canonical) == 0 || !IsWritten(next, keepsLength)) break;

                end = next.ValueOffset + next.ValueLength + 2;
                slot++;
            }

            Put(headers.Bytes(first.NameOffset, end - first.NameOffset), room, ref at);
        }
    }

    // Hop-by-hop names are here only if somebody added them: they are this writer's business alone.
    private static bool IsWritten(in Headers.Field one, bool keepsLength) =>
        (one.Flags & Headers.FieldFlags.Removed) == 0 && one.Known switch
        {
            KnownHeader.ContentLength => keepsLength,
            KnownHeader.Host or KnownHeader.Connection or KnownHeader.TransferEncoding or KnownHeader.Te or KnownHeader.Upgrade => false,
            KnownHeader.KeepAlive or KnownHeader.ProxyConnection or KnownHeader.Http2Settings => false,
            _ => true,
        };

    private static void Put(ReadOnlySpan<byte> bytes, Span<byte> room, ref int at)
    {
        bytes.CopyTo(room[at..]);
        at += bytes.Length;
    }
}
