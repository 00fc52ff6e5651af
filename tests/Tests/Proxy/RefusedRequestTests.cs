using System.Text;
using Mesh.Net;
using Mesh.Tests.Http;

namespace Mesh.Tests.Proxy;

/// <summary>
/// The catalogue of smuggling vectors and its variants through the whole proxy: what the parser refuses never becomes a complete request at a server, whatever lies
/// behind the break, and the caller is told so.
/// </summary>
public sealed class RefusedRequestTests
{
    public static TheoryData<string> Names => [.. Refused.Keys];

    private static Dictionary<string, (byte[] Bytes, int Status)> Refused { get; } = Catalogue()
        .Where(entry => entry.Expected.StartsWith("error ", StringComparison.Ordinal))
        .ToDictionary(entry => entry.Name, entry => (entry.Bytes, int.Parse(entry.Expected.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture)));

    [Theory, MemberData(nameof(Names))]
    public void What_the_parser_refuses_reaches_no_server(string name)
    {
        var (bytes, status) = Refused[name];
        using var rig = new ProxyRig(isGateway: true);
        var seen = new List<string>();
        rig.Server(wire => ServeAsync(wire, seen));
        rig.Serve();
        var answer = "";

        rig.Run(async () =>
        {
            var wire = await rig.ConnectAsync();
            await wire.Connection.WriteAsync(bytes, Deadline.Never);
            answer = await wire.ReadResponseAsync();
            wire.Connection.Close();
        });

        Assert.StartsWith($"HTTP/1.1 {status} ", answer);
        Assert.DoesNotContain(seen, request => !request.Contains("unfinished", StringComparison.Ordinal) && !request.Contains("incomplete", StringComparison.Ordinal));
    }

    private static IEnumerable<(string Name, byte[] Bytes, string Expected)> Catalogue() =>
        SmugglingTests.Vectors.Select(row => (row.Data.Item1, H1Probe.Bytes(row.Data.Item2), row.Data.Item3)).Concat(FramingVariantTests.All);

    // Answers as soon as a request is complete, and keeps what it made of the bytes that came.
    private static async ValueTask ServeAsync(Wire wire, List<string> seen)
    {
        var bytes = new StringBuilder();
        while (await wire.Connection.FillAsync(Deadline.Never) == IoStatus.Ok)
        {
            bytes.Append(H1Probe.Text(wire.Connection.Input.Span));
            wire.Connection.Input.Consume(wire.Connection.Input.Length);
            var read = H1Probe.ReadRequests(H1Probe.Bytes(bytes.ToString()));
            seen.Clear();
            seen.AddRange(read.Split('\n', StringSplitOptions.RemoveEmptyEntries));
            if (seen.Count > 0 && !read.Contains("incomplete", StringComparison.Ordinal)) await wire.WriteAsync("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    }
}
