using System.Runtime.CompilerServices;

namespace Mesh.Http.H1;

/// <summary>Field lines as they are read: ordinary ones go to the Headers, those that steer this hop are noted here and go nowhere.</summary>
internal struct FieldScan
{
    private const int ConnectionLinesMax = 8;

    public Slice Target;
    public Slice Host;
    public int HostLines;
    public Slice Length;
    public int LengthLines;
    public Slice Encoding;
    public int EncodingLines;
    public Slice Upgrade;
    public int ConnectionLines;
    public ConnectionSlices Connection;
    public bool TeTrailers;
    public bool ExpectsContinue;
    private int _lines;

    /// <param name="line">Without its CRLF.</param>
    /// <param name="at">Where the line begins, counted from the start line.</param>
    public ProtocolError AddField(ReadOnlySpan<byte> line, int at, Headers headers, HttpLimits limits)
    {
        if (line[0] is (byte)' ' or (byte)'\t') return H1Errors.FoldedField;

        var colon = line.IndexOf((byte)':');
        if (colon <= 0) return H1Errors.BadFieldName;

        var name = line[..colon];
        if (name.ContainsAnyExcept(HttpChars.TokenBytes)) return name.ContainsAny(HttpChars.BadValueBytes) ? H1Errors.ControlInFieldName : H1Errors.BadFieldName;
        if (colon > limits.FieldNameBytesMax) return H1Errors.FieldNameTooLong;
        if (limits.RefuseUnderscores && name.Contains((byte)'_')) return H1Errors.Underscore;
        if (++_lines > limits.FieldCountMax) return H1Errors.TooManyFields;

        var value = line[(colon + 1)..];
        if (value.ContainsAny(HttpChars.BadValueBytes)) return H1Errors.BadFieldValue;

        var start = colon + 1;
        var end = line.Length;
        while (start < end && line[start] is (byte)' ' or (byte)'\t') start++;
        while (end > start && line[end - 1] is (byte)' ' or (byte)'\t') end--;

        var id = KnownHeaders.Find(name);
        if (IsHopByHop(id) && Note(id, line[start..end], new(at + start, end - start))) return default;

        var isCanonical = start == colon + 2 && end == line.Length && line[colon + 1] == ' ' && end > start;
        headers.AddField(new(at, colon, at + start, end - start, id, isCanonical ? Headers.FieldFlags.Canonical : Headers.FieldFlags.None));
        return default;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsHopByHop(KnownHeader id) => id is >= KnownHeader.Host and <= KnownHeader.Expect;

    /// <returns>False when the field goes on to the next hop all the same.</returns>
    private bool Note(KnownHeader id, ReadOnlySpan<byte> value, Slice slice)
    {
        switch (id)
        {
            case KnownHeader.Host:
                if (HostLines++ == 0) Host = slice;
                return false; // joined or taken out at the end of the head
            case KnownHeader.ContentLength:
                LengthLines++;
                Length = slice;
                return false;
            case KnownHeader.TransferEncoding:
                EncodingLines++;
                Encoding = slice;
                return true;
            case KnownHeader.Connection:
                if (ConnectionLines < ConnectionLinesMax) Connection[ConnectionLines] = slice;
                ConnectionLines++;
                return true;
            case KnownHeader.Te:
                TeTrailers |= HttpChars.ListHas(value, "trailers"u8);
                return true;
            case KnownHeader.Upgrade:
                Upgrade = slice;
                return true;
            case KnownHeader.Expect:
                if (!System.Text.Ascii.EqualsIgnoreCase(value, "100-continue"u8)) return false;

                ExpectsContinue = true;
                return true;
            case KnownHeader.KeepAlive or KnownHeader.ProxyConnection or KnownHeader.Http2Settings:
                return true;
            default:
                return false; // Trailer: announces end-to-end trailers
        }
    }

    [InlineArray(ConnectionLinesMax)]
    internal struct ConnectionSlices
    {
        private Slice _element;
    }
}
