namespace Mesh.Http.Hpack;

/// <summary>What a name is, in one byte: a KnownHeader's id, or one of these.</summary>
internal static class FieldToken
{
    public const byte Other = 0;
    public const byte Method = 240;
    public const byte Scheme = 241;
    public const byte Authority = 242;
    public const byte Path = 243;
    public const byte Protocol = 244;
    public const byte Status = 245;

    /// <summary>A pseudo-header that no version of HTTP defines.</summary>
    public const byte UnknownPseudo = 250;

    /// <summary>A name that is no lower-case token: the message is malformed, the table goes on.</summary>
    public const byte Bad = 251;

    public static bool IsPseudo(byte token) => token is >= Method and <= UnknownPseudo;

    public static byte Find(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty) return Bad;
        if (name[0] == ':') return FindPseudo(name);
        if (name.ContainsAnyExcept(HttpChars.LowerTokenBytes)) return Bad;

        return (byte)KnownHeaders.Find(name);
    }

    public static ReadOnlySpan<byte> Name(byte token) => token switch
    {
        Method => ":method"u8,
        Scheme => ":scheme"u8,
        Authority => ":authority"u8,
        Path => ":path"u8,
        Protocol => ":protocol"u8,
        Status => ":status"u8,
        _ => KnownHeaders.Name((KnownHeader)token),
    };

    private static byte FindPseudo(ReadOnlySpan<byte> name) => name.Length switch
    {
        5 when name.SequenceEqual(":path"u8) => Path,
        7 when name.SequenceEqual(":method"u8) => Method,
        7 when name.SequenceEqual(":scheme"u8) => Scheme,
        7 when name.SequenceEqual(":status"u8) => Status,
        9 when name.SequenceEqual(":protocol"u8) => Protocol,
        10 when name.SequenceEqual(":authority"u8) => Authority,
        _ => UnknownPseudo,
    };
}
