using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Cli.Control;
using Mesh.Cli.Frame;
using Mesh.Cli.Output;
using Mesh.Cli.ProxyConfig;

namespace Mesh.Cli.Commands;

/// <summary><c>stat</c>, <c>edges</c>, <c>tap</c>, <c>top</c>: the live traffic that the control plane keeps; none needs Prometheus.</summary>
internal static class Traffic
{
    private static readonly Flag Output = Flag.Text("output", "table or json", 'o', "table") with { Check = v => v is "table" or "json" ? null : "must be table or json" };
    private static readonly Flag Window = Flag.Duration("time-window", "how far to look back, 15m at most", "1m", 't');

    private static readonly Flag Method = Flag.Text("method", "only this method"), Path = Flag.Text("path", "only paths that begin with this"), Authority = Flag.Text("authority", "only this authority");
    private static readonly Flag Status = Flag.Text("status", "only this status, or a class: 503, 5xx") with
    {
        Check = value => value is "" or [>= '1' and <= '5', 'x', 'x'] or [>= '1' and <= '5', >= '0' and <= '9', >= '0' and <= '9'] ? null : "must be a status (503) or a class (5xx)",
    };

    /// <summary>A tap that shows nothing for so long says what it waits for.</summary>
    private static readonly TimeSpan QuietMax = TimeSpan.FromSeconds(5);

    public static Command Stat { get; } = new("stat", "Success rate, requests a second and latencies of workloads, services or namespaces")
    {
        Arguments = "[deploy|svc|ns][/NAME]",
        Example = "meshctl stat deploy -n demo\nmeshctl stat svc/backend.demo -t 5m",
        Flags = [Output, Window, Flag.Text("from", "only what this workload called"), Flag.Text("to", "only calls to this workload"), ControlPlaneClient.Address],
        Run = (invocation, cancel) => WithAsync(invocation, client => StatAsync(invocation, client, cancel)),
    };

    public static Command Edges { get; } = new("edges", "Who calls whom, and whether mutual TLS proves it")
    {
        Arguments = "[NAME]",
        Flags = [Output, Window, ControlPlaneClient.Address],
        Run = (invocation, cancel) => WithAsync(invocation, client => EdgesAsync(invocation, client, cancel)),
    };

    public static Command Tap { get; } = new("tap", "Requests as they happen: route, endpoint, identities, policy, and why one failed")
    {
        Arguments = "[[type/]WORKLOAD[.NAMESPACE]]",
        Example = "meshctl tap frontend-v1.demo --path /api --status 5xx\nmeshctl tap --to backend -o json --limit 10",
        Flags =
        [
            Output, Flag.Text("from", "only requests of this workload"), Flag.Text("to", "only requests to this workload or service"), Method, Path, Authority, Status,
            Flag.Number("limit", "stop after so many requests; 0 goes on"), Flag.Number("max-rps", "show at most so many a second; 0 shows what comes", 100), ControlPlaneClient.Address,
        ],
        Run = (invocation, cancel) => WithAsync(invocation, client => TapAsync(invocation, client, cancel)),
    };

    public static Command Top { get; } = new("top", "The busiest paths right now")
    {
        Arguments = "[[type/]WORKLOAD[.NAMESPACE]]",
        Flags = [Flag.Text("from", "only requests of this workload"), Flag.Text("to", "only requests to this workload or service"), Method, Path, Authority, Flag.Number("seconds", "stop after so many seconds; 0 goes on"), ControlPlaneClient.Address],
        Run = (invocation, cancel) => WithAsync(invocation, client => TopAsync(invocation, client, cancel)),
    };

    private static async Task<Outcome> WithAsync(Invocation invocation, Func<ControlPlaneClient, Task<Outcome>> run)
    {
        try
        {
            using var client = ControlPlaneClient.Connect(invocation);
            return await run(client);
        }
        catch (ControlPlaneException e)
        {
            return Outcome.Failed(e.Message);
        }
    }

    private static async Task<Outcome> StatAsync(Invocation invocation, ControlPlaneClient client, CancellationToken cancel)
    {
        var (kind, name) = invocation.First.Split('/') switch
        {
            [""] => ("deploy", ""),
            [var only] => (only, ""),
            [var first, var second, ..] => (first, second.Split('.')[0]),
            _ => ("deploy", ""),
        };
        if (kind is not ("deploy" or "deployment" or "deployments" or "po" or "pod" or "pods" or "svc" or "service" or "services" or "ns" or "namespace" or "namespaces"))
            return Outcome.Usage($"cannot tell about \"{kind}\": deploy, svc or ns");

        var rows = await client.GetAsync(Query("api/stat", ("kind", kind), ("name", name), ("namespace", invocation.Text("namespace")), ("from", invocation.Text("from")), ("to", invocation.Text("to")), ("window", Go(invocation))), cancel);
        if (IsJson(invocation)) return Print(invocation, rows);
        if (rows is JsonArray { Count: 0 }) return Nothing(invocation);

        var table = new Table(gap: 2).Add("NAME", "MESHED", "SUCCESS", "RPS", "LATENCY_P50", "LATENCY_P95", "LATENCY_P99", "TCP_CONN", "MTLS");
        foreach (var row in rows.Items())
            table.Add(row.Text("namespace") is { Length: > 0 } space ? $"{row.Text("name")}.{space}" : row.Text("name"), row.Text("meshed") == "true" ? "yes" : "no",
                Percent(row, "success"), $"{Number(row, "rps"):0.0}rps", Milliseconds(row, "p50Ms"), Milliseconds(row, "p95Ms"), Milliseconds(row, "p99Ms"), row.Text("tcpOpen"), Percent(row, "mtlsShare"));
        table.Write(invocation.Out);
        return Outcome.Fine;
    }

