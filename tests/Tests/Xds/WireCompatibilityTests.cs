using Google.Protobuf.Reflection;
using Mesh.Tests.Tidy;
using Mesh.Xds;

namespace Mesh.Tests.Xds;

/// <summary>Our short protos against a listing of the whole schema: every number, name and type that we use is Envoy's.</summary>
public sealed class WireCompatibilityTests
{
    private static readonly HashSet<string> Known = [.. Source.Text("tests/Tests/Xds/envoy-schema.txt").Split('\n')];

    // Istio's own services; their schema is short enough to be read.
    private static readonly string[] Others = ["istio.v1.auth.", "istio.networking.nds.v1."];

    [Fact]
    public void Every_field_has_the_number_name_and_type_of_the_whole_schema()
    {
        var wrong = XdsFiles.All().SelectMany(f => f.MessageTypes).SelectMany(Nested)
            .Where(m => !Others.Any(o => m.FullName.StartsWith(o, StringComparison.Ordinal)) && m.FullName.StartsWith("mesh.", StringComparison.Ordinal) == false)
            .SelectMany(m => m.Fields.InDeclarationOrder().Select(f => $"{m.FullName} {f.FieldNumber} {f.Name} {TypeOf(f)}"))
            .Where(line => !Known.Contains(line));

        Assert.Equal([], wrong);
    }

    [Fact]
    public void Every_enumerated_value_has_its_number()
    {
        var enums = XdsFiles.All().SelectMany(f => f.EnumTypes).Concat(XdsFiles.All().SelectMany(f => f.MessageTypes).SelectMany(Nested).SelectMany(m => m.EnumTypes));
        var wrong = enums.Where(e => !e.FullName.StartsWith("mesh.", StringComparison.Ordinal))
            .SelectMany(e => e.Values.Select(v => $"{e.FullName} {v.Number} {v.Name}")).Where(line => !Known.Contains(line));

        Assert.Equal([], wrong);
    }

    private static IEnumerable<MessageDescriptor> Nested(MessageDescriptor message) =>
        message.NestedTypes.Where(n => !n.IsMapEntry).SelectMany(Nested).Prepend(message);

    private static string TypeOf(FieldDescriptor field)
    {
        if (field.IsMap) return $"map<{Name(field.MessageType.FindFieldByNumber(1))},{Name(field.MessageType.FindFieldByNumber(2))}>";
        return (field.IsRepeated ? "repeated " : "") + Name(field);
    }

    private static string Name(FieldDescriptor field) => field.FieldType switch
    {
        FieldType.Message => field.MessageType.FullName,
        FieldType.Enum => field.EnumType.FullName,
        _ => field.FieldType.ToString().ToLowerInvariant(),
    };
}
