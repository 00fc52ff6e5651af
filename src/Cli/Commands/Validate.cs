using System.Text;
using System.Text.Json.Nodes;
using Mesh.Cli.Frame;
using Mesh.Cli.Manifests;
using Mesh.Model.Schema;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl validate -f FILE</c>: would admission take these files?</summary>
internal static class Validate
{
    private static readonly string[] Extensions = [".json", ".yaml", ".yml"];

    public static Command Command { get; } = new("validate", "Validate Istio policy and rules files")
    {
        Aliases = ["v"],
        Example = """
              # one file, a folder, or the standard input
              meshctl validate -f samples/routes.yaml
              kubectl get services -o yaml | meshctl validate -f -
            """,
        Flags =
        [
            Flag.Many("filename", "files or folders to validate; - reads the standard input", 'f'),
            Flag.Switch("where", "also say in which file and line each finding stands"),
            Flag.Switch("referential", "taken for compatibility", 'x', on: true) with { Hidden = true },
        ],
        Run = (invocation, cancel) => RunAsync(invocation, cancel),
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        if (invocation.Many("filename").Count == 0)
            return Outcome.Failed("error: you must specify resources by --filename.\nExample resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'");

        var errors = new List<string>();
        var verdicts = new List<(string File, List<string> Warnings)>();
        foreach (var named in invocation.Many("filename"))
            foreach (var file in FilesUnder(named, errors))
            {
                if (verdicts.Any(v => v.File == file)) continue;
                var text = file == "-" ? await invocation.Terminal.In.ReadToEndAsync(cancel) : await File.ReadAllTextAsync(file, cancel);
                var warnings = new List<string>();
                new FileCheck(file, invocation, errors, warnings).Run(text);
                verdicts.Add((file, warnings));
            }

        foreach (var (file, warnings) in verdicts)
        {
            var shown = $"\n\t{string.Join("\n\t", warnings.Select(w => $"* {w}"))}\n";
            if (warnings.Count > 0) await invocation.Error.WriteLineAsync(file == "-" ? shown.TrimEnd('\n') : $"\"{file}\" has warnings: {shown}");
            else if (errors.Count == 0) await invocation.Error.WriteLineAsync(file == "-" ? "validation succeed" : $"\"{file}\" is valid");
        }
        return errors.Count == 0 ? Outcome.Fine : Outcome.Failed(GoErrors.Several(errors));
    }

    private static IReadOnlyList<string> FilesUnder(string named, List<string> errors)
    {
        if (named == "-" || File.Exists(named)) return [named];
        if (!Directory.Exists(named))
        {
            errors.Add($"cannot stat file \"{named}\": stat {named}: no such file or directory");
            return [];
        }
        return [.. Directory.EnumerateFiles(named, "*", SearchOption.AllDirectories).Where(f => Extensions.Contains(Path.GetExtension(f))).Order(StringComparer.Ordinal)];
    }

    /// <summary>All documents of one file.</summary>
    private sealed class FileCheck(string file, Invocation invocation, List<string> errors, List<string> warnings)
    {
        public void Run(string text)
        {
            var documents = YamlReader.Read(text, file, out var broken);
            foreach (var document in documents.OfType<MapNode>()) Check(document);
            if (broken is not null) errors.Add($"failed to decode file {file}:  error converting YAML to JSON: yaml: line {broken.Origin.Line}: {broken.Message}");
        }

        private void Check(MapNode document)
        {
            var resource = new Resource(document);
            if (resource.Kind == "List" && document["items"] is ListNode list)
            {
                foreach (var item in list.Items.OfType<MapNode>()) CheckKubernetes(new(item));
                return;
            }

            if (resource is { Group: "install.istio.io", Kind: "IstioOperator" })
            {
                CheckOperator(resource);
                return;
            }

            // Fields of the Gateway API come and go with its channels, so one we do not know is only worth a warning.
            var isGatewayApi = resource.Group == "gateway.networking.k8s.io";
            var examined = Validator.Examine(document, unknownFieldsAreErrors: !isGatewayApi, invocation.NamespaceOr("default"));
            if (examined.Kind is null || !examined.Kind.Versions.Contains(resource.Version))
            {
                CheckKubernetes(resource);
                return;
            }

            var prefix = examined.IsUnreadable ? "cannot parse proto message: " : "";
            foreach (var error in examined.Verdict.Errors) errors.Add(Line(resource, prefix + error.Message, error));
            if (isGatewayApi)
                foreach (var warning in CrdCheck.Check(examined.Kind, document).Warnings) warnings.Add(Line(resource, warning.Message, warning));
            foreach (var warning in examined.Verdict.Warnings) warnings.Add(Line(resource, warning.Message, warning));
        }

        /// <summary>The install file: its own fields, and the mesh config in it.</summary>
        private void CheckOperator(Resource resource)
        {
            var spec = YamlJson.Of(resource.Spec ?? resource.Node) as JsonObject;
            if (resource.Spec is not null && spec is not null && SpecRules.Problem(spec) is { } problem) errors.Add($"{resource.Kind}/{resource.Namespace}/{resource.Name}: could not unmarshal: {problem}");
            if (resource.Spec.At("meshConfig") is not { } config) return;

            var verdict = Validator.CheckMeshConfig(config);
            foreach (var error in verdict.Errors) errors.Add(Line(resource, error.Message, error));
            foreach (var warning in verdict.Warnings) warnings.Add(Line(resource, warning.Message, warning));
        }

        private void CheckKubernetes(Resource resource)
        {
            if (resource.Namespace == invocation.Text("istioNamespace")) return;
            if (resource.Kind == "Service")
                foreach (var finding in Services.PortProblems(resource)) errors.Add(Line(resource, finding.Message, finding));
            if (resource.Kind == "Deployment" && Services.LabelAdvice(resource) is { } advice) invocation.Error.WriteLine(advice);
        }

        private string Line(Resource resource, string message, Finding finding)
        {
            var line = new StringBuilder($"{resource.Kind}/{resource.Namespace}/{resource.Name}: {message}");
            if (invocation.Is("where")) line.Append($" ({finding.Origin}{(finding.Field.Length > 0 ? $", {finding.Field}" : "")})");
            return line.ToString();
        }
    }
}