    private static async Task<Outcome> EdgesAsync(Invocation invocation, ControlPlaneClient client, CancellationToken cancel)
    {
        var edges = await client.GetAsync(Query("api/edges", ("window", Go(invocation))), cancel);
        var (name, space) = (invocation.First, invocation.Text("namespace"));
        var shown = edges.Items().Where(e => (name.Length == 0 || e.Text("source") == name || e.Text("destination") == name || e.Text("service") == name)
            && (space.Length == 0 || e.Text("sourceNamespace") == space || e.Text("destinationNamespace") == space)).ToList();
        if (IsJson(invocation)) return Print(invocation, new JsonArray([.. shown.Select(e => e.DeepClone())]));
        if (shown.Count == 0) return Nothing(invocation);

        var table = new Table(gap: 2).Add("SRC", "DST", "SRC_NS", "DST_NS", "SECURED", "IDENTITIES");
        foreach (var edge in shown)
        {
            var secured = edge.Text("mtls") == "true" ? "√" : "× no identity was proved: plain text, or the caller has no proxy";
            table.Add(edge.Text("source"), edge.Text("destination"), edge.Text("sourceNamespace"), edge.Text("destinationNamespace"), secured, $"{edge.Text("sourceIdentity")} -> {edge.Text("destinationIdentity")}");
        }
        table.Write(invocation.Out);
        var plain = shown.Count(e => e.Text("mtls") != "true");
        await invocation.Error.WriteLineAsync(plain == 0 ? $"{shown.Count} edges, all of them mutual TLS." : $"{shown.Count} edges, {plain} without mutual TLS -> meshctl describe svc NAME says which policy applies.");
        return Outcome.Fine;
    }

    private static async Task<Outcome> TapAsync(Invocation invocation, ControlPlaneClient client, CancellationToken cancel)
    {
        var time = invocation.Terminal.Time;
        var most = invocation.Number("max-rps");
        var (second, shown, held) = (time.GetTimestamp(), 0, 0);
        using var quiet = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var waiting = SayWhenQuietAsync(invocation, quiet.Token);
        try
        {
            await foreach (var record in client.LinesAsync(TapQuery(invocation, ("status", invocation.Text("status")), ("limit", invocation.Text("limit"))), cancel))
            {
                await quiet.CancelAsync();
                if (record.Text("missed") is { Length: > 0 } missed) await invocation.Error.WriteLineAsync($"({missed} requests were not shown: this terminal is slower than they come)");
                if (time.GetElapsedTime(second) >= TimeSpan.FromSeconds(1)) (second, shown) = (time.GetTimestamp(), 0);
                if (most > 0 && ++shown > most) held++;
                else await invocation.Out.WriteLineAsync(IsJson(invocation) ? record.ToJsonString() : Line(record));
            }
            if (!quiet.IsCancellationRequested) await SayNoneAsync(invocation);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Ctrl-C is how a tap ends.
        }
        await quiet.CancelAsync();
        await waiting;
        if (held > 0) await invocation.Error.WriteLineAsync($"({held} requests more than {most} a second were left out; --max-rps 0 shows all)");
        return Outcome.Fine;
    }

    private static async Task SayWhenQuietAsync(Invocation invocation, CancellationToken cancel)
    {
        try
        {
            await Task.Delay(QuietMax, invocation.Terminal.Time, cancel);
            await SayNoneAsync(invocation);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            return; // something came, or the tap is over
        }
    }

    private static Task SayNoneAsync(Invocation invocation)
    {
        var wanted = new List<string>();
        if (invocation.First.Length > 0) wanted.Add(invocation.First);
        foreach (var name in (string[])["namespace", "from", "to", "method", "path", "authority", "status"])
            if (invocation.Text(name) is { Length: > 0 } value) wanted.Add($"--{name} {value}");
        return invocation.Error.WriteLineAsync(wanted.Count == 0
            ? "no request was seen yet -> meshctl edges -t 15m says who called whom"
            : $"no request matched yet: {string.Join(" ", wanted)} -> meshctl edges -t 15m says who called whom");
    }

