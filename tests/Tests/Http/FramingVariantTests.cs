using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Mesh.Tests.Tidy;

namespace Mesh.Tests.Http;

/// <summary>
/// Variants of the framing catalogue, one a line of framing-variants.tsv: what it is, its bytes (⏎ is CRLF, \xNN a byte, \\ a backslash; other letters as UTF-8), what the
/// connection comes to (¶ between messages). `tests/Origins` sends the same lines through a whole proxy.
/// </summary>
public sealed partial class FramingVariantTests
{
    public static TheoryData<string> Names => [.. Lines.Select(line => line[0])];

    /// <summary>Name, bytes, and what the connection comes to.</summary>
    internal static IEnumerable<(string Name, byte[] Bytes, string Expected)> All => Lines.Select(line => (line[0], BytesOf(line[1]), line[2]));

    private static List<string[]> Lines { get; } =
        [.. File.ReadLines(Path.Combine(Source.Root, "tests/Tests/Http/framing-variants.tsv")).Select(line => line.Split('\t'))];

    [Theory, MemberData(nameof(Names))]
    public void A_variant_comes_to_what_its_line_says(string name)
    {
        var line = Lines.Single(line => line[0] == name);
        var bytes = BytesOf(line[1]);

        var whole = H1Probe.ReadRequests(bytes);

        Assert.Equal(line[2].Replace("¶", "\n") + "\n", whole);
        foreach (var piece in new[] { 1, 2, 3, 7 }) Assert.Equal(whole, H1Probe.ReadRequests(bytes, piece));
    }

    private static byte[] BytesOf(string text) =>
        [.. Escapes().Split(text).SelectMany(part => part switch
        {
            "⏎" => "\r\n"u8.ToArray(),
            "\\\\" => "\\"u8.ToArray(),
            "\\t" => "\t"u8.ToArray(),
            ['\\', 'x', ..] => [byte.Parse(part.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture)],
            _ => Encoding.UTF8.GetBytes(part),
        })];

    [GeneratedRegex(@"(⏎|\\\\|\\t|\\x[0-9a-f]{2})")]
    private static partial Regex Escapes();
}
