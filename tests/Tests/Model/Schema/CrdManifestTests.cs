using System.Text.Json.Nodes;
using Mesh.Model.Schema;
using Mesh.Model.Yaml;

namespace Mesh.Tests.Model.Schema;

/// <summary>The definitions a cluster gets: structural by Kubernetes' rules, and saying what the tables say.</summary>
public sealed class CrdManifestTests
{
    public static TheoryData<string> Kinds => [.. CrdManifest.Kinds.Select(k => k.Kind)];

    [Fact]
    public void Every_kind_of_Istios_groups_and_our_own_is_there_once() =>
        Assert.Equal(16, YamlReader.ReadEach(CrdManifest.All(), "crds.yaml").Select(d => d.Root.TextAt("metadata", "name")).Distinct().Count());

    [Theory, MemberData(nameof(Kinds))]
    public void A_definition_reads_back_as_it_was_written(string kind)
    {
        var definition = CrdManifest.Of(Kind(kind));

        var read = Assert.Single(YamlReader.Read(YamlWriter.Write(definition), "crd.yaml", out var broken));

        Assert.Null(broken);
        Assert.Equal(definition.ToJsonString(), Json(read)!.ToJsonString());
    }

    [Theory, MemberData(nameof(Kinds))]
    public void One_version_is_stored_and_all_are_served(string kind)
    {
        var versions = CrdManifest.Of(Kind(kind))["spec"]!["versions"]!.AsArray();

        Assert.Equal(1, versions.Count(v => (bool)v!["storage"]!));
        Assert.All(versions, v => Assert.True((bool)v!["served"]!));
    }

    /// <summary>Kubernetes refuses a definition whose schema is not structural: typed everywhere, no metadata constraints, junctions without types.</summary>
    [Theory, MemberData(nameof(Kinds))]
    public void The_schema_is_structural(string kind)
    {
        foreach (var version in CrdManifest.Of(Kind(kind))["spec"]!["versions"]!.AsArray())
            CheckStructural(version!["schema"]!["openAPIV3Schema"]!.AsObject(), "");

        static void CheckStructural(JsonObject schema, string path)
        {
            var preserves = schema["x-kubernetes-preserve-unknown-fields"] is not null || schema["x-kubernetes-int-or-string"] is not null;
            Assert.True(schema["type"] is not null || preserves, $"{path} has no type");
            Assert.False(schema["properties"] is not null && schema["additionalProperties"] is not null, $"{path} has both properties and additionalProperties");
            foreach (var (name, property) in schema["properties"]?.AsObject() ?? []) CheckStructural(property!.AsObject(), $"{path}.{name}");
            if (schema["items"] is JsonObject items) CheckStructural(items, $"{path}[]");
            if (schema["additionalProperties"] is JsonObject values) CheckStructural(values, $"{path}{{}}");
            foreach (var name in schema["required"]?.AsArray() ?? []) Assert.True(schema["properties"]![(string)name!] is not null, $"{path} requires {name}, which it lacks");
            foreach (var key in schema["x-kubernetes-list-map-keys"]?.AsArray() ?? [])
                Assert.Contains((string)key!, schema["items"]!["required"]!.AsArray().Select(r => (string)r!));
        }
    }

    [Fact]
    public void Strings_that_look_like_something_else_are_quoted()
    {
        var text = YamlWriter.Write(new JsonObject { ["a"] = "yes", ["b"] = "1", ["c"] = "x: y", ["d"] = "it's", ["e"] = "two\nlines", ["f"] = "plain text", ["g"] = "" });

        Assert.Equal("a: 'yes'\nb: '1'\nc: 'x: y'\nd: it's\ne: \"two\\nlines\"\nf: plain text\ng: ''\n", text);
    }

    private static ResourceKind Kind(string name) => CrdManifest.Kinds.Single(k => k.Kind == name);

    private static JsonNode? Json(Node node) => node switch
    {
        MapNode map => new JsonObject(map.Fields.Select(f => KeyValuePair.Create(f.Key, Json(f.Value)))),
        ListNode list => new JsonArray([.. list.Items.Select(Json)]),
        ScalarNode scalar => Scalars.KindOf(scalar) switch
        {
            ScalarKind.Bool => Scalars.IsTrue(scalar),
            ScalarKind.Integer or ScalarKind.Float => JsonNode.Parse(scalar.Text),
            ScalarKind.Null => null,
            _ => scalar.Text,
        },
        _ => null,
    };
}
