using System.Text.Json.Nodes;
using Mesh.Cli.Control;
using Mesh.Cli.Frame;
using Mesh.Cli.Output;
using Mesh.Cli.ProxyConfig;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl proxy-status</c>: which proxies are connected, and whether each has what it was sent.</summary>
internal static class ProxyStatus
{
    private static readonly (string Column, string Field)[] Types = [("CDS", "cluster"), ("ECDS", "extensionconfig"), ("EDS", "endpoint"), ("LDS", "listener"), ("RDS", "route")];

    public static Command Command { get; } = new("proxy-status", "Retrieves the synchronization status of each proxy in the mesh")
    {
        Aliases = ["ps"],
        Arguments = "[<type>/<name>.<namespace>]",
        Flags =
        [
            Flag.Text("output", "table, json or yaml", 'o', "table") with { Check = v => v is "table" or "json" or "yaml" ? null : "must be table, json or yaml" },
            Flag.Number("verbosity", "0: subscribed types; 1: the state of each type", 0, 'v'), ControlPlaneClient.Address,
        ],
        Run = RunAsync,
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        try
        {
            using var client = ControlPlaneClient.Connect(invocation);
            var status = await client.GetAsync("debug/syncz", cancel);
            var (_, name, space) = PodName.Parse(invocation.First, invocation.Text("namespace"));
            var rows = status.Items().Where(row => (name.Length == 0 || row.Text("proxy").StartsWith(name + ".", StringComparison.Ordinal)) && (space.Length == 0 || row.Text("proxy").EndsWith("." + space, StringComparison.Ordinal)))
                .OrderBy(row => row.Text("proxy"), StringComparer.Ordinal).ToList();
            if (name.Length > 0 && rows.Count == 0) return Outcome.Failed($"no proxy named \"{invocation.Arguments[0]}\" is connected; `meshctl proxy-status` without a name lists those that are");

            Show(invocation, rows);
            return Outcome.Fine;
        }
        catch (ControlPlaneException e)
        {
            return Outcome.Failed(e.Message);
        }
    }

    private static void Show(Invocation invocation, List<JsonNode> rows)
    {
        switch (invocation.Text("output"))
        {
            case "json": invocation.Out.WriteLine(JsonText.Of(new JsonArray([.. rows.Select(r => r.DeepClone())]))); return;
            case "yaml": invocation.Out.Write(YamlText.Of(new JsonArray([.. rows.Select(r => r.DeepClone())]))); return;
        }

        var wide = invocation.Number("verbosity") > 0;
        var table = new Table(gap: 5);
        if (wide) table.Add(["NAME", "CLUSTER", .. Types.Select(t => t.Column), "ISTIOD", "VERSION"]);
        else table.Add("NAME", "CLUSTER", "ISTIOD", "VERSION", "SUBSCRIBED TYPES");
        foreach (var row in rows)
        {
            var (istiod, version) = (row.Text("istiod") is { Length: > 0 } i ? i : "istiod", row.Text("istio_version"));
            if (wide) table.Add([row.Text("proxy"), row.Text("cluster_id"), .. Types.Select(t => StateOf(row, t.Field)), istiod, version]);
            else table.Add(row.Text("proxy"), row.Text("cluster_id"), istiod, version, Subscribed(row));
        }
        table.Write(invocation.Out);
        invocation.Error.WriteLine(Verdict(rows));
    }

    private static string Subscribed(JsonNode row)
    {
        var types = Types.Where(t => StateOf(row, t.Field) != "IGNORED").Select(t => t.Column).ToList();
        return $"{types.Count} ({string.Join(',', types)})";
    }

    private static string StateOf(JsonNode row, string field)
    {
        if (row.Text($"{field}_error").Length > 0) return "ERROR";
        if (row.Get($"{field}_sent") is null) return "IGNORED";
        var (sent, acked) = (row.Text($"{field}_sent"), row.Text($"{field}_acked"));
        return sent.Length == 0 ? "NOT SENT" : sent == acked ? "SYNCED" : "STALE";
    }

    private static string Verdict(List<JsonNode> rows)
    {
        var behind = rows.Where(row => Types.Any(t => StateOf(row, t.Field) == "STALE")).Select(row => row.Text("proxy")).ToList();
        var refusing = rows.Where(row => Types.Any(t => StateOf(row, t.Field) == "ERROR")).ToList();
        if (rows.Count == 0) return "No proxy is connected.";
        if (refusing.Count > 0)
            return $"{rows.Count} proxies: {refusing.Count} refuse what they were sent ({refusing[0].Text("proxy")}: {Types.Select(t => refusing[0].Text($"{t.Field}_error")).First(e => e.Length > 0)})";
        return behind.Count == 0 ? $"{rows.Count} proxies, all synced." : $"{rows.Count} proxies: {rows.Count - behind.Count} synced, {behind.Count} behind ({behind[0]}) -> meshctl proxy-status {behind[0]} -v1";
    }
}
