using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Cli.Frame;
using Mesh.Cli.Output;
using Mesh.Model.Analysis;
using Mesh.Model.Validation;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl analyze</c>: what is wrong with this configuration as a whole?</summary>
internal static class Analyze
{
    private const string Documentation = "https://istio.io/v1.32/docs/reference/config/analysis";
    private static readonly string[] Extensions = [".json", ".yaml", ".yml"];

    public static Command Command { get; } = new("analyze", "Analyze Istio configuration and print validation messages")
    {
        Arguments = "<file>...",
        Example = """
              # files and folders, without a cluster
              meshctl analyze --use-kube=false app.yaml mesh-config/
              # leave out one finding of one resource
              meshctl analyze -S "IST0103=Pod shop/cart-1" -A
              # coming from Istio: what of these files does this mesh not do?
              meshctl analyze --use-kube=false --differences mesh-config/
            """,
        Flags =
        [
            Flag.Switch("list-analyzers", "list the analyzers and do nothing else", 'L'),
            Flag.Switch("use-kube", "read the cluster too; false analyzes files only", 'k', on: true),
            Flag.Switch("color", "colour the level; off where the output is no terminal", on: true),
            Flag.Switch("verbose", "say which analyzers ran", 'v'),
            Flag.Text("failure-threshold", "level from which on findings make the exit code 79: Info, Warning or Error", fallback: "Error") with { Check = LevelProblem },
            Flag.Text("output-threshold", "level from which on findings are printed: Info, Warning or Error", fallback: "Info") with { Check = LevelProblem },
            Flag.Text("output", "log, json or yaml", 'o', "log"),
            Flag.Text("meshConfigFile", "file with the mesh config to assume"),
            Flag.Switch("all-namespaces", "print findings of all namespaces", 'A'),
            Flag.Text("suppress", "leave out a code for a resource, as CODE=Kind namespace/name; * is allowed; may be repeated", 'S') ,
            Flag.Duration("timeout", "time the analysis may take", "30s"),
            Flag.Switch("recursive", "taken for compatibility: folders are always read to their depth", 'R') with { Hidden = true },
            Flag.Switch("ignore-unknown", "do not fail for documents that cannot be read"),
            Flag.Text("revision", "taken for compatibility", 'r', "default") with { Hidden = true },
            Flag.Switch("differences", "also tell what has an effect in Istio and none here (codes MESH...); on where the cluster is read, off for files alone"),
            Flag.Text("analyzer", "run only the analyzer of this name; may be repeated"),
        ],
        Run = RunAsync,
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        var format = invocation.Text("output").ToLowerInvariant();
        if (format is not ("log" or "json" or "yaml")) return Outcome.Usage($"{format} not a valid option for format. See meshctl analyze --help");
        var differences = invocation.IsGiven("differences") ? invocation.Is("differences") : invocation.Is("use-kube") && !invocation.Is("list-analyzers");
        if (invocation.Is("list-analyzers"))
        {
            foreach (var analyzer in AnalyzerList.Of(differences).OrderBy(a => a.Name, StringComparer.Ordinal)) await invocation.Out.WriteLineAsync($"* {analyzer.Name}:\n    {analyzer.About}");
            return Outcome.Fine;
        }
        if (invocation.Is("recursive"))
        {
            await invocation.Out.WriteLineAsync("The recursive flag has been removed and is hardcoded to true without explicitly specifying it.");
            return Outcome.Fine;
        }
        if (Files(invocation, out var files) is { } unreadable) return Outcome.Failed(unreadable);
        if (Suppressions(invocation, out var suppressions) is { } invalid) return Outcome.Failed(invalid);

        var target = invocation.Is("all-namespaces") ? "" : invocation.NamespaceOr("default");
        var resources = new ResourceSet();
        Message? meshConfig = null;
        if (invocation.Is("use-kube"))
        {
            (meshConfig, var unreachable) = await LiveResources.AddToAsync(resources, invocation, cancel);
            if (unreachable is not null) return Outcome.Failed(unreachable);
        }
        if (invocation.Text("meshConfigFile") is { Length: > 0 } meshFile)
        {
            meshConfig = Analyst.ReadMeshConfig(await File.ReadAllTextAsync(meshFile, cancel), meshFile, out var problem);
            if (problem is not null) return Outcome.Failed($"mesh config {meshFile}: {problem}");
        }

        var unparsed = await ReadAsync(files, resources, target, format, invocation, cancel);
        var knowsRuntime = resources.HasRuntime;
        if (!invocation.Is("use-kube")) DefaultResources.AddTo(resources, invocation.Text("istioNamespace"));
        if (invocation.Is("verbose")) await TellAnalyzersAsync(knowsRuntime, differences, target, invocation);

        var messages = Analyst.Analyze(resources, invocation.Terminal.Time,
            new()
            {
                Namespace = target, KnowsRuntime = knowsRuntime, TellsDifferences = differences, Analyzers = [.. invocation.All("analyzer")], Suppressions = suppressions, MeshConfig = meshConfig,
            });
        var shown = messages.Where(m => m.Level >= Parse(invocation.Text("output-threshold"))).ToList();

        await PrintAsync(shown, format, invocation);
        if (shown.Count == 0) await invocation.Error.WriteLineAsync(NothingFound(files, unparsed, target));
        if (format != "log") return Outcome.Fine;
        if (messages.Any(m => m.Level >= Parse(invocation.Text("failure-threshold"))))
            return new(ExitCode.FindingsAtThreshold, $"Analyzers found issues when analyzing {Target(target)}.\nSee {Documentation} for more information about causes and resolutions.");
        return unparsed > 0 && !invocation.Is("ignore-unknown") ? new(ExitCode.UnreadableInput, "Some files couldn't be parsed.") : Outcome.Fine;
    }

