using System.Text.Json.Nodes;
using Mesh.Cli.Control;
using Mesh.Cli.Frame;
using Mesh.Cli.Local;
using Mesh.Cli.Output;
using Mesh.Cli.ProxyConfig;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl gateway-status</c>: what became of Gateways, routes and policies of the Gateway API, where no API server keeps it, or before one is asked.</summary>
internal static class GatewayStatus
{
    public static Command Command { get; } = new("gateway-status", "Show the status of Gateway API objects: what is served, what is not, and why")
    {
        Aliases = ["gs"],
        Arguments = "[<name>[.<namespace>]]",
        Example = """
              # what the control plane made of them
              meshctl gateway-status
              # what it would make of these files; exit code 1 when something is not as wished
              meshctl gateway-status -f gateway.yaml -f routes/
            """,
        Flags =
        [
            Flag.Many("filename", "judge these files and folders instead of asking a control plane; may be repeated", 'f'),
            Flag.Text("meshConfigFile", "with -f: the mesh config to assume"),
            Flag.Text("output", "table, yaml or json", 'o', "table") with { Check = v => v is "table" or "yaml" or "json" ? null : "must be table, yaml or json" },
            ControlPlaneClient.Address,
        ],
        Run = RunAsync,
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        try
        {
            var files = invocation.All("filename");
            var all = files.Count == 0 ? await AskAsync(invocation, cancel) : StatusDocuments.All(Read(files, invocation), invocation.Terminal.Time.GetUtcNow()).ToList();
            var (_, name, space) = PodName.Parse(invocation.First, invocation.Text("namespace"));
            var shown = all.Where(item => (name.Length == 0 || item["metadata"].Text("name") == name) && (space.Length == 0 || item["metadata"].Text("namespace") == space)).ToList();
            switch (invocation.Text("output"))
            {
                case "json": await invocation.Out.WriteLineAsync(JsonText.Of(new JsonArray([.. shown.Select(item => item.DeepClone())]))); break;
                case "yaml": await invocation.Out.WriteAsync(string.Join("---\n", shown.Select(item => YamlText.Of(item)))); break;
                default: Show(shown, invocation); break;
            }
            return shown.SelectMany(Parts).Any(part => !part.IsFine) ? new(ExitCode.Failed) : Outcome.Fine;
        }
        catch (Exception e) when (e is ControlPlaneException or IOException or InvalidDataException)
        {
            return Outcome.Failed(e.Message);
        }
    }

    private static async Task<List<JsonObject>> AskAsync(Invocation invocation, CancellationToken cancel)
    {
        using var client = ControlPlaneClient.Connect(invocation);
        return [.. (await client.GetAsync("debug/gatewayz", cancel)).Items().OfType<JsonObject>()];
    }

    private static ApiTranslation Read(IReadOnlyList<string> files, Invocation invocation)
    {
        var mesh = MeshConfig.Default;
        if (invocation.Text("meshConfigFile") is { Length: > 0 } path)
            mesh = MeshConfig.Parse(File.ReadAllText(path), path, out var issues) ?? throw new InvalidDataException($"mesh config {path}: {string.Join("; ", issues.Select(issue => issue.Message))}");
        var world = ResourceFiles.Read(files, mesh, out var problems);
        foreach (var problem in problems) invocation.Error.WriteLine($"left out: {problem}");
        return world.GatewayApi;
    }

    private static void Show(List<JsonObject> items, Invocation invocation)
    {
        var table = new Table(gap: 3).Add("KIND", "NAMESPACE", "NAME", "OF", "ROUTES", "STATE");
        foreach (var item in items)
            foreach (var part in Parts(item))
                table.Add(item.Text("kind"), item["metadata"].Text("namespace"), item["metadata"].Text("name"), part.Of, part.Routes, part.State);
        if (items.Count == 0) invocation.Error.WriteLine("No Gateway API object is known.");
        else table.Write(invocation.Out);
    }

    private sealed record Part(string Of, string Routes, string State, bool IsFine);

    /// <summary>The object itself, its listeners, and what it is attached to: a line each.</summary>
    private static IEnumerable<Part> Parts(JsonObject item)
    {
        var status = item["status"];
        if (status?["conditions"] is not null) yield return Judged("", "", status["conditions"], string.Join(", ", status.Items("addresses").Select(address => address.Text("value"))));
        foreach (var listener in status.Items("listeners")) yield return Judged($"listener {listener.Text("name")}", listener.Text("attachedRoutes"), listener["conditions"], "");
        foreach (var (list, reference) in ((string, string)[])[("parents", "parentRef"), ("ancestors", "ancestorRef")])
            foreach (var parent in status.Items(list))
            {
                var to = parent[reference];
                var section = to.Text("sectionName") is { Length: > 0 } one ? $"/{one}" : "";
                yield return Judged($"{to.Text("kind")} {(to.Text("namespace") is { Length: > 0 } ns ? $"{ns}/" : "")}{to.Text("name")}{section}", "", parent["conditions"], "");
            }
    }

    private static Part Judged(string of, string routes, JsonNode? conditions, string whenFine)
    {
        var bad = conditions.Items().Where(condition => condition.Text("status") != (condition.Text("type") == "Conflicted" ? "False" : "True")).ToList();
        return bad.Count == 0
            ? new(of, routes, whenFine.Length > 0 ? $"ok, {whenFine}" : "ok", true)
            : new(of, routes, string.Join("; ", bad.Where(condition => condition.Text("type") != "Conflicted").Select(condition => $"{condition.Text("type")}: {condition.Text("reason")}: {condition.Text("message")}")), false);
    }
}