    private static async Task<Outcome> TopAsync(Invocation invocation, ControlPlaneClient client, CancellationToken cancel)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        if (invocation.Number("seconds") is > 0 and var seconds) end.CancelAfter(TimeSpan.FromSeconds(seconds));
        var rows = new Dictionary<(string, string, string, string), TopRow>();
        var time = invocation.Terminal.Time;
        var drawn = time.GetTimestamp();
        try
        {
            await foreach (var record in client.LinesAsync(TapQuery(invocation), end.Token))
            {
                var key = (record.Text("sourceWorkload"), record.Text("destinationWorkload"), record.Text("method"), record.Text("path"));
                if (rows.TryGetValue(key, out var row) || rows.Count < 1_000) rows[key] = (row ?? new()).With(record);
                if (time.GetElapsedTime(drawn) < TimeSpan.FromSeconds(1)) continue;

                Draw(invocation, rows);
                drawn = time.GetTimestamp();
            }
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // Its time is over, or Ctrl-C: what was counted is shown a last time.
        }
        Draw(invocation, rows);
        return Outcome.Fine;
    }

    private static void Draw(Invocation invocation, Dictionary<(string Source, string Destination, string Method, string Path), TopRow> rows)
    {
        var table = new Table(gap: 2).Add("Source", "Destination", "Method", "Path", "Count", "Best", "Worst", "Last", "Success Rate");
        foreach (var (key, row) in rows.OrderByDescending(r => r.Value.Count).Take(20))
            table.Add(key.Source, key.Destination, key.Method, key.Path, $"{row.Count}", $"{row.Best:0.0}ms", $"{row.Worst:0.0}ms", $"{row.Last:0.0}ms", $"{100.0 * row.Good / row.Count:0.00}%");
        if (invocation.Terminal.Width > 0) invocation.Out.Write("\e[H\e[2J");
        table.Write(invocation.Out);
    }

    private sealed record TopRow(int Count = 0, int Good = 0, double Best = double.MaxValue, double Worst = 0, double Last = 0)
    {
        public TopRow With(JsonNode record)
        {
            var (ms, status) = (Number(record, "latencyMs"), record.Number("status"));
            return new(Count + 1, Good + (status is > 0 and < 500 ? 1 : 0), Math.Min(Best, ms), Math.Max(Worst, ms), ms);
        }
    }

    /// <summary>One request in one line: who, what, how it ended and who decided.</summary>
    private static string Line(JsonNode r)
    {
        var text = $"{r.Text("time")} {r.Text("proxy")} {(r.Text("reporter") == "source" ? "out" : "in")} {Or(r.Text("sourceWorkload"), r.Text("source"))} -> {Or(r.Text("destinationWorkload"), r.Text("destinationService"))}"
            + $" {r.Text("method")} {r.Text("authority")}{r.Text("path")} {r.Text("status")} {Number(r, "latencyMs"):0.0}ms tls={(r.Text("mtls") == "true" ? "mutual" : "no")}";
        foreach (var (label, field) in new[] { ("route", "route"), ("cluster", "cluster"), ("endpoint", "endpoint"), ("policy", "policy") })
            if (r.Text(field) is { Length: > 0 } value && value != "-") text += $" {label}={value}";
        if (r.Number("attempts") > 1) text += $" attempts={r.Text("attempts")}";
        if (r.Text("flagsMeaning") is { Length: > 0 } meaning) text += $" flag={r.Text("flags")} ({meaning})";
        return text;
    }

    private static string TapQuery(Invocation invocation, params (string, string)[] more)
    {
        var (_, workload, space) = PodName.Parse(invocation.First, invocation.Text("namespace"));
        return Query("api/tap", [("workload", workload), ("namespace", space), ("from", invocation.Text("from")), ("to", invocation.Text("to")), ("method", invocation.Text("method")),
            ("path", invocation.Text("path")), ("authority", invocation.Text("authority")), .. more]);
    }

    private static string Query(string path, params ReadOnlySpan<(string Name, string Value)> values)
    {
        var query = new List<string>();
        foreach (var (name, value) in values)
            if (value.Length > 0 && value != "0") query.Add($"{name}={Uri.EscapeDataString(value)}");
        return query.Count == 0 ? path : $"{path}?{string.Join('&', query)}";
    }

    private static Outcome Print(Invocation invocation, JsonNode? node)
    {
        invocation.Out.WriteLine(JsonText.Of(node, indent: 2));
        return Outcome.Fine;
    }

    private static Outcome Nothing(Invocation invocation)
    {
        invocation.Error.WriteLine("No traffic in this window. Calls show here a second after they were made; -t 15m looks further back.");
        return Outcome.Fine;
    }

    private static string Go(Invocation invocation) => $"{(long)invocation.Duration("time-window").TotalSeconds}s";
    private static bool IsJson(Invocation invocation) => invocation.Text("output") == "json";
    private static string Or(string text, string otherwise) => text.Length > 0 && text != "unknown" ? text : otherwise;
    private static double Number(JsonNode? node, string field) => double.TryParse(node.Text(field), CultureInfo.InvariantCulture, out var number) ? number : 0;
    private static string Percent(JsonNode? node, string field) => node.Text(field) is { Length: > 0 } ? $"{100 * Number(node, field):0.00}%" : "-";
    private static string Milliseconds(JsonNode? node, string field) => node.Text(field) is { Length: > 0 } ? $"{Number(node, field):0}ms" : "-";
}
