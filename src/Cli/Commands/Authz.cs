using System.Text.Json.Nodes;
using Mesh.Cli.Control;
using Mesh.Cli.Frame;
using Mesh.Cli.Output;
using Mesh.Cli.ProxyConfig;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl authz</c>: which policies guard a workload, and would they let this request in? The workload's own proxy answers.</summary>
internal static class Authz
{
    private static readonly Flag Output = Flag.Text("output", "table or json", 'o', "table") with { Check = v => v is "table" or "json" ? null : "must be table or json" };

    public static Command Command { get; } = new("authz", "Inspect authorization: which policies apply, who may call whom")
    {
        Commands =
        [
            new("check", "Policies that a workload's proxy enforces")
            {
                Arguments = "[<type>/]<name>[.<namespace>]",
                Flags = [Output],
                Run = (invocation, cancel) => WithProxyAsync(invocation, 0, CheckAsync, cancel),
            },
            new("can-i", "May SOURCE call DESTINATION? Exit code 0: yes, 1: no")
            {
                Arguments = "SOURCE DESTINATION",
                Example = "meshctl authz can-i demo/frontend backend-v1.demo --port 8080 --method POST --path /admin\nmeshctl authz can-i - backend-v1.demo --port 8080   (- is a caller without mutual TLS)",
                Flags =
                [
                    Output, Flag.Number("port", "the application's port", 8080), Flag.Text("method", "HTTP method", null, "GET"), Flag.Text("path", "request path", null, "/"),
                    Flag.Text("authority", "Host of the request"), Flag.Many("header", "a header of the request, name:value; may be repeated"), Flag.Text("ip", "the caller's address"), Flag.Text("trust-domain", "trust domain of SOURCE", null, "cluster.local"),
                ],
                Run = (invocation, cancel) => WithProxyAsync(invocation, 1, CanIAsync, cancel),
            },
        ],
    };

    private delegate Task<Outcome> Ask(Invocation invocation, string pod, CancellationToken cancel);

    private static async Task<Outcome> WithProxyAsync(Invocation invocation, int podAt, Ask ask, CancellationToken cancel)
    {
        if (invocation.Arguments.Count != podAt + 1)
        {
            Help.Write(invocation.Command, invocation.Path, invocation.Error);
            return Outcome.Failed($"{invocation.Command.Name} takes {invocation.Command.Arguments}");
        }
        try
        {
            return await ask(invocation, invocation.Arguments[podAt], cancel);
        }
        catch (Exception e) when (e is ConfigDumpException or ControlPlaneException)
        {
            return Outcome.Failed(e.Message);
        }
    }

    private static async Task<Outcome> CheckAsync(Invocation invocation, string pod, CancellationToken cancel)
    {
        var rows = JsonNode.Parse(await ProxyAdmin.GetAsync(invocation, pod, "authz/policies", cancel));
        if (invocation.Text("output") == "json")
        {
            await invocation.Out.WriteLineAsync(JsonText.Of(rows, indent: 2));
            return Outcome.Fine;
        }

        // One policy has a rule in every chain; each is told once, in the order in which actions are asked.
        string[] order = ["CUSTOM", "DENY", "ALLOW", "AUDIT"];
        var policies = rows.Items().Select(row => (Action: row.Text("action"), Policy: PolicyOf(row.Text("policy")), Rule: row.Text("policy"))).Distinct()
            .GroupBy(row => (row.Action, row.Policy)).OrderBy(group => Array.IndexOf(order, group.Key.Action.Split(' ')[0])).ThenBy(group => group.Key.Policy, StringComparer.Ordinal);
        var table = new Table(gap: 3).Add("ACTION", "AuthorizationPolicy", "RULES");
        foreach (var group in policies) table.Add(group.Key.Action, group.Key.Policy, $"{group.Count()}");
        table.Write(invocation.Out);
        return Outcome.Fine;
    }

    private static async Task<Outcome> CanIAsync(Invocation invocation, string pod, CancellationToken cancel)
    {
        var query = new List<string> { $"port={invocation.Number("port")}", $"source={Uri.EscapeDataString(Principal(invocation.First, invocation.Text("trust-domain")))}" };
        foreach (var name in (string[])["method", "path", "authority", "ip"])
            if (invocation.Text(name) is { Length: > 0 } value) query.Add($"{name}={Uri.EscapeDataString(value)}");
        if (invocation.Many("header") is { Count: > 0 } headers) query.Add($"header={Uri.EscapeDataString(string.Join('\n', headers))}");

        var answer = JsonNode.Parse(await ProxyAdmin.GetAsync(invocation, pod, $"authz?{string.Join('&', query)}", cancel));
        var allowed = answer.Text("allowed") == "true";
        if (invocation.Text("output") == "json") await invocation.Out.WriteLineAsync(JsonText.Of(answer, indent: 2));
        else
        {
            await invocation.Out.WriteLineAsync($"{(allowed ? "yes" : "no")}: {answer.Text("reason")}{(answer.Text("policy") is { Length: > 0 } policy ? $" [{policy}]" : "")}");
            foreach (var step in answer.Items("steps")) await invocation.Out.WriteLineAsync($"  {step.Text("action")}: {step.Text("policy")}");
            if (answer.Text("note") is { Length: > 0 } note) await invocation.Out.WriteLineAsync($"  ({note})");
        }
        return new(allowed ? ExitCode.Fine : ExitCode.Failed);
    }

    /// <summary>ns[allow]-policy[name]-rule[0] → name.allow</summary>
    private static string PolicyOf(string rule)
    {
        var parts = rule.Split('[', ']');
        return parts.Length >= 4 && parts[0] == "ns" ? $"{parts[3]}.{parts[1]}" : rule;
    }

    /// <summary>namespace/service-account, a SPIFFE id, or - for a caller without one.</summary>
    private static string Principal(string source, string trustDomain) => source switch
    {
        "-" => "",
        _ when source.StartsWith("spiffe://", StringComparison.Ordinal) => source,
        _ when source.Split('/') is [var space, var account] => $"spiffe://{trustDomain}/ns/{space}/sa/{account}",
        _ => $"spiffe://{trustDomain}/ns/default/sa/{source}",
    };
}
