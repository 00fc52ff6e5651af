using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Cli.Output;

namespace Mesh.Cli.Demo;

/// <summary>What the demo shows: a table a second for people, one JSON object at the end for scripts.</summary>
internal static class LiveTable
{
    public static string Rows(EdgeStats now, EdgeStats before, ConfiguredSplit configured)
    {
        var table = new Table(gap: 2).Add("SOURCE", "DESTINATION", "VERSION", "RPS", "SUCCESS", "P50", "P99", "MTLS", "SPLIT (WANTED)", "IDENTITIES");
        foreach (var edge in now.Edges)
        {
            var earlier = before.Find(edge.Key);
            var requests = edge.Requests - (earlier?.Requests ?? 0);
            var failures = edge.Failures - (earlier?.Failures ?? 0);
            var toService = now.Edges.Where(e => e.Key.Source == edge.Key.Source && e.Key.Destination == edge.Key.Destination)
                .Sum(e => e.Requests - (before.Find(e.Key)?.Requests ?? 0));
            table.Add(
                edge.Key.Source, edge.Key.Destination, edge.Key.Version,
                Number(requests, "0.0"),
                requests > 0 ? Number(100 * (requests - failures) / requests, "0.00") + "%" : "-",
                Milliseconds(edge.PercentileMs(0.50)), Milliseconds(edge.PercentileMs(0.99)),
                edge.IsMutualTls ? "yes" : "NO",
                Split(toService > 0 ? 100 * requests / toService : null, configured.Percent(edge.Key.Destination, edge.Key.Version)),
                $"{Short(edge.SourceIdentity)} -> {Short(edge.DestinationIdentity)}");
        }
        using var text = new StringWriter();
        table.Write(text);
        return text.ToString();
    }

    /// <param name="sent">Requests sent to the gateway, and how many of them had no answer or one of 5xx.</param>
    public static string Json(EdgeStats stats, double readyMs, long sent, long failed)
    {
        var edges = new JsonArray();
        foreach (var edge in stats.Edges)
            edges.Add((JsonNode)new JsonObject
            {
                ["source"] = edge.Key.Source,
                ["destination"] = edge.Key.Destination,
                ["version"] = edge.Key.Version,
                ["requests"] = (long)edge.Requests,
                ["failures"] = (long)edge.Failures,
                ["p50Ms"] = Rounded(edge.PercentileMs(0.50)),
                ["p99Ms"] = Rounded(edge.PercentileMs(0.99)),
                ["mtls"] = edge.IsMutualTls,
                ["sourceIdentity"] = edge.SourceIdentity,
                ["destinationIdentity"] = edge.DestinationIdentity,
            });
        using var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes, new JsonWriterOptions { Indented = true }))
            new JsonObject { ["readyMs"] = Math.Round(readyMs), ["sent"] = sent, ["failed"] = failed, ["edges"] = edges }.WriteTo(writer);
        return System.Text.Encoding.UTF8.GetString(bytes.ToArray());
    }

    private static string Split(double? observed, double? wanted) => (observed, wanted) switch
    {
        (null, _) => "-",
        ({ } seen, null) => Number(seen, "0") + "%",
        ({ } seen, { } asked) => $"{Number(seen, "0")}% ({Number(asked, "0")}%)",
    };

    private static JsonNode? Rounded(double? ms) => ms is { } value ? Math.Round(value, 2) : null;
    private static string Milliseconds(double? ms) => ms is { } value ? Number(value, "0.0") + "ms" : "-";
    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
    private static string Short(string identity) => identity.Length == 0 ? "?" : identity.Replace("spiffe://cluster.local/", "", StringComparison.Ordinal);
}
