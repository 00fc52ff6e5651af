using Mesh.Model.Schema;
using Mesh.Model.Validation;

namespace Mesh.Model.Analysis.Analyzers;

/// <summary>Fields that are checked and then leave everything as it was: whoever set one is told.</summary>
internal static class FieldAnalyzers
{
    // Of a resource with the same mistake in a thousand places the first ones are enough.
    private const int FieldsMax = 20;

    public static void WithoutEffect(Findings findings)
    {
        foreach (var kind in Catalogue.Kinds.Where(kind => Marked.Contains(kind.Spec)))
            foreach (var resource in findings.Resources.All(kind.Group, kind.Kind).Where(resource => resource.Spec is not null))
                foreach (var (path, at) in Set(resource.Spec!, "spec").Take(FieldsMax))
                    findings.Add("MESH0004", resource, at, path);
        foreach (var (path, _) in Set(findings.MeshConfig, "meshConfig").Take(FieldsMax)) findings.Add("MESH0004", null, null, path);
    }

    /// <summary>The messages under which a field without effect can stand: most have none, and are not walked.</summary>
    private static readonly HashSet<Schema.MessageType> Marked = FindMarked();

    private static HashSet<Schema.MessageType> FindMarked()
    {
        var marked = Catalogue.Messages.Where(type => type.Fields.Any(field => field.HasNoEffect)).ToHashSet();
        while (true)
        {
            var before = marked.Count;
            marked.UnionWith(Catalogue.Messages.Where(type => type.Fields.Any(field => field.Message is { } inner && marked.Contains(inner))));
            if (marked.Count == before) return marked;
        }
    }

    private static IEnumerable<(string Path, Yaml.Node? At)> Set(Message message, string path)
    {
        if (!Marked.Contains(message.Type)) yield break;
        foreach (var field in message.Type.Fields.Where(field => message.Has(field.Name)))
        {
            var own = $"{path}.{field.Name}";
            if (field.HasNoEffect) yield return (own, message.At(field.Name));
            else if (field.Message is not null)
                foreach (var found in Inner(message, field, own)) yield return found;
        }
    }

    private static IEnumerable<(string Path, Yaml.Node? At)> Inner(Message message, Field field, string path) => field.Cardinality switch
    {
        Cardinality.List => message.Children(field.Name).SelectMany((child, i) => Set(child, $"{path}[{i}]")),
        Cardinality.Map => message.Map(field.Name).SelectMany(entry => Set((Message)entry.Value, $"{path}.{entry.Key}")),
        _ => Set(message.Child(field.Name)!, path),
    };
}
