using Mesh.Http.Hpack;

namespace Mesh.Http.H2;

/// <summary>Encodes heads of the model into field blocks: pseudo-headers first, names in lower case, nothing of HTTP/1.1 connections.</summary>
internal static class HeadWriter
{
    private const int PseudoBytesMax = 8 * HpackEncoder.FieldOverheadMax + 64;

    public static int RequestBytesMax(RequestHead head) =>
        head.Headers.WriteBytesMax + head.MethodName.Length + head.Path.Length + head.Authority.Length + head.Protocol.Length + PseudoBytesMax;

    public static int Request(HpackEncoder encoder, RequestHead head, Span<byte> room)
    {
        var at = encoder.Begin(room);
        if (head.IsUpgrade)
        {
            at += encoder.Field(FieldToken.Method, [], "CONNECT"u8, false, room[at..]);
            at += encoder.Field(FieldToken.Protocol, [], head.Protocol, false, room[at..]);
        }
        else
        {
            at += head.Method switch
            {
                Method.Get => HpackEncoder.StaticField(2, room[at..]),
                Method.Post => HpackEncoder.StaticField(3, room[at..]),
                _ => encoder.Field(FieldToken.Method, [], head.MethodName, false, room[at..]),
            };
        }

        if (!head.IsConnect)
        {
            at += HpackEncoder.StaticField(head.Scheme == HttpScheme.Https ? 7 : 6, room[at..]);
            if (head.Path.Length == 1 && head.Path[0] == '/') at += HpackEncoder.StaticField(4, room[at..]);
            else at += encoder.Field(FieldToken.Path, [], head.Path, false, room[at..]);
        }

        if (!head.Authority.IsEmpty) at += encoder.Field(FieldToken.Authority, [], head.Authority, false, room[at..]);
        at += Fields(encoder, head.Headers, KeepsLength(head.Headers, head.Body, false), room[at..]);
        if (head.AcceptsTrailers) at += encoder.Field((byte)KnownHeader.Te, [], "trailers"u8, false, room[at..]);
        if (head.ExpectsContinue) at += encoder.Field((byte)KnownHeader.Expect, [], "100-continue"u8, false, room[at..]);
        return at;
    }

    public static int ResponseBytesMax(ResponseHead head) => head.Headers.WriteBytesMax + PseudoBytesMax;

    public static int Response(HpackEncoder encoder, ResponseHead head, bool toHead, Span<byte> room)
    {
        var at = encoder.Begin(room);
        var status = head.Status == 101 ? 200 : head.Status; // an upgrade is granted with 200 (RFC 8441 §4)
        at += status switch
        {
            200 => HpackEncoder.StaticField(8, room[at..]),
            204 => HpackEncoder.StaticField(9, room[at..]),
            206 => HpackEncoder.StaticField(10, room[at..]),
            304 => HpackEncoder.StaticField(11, room[at..]),
            400 => HpackEncoder.StaticField(12, room[at..]),
            404 => HpackEncoder.StaticField(13, room[at..]),
            500 => HpackEncoder.StaticField(14, room[at..]),
            _ => Status(encoder, status, room[at..]),
        };
        return at + Fields(encoder, head.Headers, KeepsLength(head.Headers, head.Body, toHead || head.Status == 304), room[at..]);
    }

    public static int TrailersBytesMax(Headers trailers) => trailers.WriteBytesMax + PseudoBytesMax;

    public static int Trailers(HpackEncoder encoder, Headers trailers, Span<byte> room)
    {
        var at = encoder.Begin(room);
        return at + Fields(encoder, trailers, keepsLength: false, room[at..]);
    }

    private static int Status(HpackEncoder encoder, int status, Span<byte> room)
    {
        Span<byte> digits = stackalloc byte[3];
        status.TryFormat(digits, out _);
        return encoder.Field(FieldToken.Status, [], digits, false, room);
    }

    private static int Fields(HpackEncoder encoder, Headers headers, bool keepsLength, Span<byte> room)
    {
        var at = 0;
        for (var slot = 0; slot < headers.FieldSlots; slot++)
        {
            ref readonly var one = ref headers.FieldAt(slot);
            if ((one.Flags & Headers.FieldFlags.Removed) != 0) continue;
            if (one.Known is >= KnownHeader.Host and <= KnownHeader.Http2Settings && !(one.Known == KnownHeader.Trailer || (one.Known == KnownHeader.ContentLength && keepsLength))) continue;

            var neverIndexed = (one.Flags & Headers.FieldFlags.NeverIndexed) != 0;
            at += encoder.Field((byte)one.Known, headers.NameAt(slot), headers.ValueAt(slot), neverIndexed, room[at..]);
        }

        return at;
    }

    private static bool KeepsLength(Headers headers, BodyFraming body, bool mayStateLength)
    {
        if (!headers.TryGet(KnownHeader.ContentLength, out var text) || headers.CountOf(KnownHeader.ContentLength) != 1) return false;

        return HttpChars.TryParseDecimal(text, out var length) && (mayStateLength || (body.Kind == BodyKind.Length && body.Length == length));
    }
}
