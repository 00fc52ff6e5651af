using System.Buffers.Binary;
using System.Text;

namespace Mesh.Net.Tls;

/// <summary>
/// What a client says first, read from its first bytes without answering: the server name, the protocols and versions it offers.
/// Pure; consumes nothing; never throws.
/// </summary>
public sealed record ClientHello(string? ServerName, IReadOnlyList<string> Alpn, IReadOnlyList<TlsVersion> Versions)
{
    /// <summary>A hello longer than this is refused: ours are 300 to 2,000 bytes, with post-quantum shares.</summary>
    public const int BytesMax = 16 * 1024;

    private const byte HandshakeRecord = 22, HelloMessage = 1;
    private const int RecordHeaderBytes = 5, MessageHeaderBytes = 4, RandomBytes = 32, RecordBytesMax = 16 * 1024;
    private const int ServerNameExtension = 0, AlpnExtension = 16, VersionsExtension = 43;
    private const int ServerNameBytesMax = 255, ListedMax = 32;

    /// <summary>Could these first bytes be TLS? One byte is enough to say no, three to say yes.</summary>
    public static HelloVerdict Looks(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty) return HelloVerdict.NeedMore;
        if (input[0] != HandshakeRecord || (input.Length > 1 && input[1] != 3)) return HelloVerdict.NotTls;
        return input.Length < 3 ? HelloVerdict.NeedMore : HelloVerdict.Hello;
    }

    /// <summary>Reads the whole hello, which may be spread over several records.</summary>
    /// <returns>NeedMore: read on and ask again. NotTls and Malformed are final.</returns>
    public static HelloVerdict TryRead(ReadOnlySpan<byte> input, out ClientHello? hello)
    {
        hello = null;
        if (Looks(input) is not HelloVerdict.Hello and var early) return early;

        // Nearly always one record holds it all, and nothing is copied.
        var first = Record(input, out var rest, out var verdict);
        if (verdict != HelloVerdict.Hello) return verdict;
        var length = MessageLength(first);
        if (first[0] != HelloMessage || length > BytesMax) return HelloVerdict.Malformed;
        if (length >= 0 && first.Length >= MessageHeaderBytes + length) return ReadMessage(first.Slice(MessageHeaderBytes, length), out hello);

        return ReadScattered(first, rest, out hello);
    }

    private static HelloVerdict ReadScattered(ReadOnlySpan<byte> first, ReadOnlySpan<byte> rest, out ClientHello? hello)
    {
        hello = null;
        var message = new byte[first.Length + rest.Length];
        first.CopyTo(message);
        var filled = first.Length;
        while (true)
        {
            var length = MessageLength(message.AsSpan(0, filled));
            if (length > BytesMax) return HelloVerdict.Malformed;
            if (length >= 0 && filled >= MessageHeaderBytes + length) return ReadMessage(message.AsSpan(MessageHeaderBytes, length), out hello);

            var piece = Record(rest, out rest, out var verdict);
            if (verdict != HelloVerdict.Hello) return verdict;

            piece.CopyTo(message.AsSpan(filled));
            filled += piece.Length;
        }
    }

    private static ReadOnlySpan<byte> Record(ReadOnlySpan<byte> input, out ReadOnlySpan<byte> rest, out HelloVerdict verdict)
    {
        rest = default;
        if (input.Length > 0 && (input[0] != HandshakeRecord || (input.Length > 1 && input[1] != 3)))
        {
            verdict = HelloVerdict.Malformed;
            return default;
        }

        verdict = HelloVerdict.NeedMore;
        if (input.Length < RecordHeaderBytes) return default;

        // An empty record carries nothing and could be repeated without end (RFC 8446 §5.1 forbids it).
        int length = BinaryPrimitives.ReadUInt16BigEndian(input[3..]);
        if (length is 0 or > RecordBytesMax)
        {
            verdict = HelloVerdict.Malformed;
            return default;
        }

        if (input.Length < RecordHeaderBytes + length) return default;

        verdict = HelloVerdict.Hello;
        rest = input[(RecordHeaderBytes + length)..];
        return input.Slice(RecordHeaderBytes, length);
    }

    /// <returns>-1 when its header is not all there.</returns>
    private static int MessageLength(ReadOnlySpan<byte> message)
    {
        if (message.Length < MessageHeaderBytes) return -1;
        return message[1] << 16 | message[2] << 8 | message[3];
    }

    private static HelloVerdict ReadMessage(ReadOnlySpan<byte> body, out ClientHello? hello)
    {
        hello = null;
        var reader = new Reader(body);
        if (!reader.TryUInt16(out var legacyVersion) || !reader.TrySkip(RandomBytes)
            || !reader.TryVector8(out _) || !reader.TryVector16(out var suites) || suites.IsEmpty || !reader.TryVector8(out _))
            return HelloVerdict.Malformed;

        string? serverName = null;
        var alpn = new List<string>();
        var versions = new List<TlsVersion>();
        if (!reader.IsAtEnd)
        {
            if (!reader.TryVector16(out var extensions) || !reader.IsAtEnd) return HelloVerdict.Malformed;
            if (!TryReadExtensions(extensions, ref serverName, alpn, versions)) return HelloVerdict.Malformed;
        }

        if (versions.Count == 0) versions.Add((TlsVersion)legacyVersion);
        hello = new(serverName, alpn, versions);
        return HelloVerdict.Hello;
    }

    private static bool TryReadExtensions(ReadOnlySpan<byte> extensions, ref string? serverName, List<string> alpn, List<TlsVersion> versions)
    {
        var reader = new Reader(extensions);
        while (!reader.IsAtEnd)
        {
            if (!reader.TryUInt16(out var type) || !reader.TryVector16(out var value)) return false;

            var isGood = type switch
            {
                ServerNameExtension => serverName is null && TryReadServerName(value, out serverName),
                AlpnExtension => alpn.Count == 0 && TryReadAlpn(value, alpn),
                VersionsExtension => versions.Count == 0 && TryReadVersions(value, versions),
                _ => true,
            };
            if (!isGood) return false;
        }

        return true;
    }

    private static bool TryReadServerName(ReadOnlySpan<byte> value, out string? name)
    {
        name = null;
        var reader = new Reader(value);
        if (!reader.TryVector16(out var list) || !reader.IsAtEnd) return false;

        var names = new Reader(list);
        if (!names.TryUInt8(out var kind) || !names.TryVector16(out var text)) return false;
        if (kind != 0 || text.IsEmpty || text.Length > ServerNameBytesMax || text.IndexOfAnyExceptInRange((byte)'!', (byte)'~') >= 0) return false;

        name = Encoding.ASCII.GetString(text);
        return true;
    }

    private static bool TryReadAlpn(ReadOnlySpan<byte> value, List<string> alpn)
    {
        var reader = new Reader(value);
        if (!reader.TryVector16(out var list) || !reader.IsAtEnd) return false;

        var names = new Reader(list);
        while (!names.IsAtEnd)
        {
            if (!names.TryVector8(out var name) || name.IsEmpty) return false;
            if (alpn.Count < ListedMax) alpn.Add(Encoding.Latin1.GetString(name));
        }

        return alpn.Count > 0;
    }

    private static bool TryReadVersions(ReadOnlySpan<byte> value, List<TlsVersion> versions)
    {
        var reader = new Reader(value);
        if (!reader.TryVector8(out var list) || !reader.IsAtEnd || list.Length % 2 != 0) return false;

        for (; !list.IsEmpty; list = list[2..])
        {
            // Greased values are there to be ignored.
            var version = (TlsVersion)BinaryPrimitives.ReadUInt16BigEndian(list);
            if (Enum.IsDefined(version) && versions.Count < ListedMax) versions.Add(version);
        }

        return true;
    }

    private ref struct Reader(ReadOnlySpan<byte> rest)
    {
        private ReadOnlySpan<byte> _rest = rest;

        public readonly bool IsAtEnd => _rest.IsEmpty;

        public bool TrySkip(int count)
        {
            if (_rest.Length < count) return false;

            _rest = _rest[count..];
            return true;
        }

        public bool TryUInt8(out int value)
        {
            value = _rest.IsEmpty ? 0 : _rest[0];
            return TrySkip(1);
        }

        public bool TryUInt16(out int value)
        {
            value = _rest.Length < 2 ? 0 : BinaryPrimitives.ReadUInt16BigEndian(_rest);
            return TrySkip(2);
        }

        public bool TryVector8(out ReadOnlySpan<byte> value) => TryUInt8(out var length) ? TryTake(length, out value) : TryTake(int.MaxValue, out value);

        public bool TryVector16(out ReadOnlySpan<byte> value) => TryUInt16(out var length) ? TryTake(length, out value) : TryTake(int.MaxValue, out value);

        private bool TryTake(int length, out ReadOnlySpan<byte> value)
        {
            value = length <= _rest.Length ? _rest[..length] : default;
            return TrySkip(length);
        }
    }
}

/// <summary>What the first bytes of a connection are.</summary>
public enum HelloVerdict
{
    /// <summary>Too few bytes to say.</summary>
    NeedMore,

    /// <summary>A ClientHello.</summary>
    Hello,

    /// <summary>Something else: plain text, or another protocol.</summary>
    NotTls,

    /// <summary>It began like TLS and is broken, or longer than <see cref="ClientHello.BytesMax"/>.</summary>
    Malformed,
}
