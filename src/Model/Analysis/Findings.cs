using System.Globalization;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis;

/// <summary>What analyzers look at and where they put what they find.</summary>
public sealed class Findings(ResourceSet resources, Message meshConfig, TimeProvider time)
{
    private readonly List<AnalysisMessage> messages = [];

    public ResourceSet Resources { get; } = resources;
    public Message MeshConfig { get; } = meshConfig;
    public TimeProvider Time { get; } = time;
    public IReadOnlyList<AnalysisMessage> Messages => messages;

    public string RootNamespace => MeshConfig.Text("rootNamespace") is { Length: > 0 } named ? named : "istio-system";

    /// <param name="at">The scalar the finding is about; anything else means the whole resource.</param>
    public void Add(string code, AnalyzedResource? resource, Node? at, params object[] parameters)
    {
        var type = MessageCatalogue.Get(code);
        messages.Add(new(type, resource, string.Format(CultureInfo.InvariantCulture, type.Template, parameters), resource?.LineOf(at) ?? 0));
    }

    /// <summary>A list as Go prints it: [a b].</summary>
    public static string Listed<T>(IEnumerable<T> items) => $"[{string.Join(' ', items)}]";

    /// <summary>A list of quoted names: ["a" "b"].</summary>
    public static string Quoted(IEnumerable<string> items) => $"[{string.Join(' ', items.Select(i => $"\"{i}\""))}]";
}
