using CsCheck;
using Mesh.Model.Schema;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Tests.Model.Validation;

/// <summary>Whatever the shape tables allow, and whatever they do not: an answer, never an exception.</summary>
public sealed class PropertyTests
{
    private static readonly string[] Scraps = ["", "*", "a.example", "cart", "./*", "unix:///x", "10.0.0.0/8", "1s", "-1s", "80", "0", "%x%", "a b", "true", "null", ":path", "HTTP", "/", "é", "~"];

    public static TheoryData<string> Kinds => [.. CrdManifest.Kinds.Select(k => k.Kind)];

    [Theory, MemberData(nameof(Kinds))]
    public void Any_object_of_the_kinds_shape_gets_a_verdict(string name)
    {
        var kind = CrdManifest.Kinds.Single(k => k.Kind == name);

        Gen.Int[0, int.MaxValue].Holds(seed =>
        {
            var random = new Random(seed);
            var spec = Shaped(kind.Spec, random, 0);
            var yaml = $"{{apiVersion: {kind.Group}/{kind.StorageVersion}, kind: {kind.Kind}, metadata: {{name: a, namespace: b}}, spec: {spec}}}";
            var resource = YamlReader.Read(yaml, "random.yaml", out var broken);
            Assert.Null(broken);

            Validator.Check(resource[0]);
            Validator.CheckAdmission(resource[0]);
            var filled = Defaults.Apply((MapNode)resource[0]);
            Assert.Equal(Validator.Check(filled).IsAllowed, Validator.Check(Defaults.Apply(filled)).IsAllowed);
        }, cases: 100);
    }

    [Fact]
    public void Any_text_is_read_or_refused()
    {
        Gen.String[Gen.Char["abc:-[]{}&*!|>'\"%@`#, \n\t0123.~"], 0, 200].Holds(text =>
        {
            YamlReader.Read(text, "random.yaml", out _);
            YamlReader.ReadEach(text, "random.yaml");
        }, cases: 5_000);
    }

    [Fact]
    public void Any_pattern_is_judged()
    {
        Gen.String[Gen.Char["ab()[]{}*+?|\\^$.,-:<>P!=0123dwsQEpx"], 0, 60].Holds(pattern => { Re2Syntax.Problem(pattern); }, cases: 20_000);
    }

    [Fact]
    public void Any_duration_is_read_or_refused()
    {
        Gen.String[Gen.Char["0123456789.hmsnuµ+- "], 0, 30].Holds(text => { _ = GoDuration.TryParse(text, out _, out _); }, cases: 20_000);
    }

    private static string Shaped(MessageType type, Random random, int depth)
    {
        var fields = new List<string>();
        foreach (var field in type.Fields)
        {
            if (random.Next(100) > (depth > 3 ? 15 : 45)) continue;
            var value = field.Cardinality switch
            {
                Cardinality.List => $"[{string.Join(", ", Enumerable.Range(0, random.Next(3)).Select(_ => Value(field, random, depth)))}]",
                Cardinality.Map => $"{{{string.Join(", ", Enumerable.Range(0, random.Next(3)).Select(i => $"\"{(field.KeyKind == FieldKind.Text ? Scraps[random.Next(Scraps.Length)] : "")}{i}\": {Value(field, random, depth)}"))}}}",
                _ => Value(field, random, depth),
            };
            fields.Add($"\"{field.Name}\": {value}");
        }
        return $"{{{string.Join(", ", fields)}}}";
    }

    private static string Value(Field field, Random random, int depth)
    {
        if (random.Next(50) == 0) return "null";
        return field.Kind switch
        {
            FieldKind.Message => depth > 6 ? "{}" : Shaped(field.Message!, random, depth + 1),
            FieldKind.Object or FieldKind.Any => "{name: x, '@type': 'type.googleapis.com/envoy.x.v3.Y'}",
            FieldKind.Flag => random.Next(2) == 0 ? "true" : "false",
            FieldKind.Enum => field.Enum!.Values[random.Next(field.Enum.Values.Count)].Key,
            FieldKind.Double => $"{random.Next(-5, 200)}.5",
            FieldKind.Text or FieldKind.Bytes or FieldKind.Timestamp => $"\"{Scraps[random.Next(Scraps.Length)]}\"",
            FieldKind.Duration => random.Next(5) == 0 ? "\"x\"" : $"\"{random.Next(-1, 5)}s\"",
            _ => random.Next(-2, 70_000).ToString(System.Globalization.CultureInfo.InvariantCulture),
        };
    }
}
