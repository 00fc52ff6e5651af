namespace Mesh.Http.H1;

/// <summary>Makes a ResponseHead of a scanned head: status line, persistence, framing.</summary>
internal static class H1Response
{
    public static ProtocolError Finish(ResponseHead head, ref FieldScan scan, int start, ReadOnlySpan<byte> input, ResponseContext asked)
    {
        head.UseReason(default);
        head.UseProtocol(default);
        var line = input.Slice(start, scan.StartLineLength);
        if (!ReadStatusLine(head, line)) return H1Errors.BadStatusLine;

        var wishes = HopByHop.Apply(scan, head.Headers);
        head.Headers.Remove(KnownHeader.Host);
        var error = H1Framing.OfResponse(scan, head, asked);
        if (!error.IsNone) return error;

        if (head.Status == 101) head.UseProtocol(scan.Upgrade);
        head.KeepAlive = !wishes.Close && head.Body.Kind is not (BodyKind.UntilClose or BodyKind.Tunnel)
            && (head.Version == HttpVersion.Http11 || wishes.KeepAlive);
        return default;
    }

    private static bool ReadStatusLine(ResponseHead head, ReadOnlySpan<byte> line)
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
