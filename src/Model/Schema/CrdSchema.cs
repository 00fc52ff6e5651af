using System.Text.Json.Nodes;

namespace Mesh.Model.Schema;

/// <summary>A shape as the structural OpenAPI schema of a CRD.</summary>
internal static class CrdSchema
{
    public static JsonObject Of(MessageType type)
    {
        var properties = new JsonObject();
        foreach (var field in type.Fields)
        {
            properties[field.Name] = Of(field);
            if (field.CrdAlias is { } alias) properties[alias] = Of(field);
        }

        var schema = new JsonObject { ["type"] = "object" };
        if (properties.Count > 0) schema["properties"] = properties;
        if (type.Fields.Where(f => f.IsRequired).Select(f => (JsonNode?)f.Name).ToArray() is { Length: > 0 } required) schema["required"] = new JsonArray(required);
        AddOneofs(schema, type);
        AddRules(schema, type.Rules);
        return schema;
    }

    public static void AddRules(JsonObject schema, IReadOnlyList<CrdRule> rules)
    {
        if (rules.Count == 0) return;
        if (schema["x-kubernetes-validations"] is not JsonArray all) schema["x-kubernetes-validations"] = all = [];
        foreach (var rule in rules) all.Add((JsonNode)new JsonObject { ["rule"] = rule.Cel, ["message"] = rule.Message });
    }

    private static JsonObject Of(Field field)
    {
        switch (field.Cardinality)
        {
            case Cardinality.List:
                var list = new JsonObject { ["type"] = "array", ["items"] = Bounded(Single(field), field.ElementLimits) };
                if (field.ListKeys.Count > 0)
                {
                    list["x-kubernetes-list-type"] = "map";
                    list["x-kubernetes-list-map-keys"] = new JsonArray([.. field.ListKeys.Select(k => (JsonNode?)k)]);
                }
                return Bounded(list, field.Limits);
            case Cardinality.Map:
                return Bounded(new JsonObject { ["type"] = "object", ["additionalProperties"] = Bounded(Single(field), field.ElementLimits) }, field.Limits);
            default:
                return Bounded(Single(field), field.Limits);
        }
    }

    private static JsonObject Single(Field field)
    {
        JsonObject schema = field.Kind switch
        {
            FieldKind.Message => Of(field.Message!),
            FieldKind.Text when field.IsIntOrString => new() { ["x-kubernetes-int-or-string"] = true },
            FieldKind.Text or FieldKind.Duration => new() { ["type"] = "string" },
            FieldKind.Bytes => new() { ["type"] = "string", ["format"] = "byte" },
            FieldKind.Timestamp => new() { ["type"] = "string", ["format"] = "date-time" },
            FieldKind.Flag => new() { ["type"] = "boolean" },
            FieldKind.Int32 => new() { ["type"] = "integer", ["format"] = "int32" },
            FieldKind.UInt32 => new() { ["type"] = "integer", ["minimum"] = 0, ["maximum"] = uint.MaxValue },
            FieldKind.Int64 => new() { ["type"] = "integer", ["format"] = "int64" },
            FieldKind.UInt64 => new() { ["type"] = "integer", ["minimum"] = 0 },
            FieldKind.Double => new() { ["type"] = "number", ["format"] = "double" },
            FieldKind.Enum => new() { ["type"] = "string", ["enum"] = new JsonArray([.. field.Enum!.Values.Select(v => (JsonNode?)v.Key)]) },
            FieldKind.Object => new() { ["type"] = "object", ["x-kubernetes-preserve-unknown-fields"] = true },
            _ => new() { ["x-kubernetes-preserve-unknown-fields"] = true },
        };
        if (field.IsNullable) schema["nullable"] = true;
        if (field.Default is { } value && field.Cardinality == Cardinality.One) schema["default"] = Default(field, value);
        return schema;
    }

    private static JsonObject Bounded(JsonObject schema, Limits limits)
    {
        Set("minLength", limits.LengthMin);
        Set("maxLength", limits.LengthMax);
        Set("minItems", limits.ItemsMin);
        Set("maxItems", limits.ItemsMax);
        Set("minProperties", limits.PropertiesMin);
        Set("maxProperties", limits.PropertiesMax);
        if (limits.Minimum is { } minimum) schema["minimum"] = minimum;
        if (limits.Maximum is { } maximum) schema["maximum"] = maximum;
        if (limits.Pattern is { } pattern) schema["pattern"] = pattern;
        AddRules(schema, limits.Rules);
        return schema;

        void Set(string name, int? value)
        {
            if (value is not null) schema[name] = value;
        }
    }

    /// <summary>Of each oneof at most one member: none of them, or just this one.</summary>
    private static void AddOneofs(JsonObject schema, MessageType type)
    {
        var groups = type.Fields.Where(f => f.Oneof is not null).GroupBy(f => f.Oneof).Select(g => OneOf([.. g.Select(f => f.Name)])).ToList();
        if (groups.Count == 1) schema["oneOf"] = groups[0];
        else if (groups.Count > 1) schema["allOf"] = new JsonArray([.. groups.Select(g => new JsonObject { ["oneOf"] = g })]);

        static JsonArray OneOf(List<string> names)
        {
            var none = new JsonObject { ["not"] = new JsonObject { ["anyOf"] = new JsonArray([.. names.Select(Required)]) } };
            return new([none, .. names.Select(Required)]);
        }

        static JsonObject Required(string name) => new() { ["required"] = new JsonArray(name) };
    }

    private static JsonNode? Default(Field field, string value) => field.Kind switch
    {
        FieldKind.Int32 or FieldKind.UInt32 or FieldKind.Int64 or FieldKind.UInt64 or FieldKind.Flag or FieldKind.Message or FieldKind.Object => JsonNode.Parse(value),
        _ => value,
    };
}
