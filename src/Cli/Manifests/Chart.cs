using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Injector.GoTemplates;
using Mesh.Model.Yaml;

namespace Mesh.Cli.Manifests;

/// <summary>
/// One of our own Helm charts, rendered by the program itself: `helm install` and `meshctl install` read the same files, so they cannot drift apart.
/// </summary>
internal static class Chart
{
    public const string ReleaseName = "istio";

    public static JsonObject DefaultValues(string chart) =>
        YamlJson.Read(Bundled.Text($"charts/{chart}/values.yaml") ?? "") as JsonObject ?? [];

    /// <returns>The objects in the order in which the templates name them.</returns>
    /// <exception cref="FormatException">The values do not fit the chart; says which template, line and why.</exception>
    public static IReadOnlyList<JsonObject> Render(string chart, JsonObject values, string releaseNamespace)
    {
        var prefix = $"charts/{chart}/templates/";
        var shared = Bundled.Names(prefix).Where(name => name.EndsWith(".tpl", StringComparison.Ordinal)).Select(name => GoTemplate.Parse(Bundled.Text(name)!)).ToArray();
        var about = (JsonObject)YamlJson.Read(Bundled.Text($"charts/{chart}/Chart.yaml")!)!;
        var data = new JsonObject
        {
            ["Values"] = values.DeepClone(),
            ["Release"] = new JsonObject { ["Name"] = ReleaseName, ["Namespace"] = releaseNamespace, ["Service"] = "meshctl", ["IsInstall"] = true },
            ["Chart"] = new JsonObject { ["Name"] = about["name"]?.DeepClone(), ["Version"] = about["version"]?.DeepClone(), ["AppVersion"] = about["appVersion"]?.DeepClone() },
        };

        var objects = new List<JsonObject>();
        foreach (var name in Bundled.Names(prefix).Where(name => name.EndsWith(".yaml", StringComparison.Ordinal)))
            objects.AddRange(Objects(name, data, shared));
        return objects;
    }

    private static IEnumerable<JsonObject> Objects(string name, JsonObject data, GoTemplate[] shared)
    {
        string text;
        try
        {
            text = GoTemplate.Parse(Bundled.Text(name)!, shared).Render(data, new ChartFunctions());
        }
        catch (FormatException e)
        {
            throw new FormatException($"{name}: {e.Message}", e);
        }

        var documents = YamlReader.Read(text, name, out var error);
        if (error is not null) throw new FormatException($"{name}, rendered: line {error.Origin.Line}: {error.Message}");
        return documents.Select(YamlJson.Of).OfType<JsonObject>();
    }

    private sealed class ChartFunctions : TemplateFunctions
    {
        public override JsonNode? Call(string name, IReadOnlyList<JsonNode?> a) => name == "fromYaml" ? YamlJson.Read(Print(a[0])) : base.Call(name, a);
    }
}
