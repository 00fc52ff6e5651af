using System.Globalization;
using Mesh.Model.Schema;
using Mesh.Model.Yaml;

namespace Mesh.Model.Validation;

/// <summary>YAML nodes to a Message, by the rules of protobuf JSON (either spelling of a name, numbers in quotes, null as absent).</summary>
public sealed class MessageReader(bool unknownFieldsAreErrors)
{
    private readonly List<Finding> errors = [];

    public IReadOnlyList<Finding> Errors => errors;

    public Message Read(MessageType type, Node? node)
    {
        var message = new Message(type, node);
        if (node is null or ScalarNode { IsNull: true }) return message;
        if (node is not MapNode map)
        {
            Mismatch(node, "an object");
            return message;
        }

        // In the order of the shape, so that of a oneof the last declared wins, as in Go.
        foreach (var field in type.Fields)
            if ((map[field.Name] ?? map[field.ProtoName]) is { } value) Fill(message, field, value);

        foreach (var (name, value) in map.Fields)
            if (type.Find(name) is null && unknownFieldsAreErrors) errors.Add(new($"unknown field \"{name}\" in {type}", value.Origin, value.Path));
        return message;
    }

    private void Fill(Message message, Field field, Node node)
    {
        if (node is ScalarNode { IsNull: true } && field.Kind != FieldKind.Any) return;

        switch (field.Cardinality)
        {
            case Cardinality.List when node is ListNode list:
                if (list.Items.Count > 0) message.Set(field, List(field, list));
                break;
            case Cardinality.Map when node is MapNode map:
                message.Set(field, map.Fields.Select(e => KeyValuePair.Create(e.Key, Key(field, e) ?? Single(field, e.Value) ?? Zero(field))).ToList());
                break;
            case Cardinality.One:
                if (Single(field, node) is { } value && (field.IsNullable || field.Oneof is not null || !IsZero(field, value))) message.Set(field, value);
                break;
            default:
                Mismatch(node, field.Cardinality == Cardinality.List ? "a list" : "an object");
                break;
        }
    }

    private object List(Field field, ListNode list) => field.Kind switch
    {
        FieldKind.Message => list.Items.Select(item => Read(field.Message!, item)).ToList(),
        FieldKind.Object or FieldKind.Any => list.Items.ToList(),
        FieldKind.Text or FieldKind.Enum or FieldKind.Bytes or FieldKind.Timestamp => list.Items.Select(item => Single(field, item) as string ?? "").ToList(),
        _ => list.Items.Select(item => Single(field, item) as long? ?? 0).ToList(),
    };

    /// <summary>Only complains; the key itself is kept as text.</summary>
    private object? Key(Field field, KeyValuePair<string, Node> entry)
    {
        if (field.KeyKind != FieldKind.Text && !Scalars.TryInteger(entry.Key, out _))
            errors.Add(new($"the key \"{entry.Key}\" must be a whole number", entry.Value.Origin, entry.Value.Path));
        return null;
    }

    /// <returns>Null when the value does not fit; said already.</returns>
    private object? Single(Field field, Node node) => field.Kind switch
    {
        FieldKind.Message => Read(field.Message!, node),
        FieldKind.Object => node is MapNode ? node : Mismatch(node, "an object"),
        FieldKind.Any => node,
        _ when node is not ScalarNode => Mismatch(node, Expected(field)),
        _ => Scalar(field, (ScalarNode)node),
    };

    private object? Scalar(Field field, ScalarNode scalar)
    {
        var kind = Scalars.KindOf(scalar);
        if (kind == ScalarKind.Null) return Zero(field);
        return field.Kind switch
        {
            FieldKind.Text when field.IsIntOrString => scalar.Text,
            FieldKind.Text or FieldKind.Bytes or FieldKind.Timestamp => kind == ScalarKind.Text ? scalar.Text : Mismatch(scalar, "a string (put it in quotes)"),
            FieldKind.Flag => kind == ScalarKind.Bool ? Scalars.IsTrue(scalar) : scalar.IsQuoted && scalar.Text is "true" or "false" ? scalar.Text == "true" : Mismatch(scalar, "true or false"),
            FieldKind.Double => Fraction(scalar, kind),
            FieldKind.Duration => Duration(scalar, kind),
            FieldKind.Enum => EnumValue(field.Enum!, scalar, kind),
            _ => Whole(field, scalar, kind),
        };
    }

