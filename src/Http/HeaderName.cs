using System.Text;

namespace Mesh.Http;

/// <summary>A field name prepared once, when configuration is read, so that the data path compares ids or bytes and never strings.</summary>
public sealed class HeaderName
{
    private readonly byte[] _bytes;

    private HeaderName(byte[] bytes)
    {
        _bytes = bytes;
        Known = KnownHeaders.Find(bytes);
    }

    public KnownHeader Known { get; }

    /// <summary>Lower case.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <returns>Null when the text is not a token of RFC 9110 §5.1: the caller says which setting holds it.</returns>
    public static HeaderName? TryParse(string text)
    {
        if (text.Length == 0 || !Ascii.IsValid(text)) return null;

        var bytes = Encoding.ASCII.GetBytes(text);
        if (!HttpChars.IsToken(bytes)) return null;

        for (var i = 0; i < bytes.Length; i++) bytes[i] = HttpChars.ToLower(bytes[i]);
        return new(bytes);
    }

    public override string ToString() => Encoding.ASCII.GetString(_bytes);
}
