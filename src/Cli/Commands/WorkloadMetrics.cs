using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Cli.Frame;
using Mesh.Injector;
using Mesh.Kube;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl x metrics</c>: requests, errors and latencies of workloads as the cluster's Prometheus has them. Without one, `meshctl stat` tells the like.</summary>
internal static class WorkloadMetrics
{
    private const int PrometheusPort = 9090;

    public static Command Command { get; } = new("metrics", "Prints the metrics for the specified workload(s) when running in Kubernetes.")
    {
        Aliases = ["m"],
        Arguments = "<workload name>...",
        Example = "meshctl x metrics productpage-v1\nmeshctl x metrics productpage-v1.foo reviews-v1.bar -d 2m",
        Flags = [Flag.Duration("duration", "over which time rates and latencies are taken", "1m", 'd')],
        Run = RunAsync,
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        if (invocation.Arguments.Count == 0)
        {
            Help.Write(invocation.Command, invocation.Path, invocation.Error);
            return Outcome.Failed("metrics requires workload name");
        }
        if (ClusterAccess.Open(invocation, out var problem) is not { } cluster) return problem;

        using var api = cluster;
        var space = invocation.Text("istioNamespace");
        var pods = await api.ListAsync(KubeKinds.Pod, space, "labelSelector=app.kubernetes.io%2Fname%3Dprometheus", cancel);
        if (!pods.IsFine) return Outcome.Failed($"not able to locate Prometheus pod: {pods}");
        if (pods.Body.At("items").Objects().FirstOrDefault() is not { } prometheus) return Outcome.Failed("no Prometheus pods found\n`meshctl stat` tells the like from the proxies themselves.");

        var query = $"/api/v1/namespaces/{space}/pods/{prometheus.At("metadata", "name").Text()}:{PrometheusPort}/proxy/api/v1/query?query=";
        await invocation.Out.WriteLineAsync(Row("WORKLOAD", "TOTAL RPS", "ERROR RPS", "P50 LATENCY", "P90 LATENCY", "P99 LATENCY"));
        foreach (var workload in invocation.Arguments)
        {
            var values = new List<double>();
            foreach (var question in Questions(workload, invocation.Text("duration")))
            {
                var answer = await api.SendAsync(HttpMethod.Get, query + Uri.EscapeDataString(question), null, null, cancel);
                if (!answer.IsFine || answer.Body.At("status").Text() != "success") return Outcome.Failed($"could not build metrics for workload '{workload}': {(answer.IsFine ? answer.Body.At("error").Text() : answer.ToString())}");
                values.Add(Value(answer.Body!));
            }
            await invocation.Out.WriteLineAsync(Row([workload, .. values.Take(2).Select(rate => rate.ToString("F3", CultureInfo.InvariantCulture)), .. values.Skip(2).Select(Latency)]));
        }
        return Outcome.Fine;
    }

    /// <summary>Total and failed requests per second, then the three latencies in milliseconds; all as the called side reports them.</summary>
    internal static IEnumerable<string> Questions(string workload, string duration)
    {
        var dot = workload.IndexOf('.', StringComparison.Ordinal);
        var (name, space) = dot < 0 ? (workload, "") : (workload[..dot], workload[(dot + 1)..]);
        var who = $"destination_workload=~\"{name}.*\", destination_workload_namespace=~\"{space}.*\",reporter=\"destination\"";
        yield return $"sum(rate(istio_requests_total{{{who}}}[{duration}]))";
        yield return $"sum(rate(istio_requests_total{{{who},response_code=~\"[45][0-9]{{2}}\"}}[{duration}]))";
        foreach (var quantile in (string[])["0.500000", "0.900000", "0.990000"])
            yield return $"histogram_quantile({quantile}, sum(rate(istio_request_duration_milliseconds_bucket{{{who}}}[{duration}])) by (le))";
    }

    private static double Value(JsonObject answer) => answer.At("data", "result") is JsonArray { Count: > 0 } results && results[0].At("value") is JsonArray { Count: 2 } pair
        && double.TryParse(pair[1].Text(), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value) ? value : 0;

    /// <summary>Whole milliseconds, in Go's way of writing a duration.</summary>
    private static string Latency(double milliseconds) => (long)milliseconds switch
    {
        0 => "0s",
        < 1000 and var whole => $"{whole}ms",
        var whole => string.Create(CultureInfo.InvariantCulture, $"{whole / 1000.0:0.###}s"),
    };

    /// <summary>Right-aligned, the first of 40 columns: rows are written one by one, as their answers come.</summary>
    private static string Row(params string[] cells) =>
        string.Concat(cells.Select((cell, i) => i == 0 ? "  " + cell.PadLeft(40) : cell.PadLeft(Math.Max(13, cell.Length + 2))));
}
