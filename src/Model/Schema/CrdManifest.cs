using System.Text.Json.Nodes;
using Mesh.Model.Yaml;

namespace Mesh.Model.Schema;

/// <summary>CustomResourceDefinitions of the kinds we serve, made from the same tables that validate: what a cluster must know before the mesh is installed.</summary>
public static class CrdManifest
{
    /// <summary>All kinds of Istio's API groups, and our own, as one YAML stream, sorted by name.</summary>
    public static string All() => string.Join("---\n", Kinds.Select(kind => YamlWriter.Write(Of(kind))));

    /// <summary>The kinds <see cref="All"/> holds. The Gateway API has CRDs of its own makers.</summary>
    public static IEnumerable<ResourceKind> Kinds =>
        Catalogue.Kinds.Where(k => k.Group.EndsWith(".istio.io", StringComparison.Ordinal) || k.Group == "mesh.local").OrderBy(Name, StringComparer.Ordinal);

    public static string Name(ResourceKind kind) => $"{kind.Plural}.{kind.Group}";

    public static JsonObject Of(ResourceKind kind) => new()
    {
        ["apiVersion"] = "apiextensions.k8s.io/v1",
        ["kind"] = "CustomResourceDefinition",
        ["metadata"] = new JsonObject
        {
            ["name"] = Name(kind),
            // helm and our own uninstall leave definitions alone: removing one removes every object of its kind.
            ["annotations"] = new JsonObject { ["helm.sh/resource-policy"] = "keep" },
            ["labels"] = Labels(kind),
        },
        ["spec"] = new JsonObject
        {
            ["group"] = kind.Group,
            ["names"] = Names(kind),
            ["scope"] = kind.IsClusterWide ? "Cluster" : "Namespaced",
            ["versions"] = new JsonArray([.. kind.Versions.Select(v => Version(kind, v))]),
        },
    };

    private static JsonObject Labels(ResourceKind kind)
    {
        var labels = new JsonObject { ["app"] = "istio-pilot", ["chart"] = "istio", ["heritage"] = "Tiller", ["release"] = "istio" };
        if (kind.Group is "security.istio.io" or "telemetry.istio.io") labels["istio"] = kind.Group[..kind.Group.IndexOf('.', StringComparison.Ordinal)];
        return labels;
    }

    private static JsonObject Names(ResourceKind kind)
    {
        var names = new JsonObject
        {
            ["categories"] = new JsonArray("istio-io", kind.Group.Replace('.', '-')),
            ["kind"] = kind.Kind,
            ["listKind"] = $"{kind.Kind}List",
            ["plural"] = kind.Plural,
        };
        if (kind.ShortNames.Count > 0) names["shortNames"] = Texts(kind.ShortNames);
        names["singular"] = kind.Kind.ToLowerInvariant();
        return names;
    }

    private static JsonObject Version(ResourceKind kind, string version)
    {
        var result = new JsonObject { ["name"] = version };
        if (kind.Columns.Count > 0)
            result["additionalPrinterColumns"] = new JsonArray([.. kind.Columns.Select(c => new JsonObject { ["name"] = c.Name, ["type"] = c.Type, ["jsonPath"] = c.JsonPath })]);

        var spec = CrdSchema.Of(kind.Spec);
        CrdSchema.AddRules(spec, kind.SpecRules);
        var root = new JsonObject
        {
            ["type"] = "object",
            ["properties"] = new JsonObject
            {
                ["spec"] = spec,
                ["status"] = new JsonObject { ["type"] = "object", ["x-kubernetes-preserve-unknown-fields"] = true },
            },
        };
        if (kind.SpecIsRequired) root["required"] = new JsonArray("spec");
        result["schema"] = new JsonObject { ["openAPIV3Schema"] = root };
        result["served"] = true;
        result["storage"] = version == kind.StorageVersion;
        result["subresources"] = new JsonObject { ["status"] = new JsonObject() };
        return result;
    }

    private static JsonArray Texts(IEnumerable<string> texts) => new([.. texts.Select(t => (JsonNode?)t)]);
}
