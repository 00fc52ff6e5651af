using System.Text;

namespace Mesh.Http.Hpack;

/// <summary>RFC 7541 appendix A.</summary>
internal static class StaticTable
{
    public const int Count = 61;

    private static readonly (string Name, string Value)[] Rows =
    [
        ("", ""), // indices begin at 1
        (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"), (":scheme", "http"), (":scheme", "https"),
        (":status", "200"), (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"),
        ("accept-charset", ""), ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
        ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""), ("content-disposition", ""),
        ("content-encoding", ""), ("content-language", ""), ("content-length", ""), ("content-location", ""), ("content-range", ""), ("content-type", ""),
        ("cookie", ""), ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
        ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""), ("max-forwards", ""),
        ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""), ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""),
        ("set-cookie", ""), ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""), ("www-authenticate", ""),
    ];

    private static readonly byte[][] Values = Array.ConvertAll(Rows, row => Encoding.ASCII.GetBytes(row.Value));
    private static readonly byte[] Tokens = Array.ConvertAll(Rows, row => FieldToken.Find(Encoding.ASCII.GetBytes(row.Name)));
    private static readonly byte[] NameIndices = BuildNameIndices();

    public static byte Token(int index) => Tokens[index];

    public static ReadOnlySpan<byte> Value(int index) => Values[index];

    /// <summary>The first entry with the name; 0 when there is none.</summary>
    public static int NameIndex(byte token) => NameIndices[token];

    private static byte[] BuildNameIndices()
    {
        var indices = new byte[256];
        for (var index = Count; index >= 1; index--) indices[Tokens[index]] = (byte)index;
        return indices;
    }
}
