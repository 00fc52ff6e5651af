namespace Mesh.Http.H1;

/// <summary>What the Connection field asks of this hop (RFC 9110 §7.6.1): persistence, upgrade, and which fields go no further.</summary>
internal static class HopByHop
{
    public readonly record struct Wishes(bool Close, bool KeepAlive, bool Upgrade, bool NamesEnds = false);

    public static Wishes Apply(in FieldScan scan, Headers headers)
    {
        var wishes = new Wishes(Close: scan.ConnectionLines > 8, false, false); // absurd: obey none, end the connection
        for (var line = 0; line < Math.Min(scan.ConnectionLines, 8); line++)
        {
            var slice = scan.Connection[line];
            var list = headers.Bytes(slice.Offset, slice.Length);
            while (HttpChars.TryNextElement(ref list, out var option))
            {
                if (Is(option, "close"u8)) wishes = wishes with { Close = true };
                else if (Is(option, "keep-alive"u8)) wishes = wishes with { KeepAlive = true };
                else if (Is(option, "upgrade"u8)) wishes = wishes with { Upgrade = true };
                else if (MayBeNominated(option)) headers.Remove(option);
                else if (KnownHeaders.Find(option) is KnownHeader.Host or (>= KnownHeader.XForwardedFor and <= KnownHeader.XForwardedHost)) wishes = wishes with { NamesEnds = true };
            }
        }

        return wishes;
    }

    // A client must not have the proxy drop what later hops rely on (framing, identity, trust): such nominations are passed over.
    private static bool MayBeNominated(ReadOnlySpan<byte> option) => KnownHeaders.Find(option) switch
    {
        KnownHeader.Host or KnownHeader.ContentLength or KnownHeader.TransferEncoding or KnownHeader.Trailer or KnownHeader.Expect => false,
        KnownHeader.Authorization or KnownHeader.Cookie or KnownHeader.SetCookie or KnownHeader.XRequestId => false,
        >= KnownHeader.XForwardedFor and <= KnownHeader.XEnvoyUpstreamAltStatName => false,
        _ => true,
    };

    private static bool Is(ReadOnlySpan<byte> option, ReadOnlySpan<byte> word) => System.Text.Ascii.EqualsIgnoreCase(option, word);
}
