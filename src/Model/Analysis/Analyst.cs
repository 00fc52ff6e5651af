using System.Text.RegularExpressions;
using Mesh.Model.Schema;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis;

/// <summary>What to analyse and what to leave out of the answer.</summary>
public sealed record AnalysisOptions
{
    /// <summary>Only findings of this namespace; empty: of all.</summary>
    public string Namespace { get; init; } = "";

    /// <summary>Only these analyzers; empty: all.</summary>
    public IReadOnlyCollection<string> Analyzers { get; init; } = [];

    /// <summary>Code and resource ("VirtualService shop/cart", stars allowed) not to be told.</summary>
    public IReadOnlyCollection<(string Code, string Resource)> Suppressions { get; init; } = [];
    public Message? MeshConfig { get; init; }

    /// <summary>False where only configuration was given: analyzers that compare it with what runs are left out.</summary>
    public bool KnowsRuntime { get; init; } = true;

    /// <summary>Also what would have an effect in Istio and has none here (the codes MESH…). Off, the findings are Istio's.</summary>
    public bool TellsDifferences { get; init; } = true;
}

/// <summary>Runs the analyzers over a set of resources and puts the findings in order.</summary>
public static class Analyst
{
    private const string SuppressAnnotation = "galley.istio.io/analyze-suppress";

    public static IReadOnlyList<AnalysisMessage> Analyze(ResourceSet resources, TimeProvider time, AnalysisOptions options)
    {
        var findings = new Findings(resources, options.MeshConfig ?? DefaultMeshConfig(), time);
        var chosen = AnalyzerList.All.Where(a => options.Analyzers.Contains(a.Name)).ToList();
        foreach (var analyzer in chosen.Count > 0 ? chosen : AnalyzerList.Of(options.TellsDifferences))
            if (options.KnowsRuntime || !analyzer.NeedsRuntime) analyzer.Run(findings);

        return [.. findings.Messages.Where(m => IsWanted(m, options))
            .OrderBy(m => m.Resource?.Cluster ?? "", StringComparer.Ordinal)
            .ThenByDescending(m => m.Level)
            .ThenBy(m => m.Code, StringComparer.Ordinal)
            .ThenBy(m => m.Resource is null ? "" : $"{m.Resource.Kind}/{m.Resource.Name}/{m.Resource.Namespace}", StringComparer.Ordinal)
            .ThenBy(m => m.ToString(), StringComparer.Ordinal)
            .DistinctBy(m => $"{m.Resource?.Cluster}|{m}")];
    }

    /// <summary>Mesh config from its file (the content of the ConfigMap's <c>mesh</c> key).</summary>
    /// <param name="problem">Why it cannot be read, or null.</param>
    public static Message ReadMeshConfig(string text, string file, out string? problem)
    {
        var documents = YamlReader.Read(text, file, out var broken);
        var reader = new MessageReader(unknownFieldsAreErrors: false);
        var config = reader.Read(Catalogue.Message("istio.mesh.v1alpha1.MeshConfig"), documents.Count > 0 ? documents[0] : null);
        problem = broken?.Message ?? (reader.Errors.Count > 0 ? reader.Errors[0].Message : null);
        return config;
    }

    /// <summary>Adds the mesh networks (the content of the ConfigMap's <c>meshNetworks</c> key) to what is analysed.</summary>
    public static void AddMeshNetworks(ResourceSet resources, string text, string controlPlaneNamespace)
    {
        var documents = YamlReader.Read(text, "", out _);
        if (documents.Count == 0) return;

        var named = (MapNode)YamlReader.Read($"{{kind: MeshNetworks, metadata: {{name: meshnetworks, namespace: {controlPlaneNamespace}}}}}", "", out _)[0];
        var networks = new MessageReader(unknownFieldsAreErrors: false).Read(Catalogue.Message("istio.mesh.v1alpha1.MeshNetworks"), documents[0]);
        resources.Add(new(new(named), networks, "", 0, ""));
    }

    private static Message DefaultMeshConfig() => new(Catalogue.Message("istio.mesh.v1alpha1.MeshConfig"), null);

    private static bool IsWanted(AnalysisMessage message, AnalysisOptions options)
    {
        if (message.Resource is not { } resource) return true;

        var space = resource.Kind == "Namespace" ? resource.Name : resource.Namespace;
        if (options.Namespace.Length > 0 && space.Length > 0 && space != options.Namespace) return false;
        if (resource.Annotations.TryGetValue(SuppressAnnotation, out var codes) && codes.Split(',').Any(c => c == "*" || c == message.Code)) return false;
        return !options.Suppressions.Any(s => s.Code == message.Code && Glob(s.Resource, resource.FriendlyName));
    }

    private static bool Glob(string pattern, string text) =>
        Regex.IsMatch(text, $"^{string.Join(".*", pattern.Split('*').Select(Regex.Escape))}$", RegexOptions.NonBacktracking | RegexOptions.Singleline);
}
