namespace Mesh.Http.H1;

/// <summary>Makes a ResponseHead of a scanned head: status line, persistence, framing.</summary>
internal static class H1Response
{
    /// <summary>Version, status and words. Everything else of the head is reset for the fields to come.</summary>
    public static ProtocolError ReadStatusLine(ResponseHead head, ReadOnlySpan<byte> line)
    {
        head.UseReason(default);
        head.UseProtocol(default);
        head.Body = BodyFraming.None;
        return TryReadStatusLine(head, line) ? default : H1Errors.BadStatusLine;
    }

    /// <summary>Call when the arena holds the whole head.</summary>
    public static ProtocolError Finish(ResponseHead head, in FieldScan scan, ResponseContext asked)
    {
        var wishes = HopByHop.Apply(scan, head.Headers);
        head.Headers.Remove(KnownHeader.Host);
        var error = H1Framing.OfResponse(scan, head, asked);
        if (!error.IsNone) return error;

        if (head.Status == 101) head.UseProtocol(scan.Upgrade);
        head.KeepAlive = !wishes.Close && head.Body.Kind is not (BodyKind.UntilClose or BodyKind.Tunnel)
            && (head.Version == HttpVersion.Http11 || wishes.KeepAlive);
        return default;
    }

    private static bool TryReadStatusLine(ResponseHead head, ReadOnlySpan<byte> line)
    {
        // "HTTP/1.1 200 OK"; the space and the words behind the status are often missing and mean nothing.
        if (line.Length < 12 || !line.StartsWith("HTTP/1."u8) || line[7] is not ((byte)'0' or (byte)'1') || line[8] != ' ') return false;
        if (!HttpChars.IsDigit(line[9]) || !HttpChars.IsDigit(line[10]) || !HttpChars.IsDigit(line[11])) return false;
        if (line.Length > 12 && line[12] != ' ') return false;

        head.Version = line[7] == '0' ? HttpVersion.Http10 : HttpVersion.Http11;
        head.Status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
        if (line.Length > 13) head.UseReason(new(13, line.Length - 13));
        return head.Status is >= 100 and <= 999 && !line.ContainsAny(HttpChars.BadValueBytes);
    }
}
