using System.Text.Json.Nodes;
using Mesh.Cli.Frame;
using Mesh.Cli.Manifests;
using Mesh.Injector;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl manifest generate</c>: what would be installed, as YAML.</summary>
internal static class ManifestCommand
{
    public static readonly IReadOnlyList<Flag> SpecFlags =
    [
        Flag.Many("filename", "file of an IstioOperator; given several times, later ones win", 'f'),
        Flag.Many("set", "override one value, for example values.global.hub=registry.example/mesh", 's'),
        Flag.Text("revision", "name of the control plane's revision", 'r'),
        Flag.Switch("force", "proceed even with values that are not known"),
        Flag.Text("manifests", "taken for compatibility: the charts are part of the program", 'd') with { Hidden = true },
    ];

    public static Command Command { get; } = new("manifest", "Commands related to Istio manifests")
    {
        Commands =
        [
            new("generate", "Generates an Istio install manifest")
            {
                Example = "meshctl manifest generate\nmeshctl manifest generate --set profile=demo",
                Flags = [.. SpecFlags, Flag.Text("output", "taken for compatibility", 'o') with { Hidden = true }],
                Run = (invocation, _) => Task.FromResult(Generate(invocation)),
            },
        ],
    };

    /// <returns>Null and the outcome when the flags do not say what to install.</returns>
    public static InstallSpec? Spec(Invocation invocation, out Outcome problem)
    {
        problem = Outcome.Fine;
        var files = new List<(string, string)>();
        foreach (var path in invocation.Many("filename"))
        {
            if (path != "-" && !File.Exists(path))
            {
                problem = Outcome.Failed($"merge inputs: open {path}: no such file or directory");
                return null;
            }
            files.Add((path, path == "-" ? invocation.Terminal.In.ReadToEnd() : File.ReadAllText(path)));
        }
        var spec = InstallSpec.Read(files, invocation.Many("set"), invocation.Text("revision"), invocation.Is("force"), out var error);
        if (spec is null) problem = Outcome.Failed(error);
        return spec;
    }

    /// <returns>Null and the outcome when the values do not fit the charts.</returns>
    public static IReadOnlyList<Component>? Components(InstallSpec spec, out Outcome problem)
    {
        problem = Outcome.Fine;
        try
        {
            return Manifest.Render(spec);
        }
        catch (FormatException e)
        {
            problem = Outcome.Failed($"the values do not fit: {e.Message}");
            return null;
        }
    }

    private static Outcome Generate(Invocation invocation)
    {
        if (Spec(invocation, out var problem) is not { } spec || Components(spec, out problem) is not { } components) return problem;

        foreach (JsonObject item in Manifest.InOrder(components))
            invocation.Out.Write(YamlText.Write(item) + "---\n");
        return Outcome.Fine;
    }
}