    private static async Task TellAnalyzersAsync(bool knowsRuntime, bool differences, string target, Invocation invocation)
    {
        await invocation.Error.WriteLineAsync($"Analyzed resources in {Target(target)}");
        var skipped = AnalyzerList.All.Where(a => a.NeedsRuntime && !knowsRuntime).Select(a => a.Name).ToList();
        if (skipped.Count > 0) await invocation.Error.WriteLineAsync($"Skipped analyzers:\n\t {string.Join("\n\t ", skipped)}");
        await invocation.Error.WriteLineAsync($"Executed analyzers:\n\t {string.Join("\n\t ", AnalyzerList.Of(differences).Select(a => a.Name).Except(skipped))}\n");
    }

    /// <returns>1 when something could not be read, as istioctl counts.</returns>
    private static async Task<int> ReadAsync(List<string> files, ResourceSet resources, string target, string format, Invocation invocation, CancellationToken cancel)
    {
        var failures = new List<string>();
        foreach (var file in files)
        {
            var text = file == "-" ? await invocation.Terminal.In.ReadToEndAsync(cancel) : await File.ReadAllTextAsync(file, cancel);
            var problems = new ResourceReader(resources, target).Read(text, file);
            if (problems.Count == 0) continue;
            if (format == "log")
                foreach (var problem in problems)
                    await invocation.Out.WriteLineAsync($"{invocation.Terminal.Time.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture)}\twarn\tfile\t{problem} - skipping");
            failures.Add($"errors parsing content \"{file}\": {GoErrors.Several(problems)}");
        }
        if (failures.Count == 0) return 0;

        await invocation.Error.WriteAsync($"Error(s) adding files: {GoErrors.Several(failures)}");
        return 1;
    }

    private static async Task PrintAsync(List<AnalysisMessage> messages, string format, Invocation invocation)
    {
        var clusters = messages.Select(m => m.Resource?.Cluster).Any(c => c is { Length: > 0 });
        if (format == "log")
        {
            await invocation.Out.WriteLineAsync(string.Join('\n', messages.Select(m => $"{Coloured(m.Level, invocation)} [{m.Code}]{m.Where(clusters)} {m.Text}")));
            return;
        }
        var list = new JsonArray([.. messages.Select(m => Json(m, clusters))]);
        await invocation.Out.WriteLineAsync(format == "json" ? JsonText.Of(list) : YamlText.Of(list));
    }

    private static JsonObject Json(AnalysisMessage message, bool showCluster)
    {
        var item = new JsonObject { ["code"] = message.Code };
        if (showCluster && message.Resource is { } resource) item["cluster"] = resource.Cluster;
        item["documentationUrl"] = message.DocumentationUrl;
        item["level"] = message.Level.ToString();
        item["message"] = message.Text;
        if (message.Origin.Length > 0) item["origin"] = message.Origin;
        if (message.Reference.Length > 0) item["reference"] = message.Reference;
        return item;
    }

    private static string Coloured(Level level, Invocation invocation)
    {
        var text = level.ToString();
        if (!invocation.Is("color")) return text;
        return level switch { Level.Error => invocation.Terminal.Red(text), Level.Warning => invocation.Terminal.Yellow(text), _ => text };
    }

    private static string NothingFound(List<string> files, int unparsed, string target)
    {
        if (unparsed > 0) return $"No validation issues found when analyzing {Target(target)} (but {unparsed} file could not be parsed).";
        return files.Count switch
        {
            0 => $"✔ No validation issues found when analyzing {Target(target)}.",
            1 => $"✔ No validation issues found when analyzing {files[0]}.",
            _ => $"✔ No validation issues found when analyzing:\n  - {string.Join("\n  - ", files)}",
        };
    }

    private static string Target(string space) => space.Length == 0 ? "all namespaces" : $"namespace: {space}";

    /// <returns>Why not, or null.</returns>
    private static string? Files(Invocation invocation, out List<string> files)
    {
        files = [];
        foreach (var named in invocation.Arguments)
        {
            if (Directory.Exists(named))
            {
                foreach (var file in Directory.EnumerateFiles(named, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)) Take(file, files);
                continue;
            }
            if (named != "-" && !File.Exists(named)) return $"stat {named}: no such file or directory";
            Take(named, files);
        }
        return null;

        void Take(string file, List<string> into)
        {
            if (file == "-" || Extensions.Contains(Path.GetExtension(file))) into.Add(file);
            else invocation.Error.WriteLine($"Skipping file {file}, recognized file extensions are: [{string.Join(' ', Extensions)}]");
        }
    }

    private static string? Suppressions(Invocation invocation, out List<(string Code, string Resource)> suppressions)
    {
        suppressions = [];
        foreach (var given in invocation.All("suppress"))
        {
            var parts = given.Split('=');
            if (parts.Length != 2) return $"{given} is not a valid suppression value. See meshctl analyze --help";
            if (MessageCatalogue.Find(parts[0]) is null)
                invocation.Error.WriteLine($"Warning: Supplied message code '{parts[0]}' is an unknown message code and will not have any effect.");
            suppressions.Add((parts[0], parts[1]));
        }
        return null;
    }

    private static string? LevelProblem(string text) => Enum.TryParse<Level>(text, ignoreCase: true, out var level) && Enum.IsDefined(level) && !char.IsDigit(text[0]) ? null : "invalid level option";
    private static Level Parse(string text) => Enum.Parse<Level>(text, ignoreCase: true);
}
