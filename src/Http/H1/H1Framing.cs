using System.Text;

namespace Mesh.Http.H1;

/// <summary>How long is the body? RFC 9112 §6.3 with every doubt refused: all smuggling rules live here.</summary>
internal static class H1Framing
{
    public static ProtocolError OfRequest(in FieldScan scan, Headers headers, HttpVersion version, out BodyFraming body)
    {
        body = BodyFraming.None;
        if (scan.EncodingLines > 0)
        {
            if (version == HttpVersion.Http10) return H1Errors.EncodingInHttp10;
            if (scan.LengthLines > 0) return H1Errors.LengthAndEncoding;
            if (!IsChunked(scan, headers)) return H1Errors.UnknownEncoding;

            body = BodyFraming.Streamed;
            return default;
        }

        if (scan.LengthLines == 0) return default;
        if (!TryLength(scan, headers, out var length)) return H1Errors.BadLength;

        body = BodyFraming.OfLength(length);
        return default;
    }

    public static ProtocolError OfResponse(in FieldScan scan, ResponseHead head, ResponseContext asked)
    {
        var headers = head.Headers;
        if (scan.LengthLines > 0 && !TryLength(scan, headers, out _)) return H1Errors.BadLength;
        if (scan.EncodingLines > 0 && scan.LengthLines > 0) return H1Errors.LengthAndEncoding;
        if (scan.EncodingLines > 0 && !IsChunked(scan, headers)) return H1Errors.UnknownEncoding;
        if (scan.EncodingLines > 0 && head.Version == HttpVersion.Http10) return H1Errors.EncodingInHttp10;

        if (head.Status is < 200 or 204)
        {
            if (scan.EncodingLines > 0) return H1Errors.EncodingNotAllowed;
            if (head.Status == 101 && !asked.ToUpgrade) return H1Errors.UnaskedSwitch;

            headers.Remove(KnownHeader.ContentLength);
            head.Body = head.Status == 101 ? BodyFraming.Tunnel : BodyFraming.None;
            return default;
        }

        if (asked.ToConnect && head.Status < 300)
        {
            if (scan.EncodingLines > 0) return H1Errors.EncodingNotAllowed;

            headers.Remove(KnownHeader.ContentLength);
            head.Body = BodyFraming.Tunnel;
        }
        else if (asked.ToHead || head.Status == 304)
        {
            head.Body = BodyFraming.None; // a Content-Length there speaks of a body that is not sent
        }
        else if (scan.EncodingLines > 0)
        {
            head.Body = BodyFraming.Streamed;
        }
        else if (scan.LengthLines > 0)
        {
            TryLength(scan, headers, out var length);
            head.Body = BodyFraming.OfLength(length);
        }
        else
        {
            head.Body = BodyFraming.UntilClose;
        }

        return default;
    }

    // "chunked" once and nothing else: any list, coding or repetition is where readers differ.
    private static bool IsChunked(in FieldScan scan, Headers headers) =>
        scan.EncodingLines == 1 && Ascii.EqualsIgnoreCase(headers.Bytes(scan.Encoding.Offset, scan.Encoding.Length), "chunked"u8);

    private static bool TryLength(in FieldScan scan, Headers headers, out long length)
    {
        length = 0;
        return scan.LengthLines == 1 && HttpChars.TryParseDecimal(headers.Bytes(scan.Length.Offset, scan.Length.Length), out length);
    }
}
