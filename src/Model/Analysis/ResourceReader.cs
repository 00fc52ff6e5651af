using Mesh.Model.Schema;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis;

/// <summary>Files to resources under analysis. What cannot be read is told and left out.</summary>
public sealed class ResourceReader(ResourceSet into, string defaultNamespace, string cluster = "")
{
    private static readonly string[] IgnoredNamespaces = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];
    private static readonly string[] ClusterWideKinds = ["Namespace", "Node", "CustomResourceDefinition", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "GatewayClass"];

    /// <summary>True: what the set has already is not replaced.</summary>
    public bool KeepsPresent { get; init; }

    /// <returns>Why documents of this file are left out, in Istio's words; empty when all were read.</returns>
    public IReadOnlyList<string> Read(string text, string file)
    {
        var problems = new List<string>();
        var documents = YamlReader.ReadEach(text, file);
        for (var i = 0; i < documents.Count; i++)
        {
            var document = documents[i];
            var problem = document.Error is { } error
                ? $"failed converting YAML to JSON: yaml: line {error.Origin.Line - document.Line + 1}: {error.Message}"
                : document.Root is null ? null : Take(document.Root, file, document.Line);
            if (problem is not null) problems.Add($"error processing {file}[{i}]: {problem}");
        }
        return problems;
    }

    /// <summary>An object of a running cluster: it stands in no file.</summary>
    /// <returns>Why it is left out, or null.</returns>
    public string? Add(Node resource) => Take(resource, "", 0);

    /// <returns>Why not, or null.</returns>
    private string? Take(Node root, string file, int line)
    {
        if (root is not MapNode map) return "failed interpreting jsonChunk: not an object";
        var resource = new Resource(map);
        if (resource.Kind == "List")
        {
            foreach (var item in map.ItemsAt("items"))
                if (Take(item, file, item.Origin.Line) is { } problem) return problem;
            return null;
        }
        if (resource.Kind.Length == 0 && resource.ApiVersion.Length == 0) return "unable to parse resource with no group, version and kind";

        if (ClusterWideKinds.Contains(resource.Kind)) resource = new(map) { Namespace = "" };
        else if (resource.Namespace.Length == 0 && defaultNamespace.Length > 0) resource = new(map) { Namespace = defaultNamespace };
        if (IgnoredNamespaces.Contains(resource.Kind == "Namespace" ? resource.Name : resource.Namespace)) return null;

        Message? spec = null;
        if (Catalogue.Find(resource.Group, resource.Kind) is { } kind)
        {
            var reader = new MessageReader(unknownFieldsAreErrors: false);
            spec = reader.Read(kind.Spec, resource.Spec);
            if (reader.Errors.Count > 0) return $"failed parsing JSON for built-in type: {reader.Errors[0].Message}";
        }
        var read = new AnalyzedResource(resource, spec, file, line, cluster);
        if (!KeepsPresent || into.Find(resource.Group, resource.Kind, read.FullName, cluster) is null) into.Add(read);
        return null;
    }
}