    private object? Whole(Field field, ScalarNode scalar, ScalarKind kind)
    {
        if (!Scalars.TryInteger(scalar.Text, out var number) || kind == ScalarKind.Text && !scalar.IsQuoted) return Mismatch(scalar, "a whole number");

        var (min, max) = RangeOf(field.Kind);
        if (number < min || number > max)
        {
            errors.Add(new($"{scalar.Text} is out of range: want {min} to {max}", scalar.Origin, scalar.Path));
            return null;
        }
        return number > long.MaxValue ? long.MaxValue : (long)number;
    }

    private static (decimal Min, decimal Max) RangeOf(FieldKind kind) => kind switch
    {
        FieldKind.Int32 => (int.MinValue, int.MaxValue),
        FieldKind.UInt32 => (0, uint.MaxValue),
        FieldKind.UInt64 => (0, ulong.MaxValue),
        _ => (long.MinValue, long.MaxValue),
    };

    private object? Fraction(ScalarNode scalar, ScalarKind kind)
    {
        if (kind is ScalarKind.Bool || !double.TryParse(scalar.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)) return Mismatch(scalar, "a number");
        return number;
    }

    private object? Duration(ScalarNode scalar, ScalarKind kind)
    {
        if (kind != ScalarKind.Text) return Mismatch(scalar, "a duration such as 5s or 100ms, in quotes where it is a number");
        if (GoDuration.TryParse(scalar.Text, out var nanoseconds, out var problem)) return nanoseconds;

        errors.Add(new($"bad Duration: {problem}", scalar.Origin, scalar.Path));
        return null;
    }

    private object? EnumValue(EnumType type, ScalarNode scalar, ScalarKind kind)
    {
        if (kind == ScalarKind.Text && type.Has(scalar.Text)) return scalar.Text;
        if (kind == ScalarKind.Integer && Scalars.TryInteger(scalar.Text, out var number) && Math.Abs(number) <= int.MaxValue)
            return type.NameOf((int)number) ?? scalar.Text;

        var shown = kind == ScalarKind.Text ? $"\"\\\"{scalar.Text}\\\"\"" : $"\"{scalar.Text}\"";
        errors.Add(new($"unknown value {shown} for enum {type.Name}", scalar.Origin, scalar.Path));
        return null;
    }

    private object? Mismatch(Node node, string expected)
    {
        var got = node switch { MapNode => "an object", ListNode => "a list", ScalarNode { IsQuoted: true } q => $"\"{q.Text}\"", ScalarNode s => s.Text, _ => "" };
        if (got.Length > 80) got = got[..80] + "…";
        errors.Add(new($"{(node.Path.Length > 0 ? node.Path : "the document")} must be {expected}, not {got}", node.Origin, node.Path));
        return null;
    }

    private static string Expected(Field field) => field.Kind switch
    {
        FieldKind.Flag => "true or false",
        FieldKind.Text or FieldKind.Bytes or FieldKind.Enum => "a string",
        FieldKind.Duration => "a duration",
        FieldKind.Double => "a number",
        FieldKind.Timestamp => "a time",
        _ => "a whole number",
    };

    private static object Zero(Field field) => field.Kind switch
    {
        FieldKind.Flag => false,
        FieldKind.Double => 0.0,
        FieldKind.Text or FieldKind.Bytes or FieldKind.Timestamp => "",
        FieldKind.Enum => field.Enum!.NameOf(0) ?? "",
        FieldKind.Message => new Message(field.Message!, null),
        _ => 0L,
    };

    private static bool IsZero(Field field, object value) => field.Kind switch
    {
        FieldKind.Message or FieldKind.Duration or FieldKind.Object or FieldKind.Any => false,
        _ => value.Equals(Zero(field)),
    };
}
