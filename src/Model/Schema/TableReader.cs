using System.Globalization;

namespace Mesh.Model.Schema;

/// <summary>
/// Reads the schema tables. A block starts at the margin (<c>package</c>, <c>kind</c>, <c>message</c>, <c>enum</c>); its lines are indented.
/// A field is <c>name: type attribute...</c>; a type in [] is a list, in {} a map, with ? nullable; <c>!</c> begins a rule about the whole message.
/// </summary>
internal sealed class TableReader
{
    private string package = "";
    private Action<string>? take;
    private Action? end;

    public List<ResourceKind> Kinds { get; } = [];
    public List<MessageType> Messages { get; } = [];
    public List<EnumType> Enums { get; } = [];

    public void Read(string table, TextReader text)
    {
        var number = 0;
        while (text.ReadLine() is { } line)
        {
            number++;
            try
            {
                ReadLine(line);
            }
            catch (Exception e) when (e is FormatException or InvalidOperationException)
            {
                throw new InvalidOperationException($"{table}.schema:{number}: {e.Message}", e);
            }
        }
        EndBlock();
    }

    private void ReadLine(string line)
    {
        if (line.Length == 0 || line.StartsWith('#')) return;
        if (line[0] == ' ')
        {
            (take ?? throw new FormatException("a line of no block"))(line.Trim());
            return;
        }

        EndBlock();
        var words = line.Split(' ');
        switch (words[0])
        {
            case "package": package = words[1]; break;
            case "kind": BeginKind(words); break;
            case "message": BeginMessage(words[1]); break;
            case "enum": BeginEnum(words[1]); break;
            default: throw new FormatException($"unknown block '{words[0]}'");
        }
    }

    private void EndBlock()
    {
        end?.Invoke();
        (take, end) = (null, null);
    }

    private void BeginKind(string[] words)
    {
        var versions = words[3..];
        string plural = "", spec = "";
        var (isRequired, isClusterWide) = (false, false);
        var (shorts, columns, rules) = (new List<string>(), new List<PrinterColumn>(), new List<CrdRule>());
        take = line =>
        {
            var parts = line.Split(' ');
            switch (parts[0])
            {
                case "plural": plural = parts[1]; break;
                case "short": shorts.AddRange(parts[1..]); break;
                case "cluster": isClusterWide = true; break;
                case "column": columns.Add(new(parts[1].Replace('_', ' '), parts[2], string.Join(' ', parts[3..]))); break;
                case "spec":
                    spec = parts[1];
                    foreach (var attribute in parts[2..])
                    {
                        if (attribute == "required") isRequired = true;
                        else rules.Add(CrdRules.Get(attribute["rule=".Length..], [], null));
                    }
                    break;
                default: throw new FormatException($"a kind has no '{parts[0]}'");
            }
        };
        end = () => Kinds.Add(new(words[1], words[2])
        {
            Versions = [.. versions.Select(v => v.TrimEnd('*'))],
            StorageVersion = versions.First(v => v.EndsWith('*')).TrimEnd('*'),
            Plural = plural, ShortNames = shorts, SpecName = spec, SpecIsRequired = isRequired, IsClusterWide = isClusterWide, SpecRules = rules, Columns = columns,
        });
    }

    private void BeginMessage(string name)
    {
        var fields = new List<Field>();
        var rules = new List<CrdRule>();
        var full = Full(name);
        take = line =>
        {
            if (line.StartsWith('!')) rules.Add(ReadRule(line[1..].Trim()));
            else fields.Add(ReadField(line));
        };
        end = () => Messages.Add(new(full, fields, rules));
    }

    private void BeginEnum(string name)
    {
        var values = new List<KeyValuePair<string, int>>();
        var full = Full(name);
        take = line =>
        {
            foreach (var word in line.Split(' '))
            {
                var parts = word.Split('=');
                values.Add(new(parts[0], parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : values.Count));
            }
        };
        end = () => Enums.Add(new(full, values));
    }

    private static CrdRule ReadRule(string line)
    {
        var parts = line.Split(" : ", 2);
        var words = parts[0].Split(' ', 2);
        return CrdRules.Get(words[0], words.Length > 1 ? words[1].Split(',') : [], parts.Length > 1 ? parts[1] : null);
    }

    private Field ReadField(string line)
    {
        var colon = line.IndexOf(": ", StringComparison.Ordinal);
        var (name, rest) = (line[..colon], line[(colon + 2)..]);
        var close = rest[0] switch { '[' => rest.IndexOf(']') + 1, '{' => rest.IndexOf('}') + 1, _ => -1 };
        if (close < 0) close = rest.IndexOf(' ') is var space and >= 0 ? space : rest.Length;
        var attributes = rest[close..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return Attributes(Typed(name, rest[..close]), attributes);
    }

    private Field Typed(string name, string type)
    {
        if (type[0] == '[') return Typed(name, type[1..^1]) with { Cardinality = Cardinality.List };
        if (type[0] == '{')
        {
            var parts = type[1..^1].Split(": ");
            return Typed(name, parts[1]) with { Cardinality = Cardinality.Map, KeyKind = Plain(parts[0]) ?? throw new FormatException($"no key type {parts[0]}") };
        }

        var isNullable = type.EndsWith('?');
        var bare = type.TrimEnd('?');
        var plain = Plain(bare);
        var field = new Field(name, plain ?? FieldKind.Message, Cardinality.One) { IsNullable = isNullable, ProtoName = Snake(name), IsIntOrString = bare == "intOrString" };
        if (bare == "duration") field = field with { Limits = new() { Rules = [CrdRules.DurationMin] } };
        if (plain is not null) return field;
        return bare.StartsWith('%')
            ? field with { Kind = FieldKind.Enum, TypeName = Full(bare[1..]) }
            : field with { TypeName = Full(bare) };
    }

    private static FieldKind? Plain(string type) => type switch
    {
        "string" or "intOrString" => FieldKind.Text,
        "bool" => FieldKind.Flag,
        "int32" => FieldKind.Int32,
        "uint32" => FieldKind.UInt32,
        "int64" => FieldKind.Int64,
        "uint64" => FieldKind.UInt64,
        "double" or "float" => FieldKind.Double,
        "bytes" => FieldKind.Bytes,
        "duration" or "duration0" => FieldKind.Duration,
        "timestamp" => FieldKind.Timestamp,
        "struct" => FieldKind.Object,
        "value" => FieldKind.Any,
        _ => null,
    };

    private static Field Attributes(Field field, string[] attributes)
    {
        foreach (var attribute in attributes)
        {
            var equals = attribute.IndexOf('=', StringComparison.Ordinal);
            var (key, value) = equals < 0 ? (attribute, "") : (attribute[..equals], attribute[(equals + 1)..]);
            field = key switch
            {
                "required" => field with { IsRequired = true },
                "deprecated" => field with { IsDeprecated = true },
                "noeffect" => field with { HasNoEffect = true },
                "oneof" => field with { Oneof = value },
                "as" => field with { ProtoName = value },
                "alias" => field with { CrdAlias = value },
                "key" => field with { ListKeys = value.Split(',') },
                "default" => field with { Default = value.Replace('~', ' ') },
                _ when key.StartsWith("item.", StringComparison.Ordinal) || key.StartsWith("value.", StringComparison.Ordinal) =>
                    field with { ElementLimits = Bound(field.ElementLimits, key[(key.IndexOf('.', StringComparison.Ordinal) + 1)..], value) },
                _ => field with { Limits = Bound(field.Limits, key, value) },
            };
        }
        return field;
    }

    private static Limits Bound(Limits limits, string key, string value) => key switch
    {
        "minLength" => limits with { LengthMin = Number(value) },
        "maxLength" => limits with { LengthMax = Number(value) },
        "pattern" => limits with { Pattern = value },
        "minimum" => limits with { Minimum = decimal.Parse(value, CultureInfo.InvariantCulture) },
        "maximum" => limits with { Maximum = decimal.Parse(value, CultureInfo.InvariantCulture) },
        "minItems" => limits with { ItemsMin = Number(value) },
        "maxItems" => limits with { ItemsMax = Number(value) },
        "minProperties" => limits with { PropertiesMin = Number(value) },
        "maxProperties" => limits with { PropertiesMax = Number(value) },
        "rule" => limits with { Rules = [.. limits.Rules, CrdRules.Get(value, [], null)] },
        _ => throw new FormatException($"unknown attribute '{key}'"),
    };

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private string Full(string name) => name.StartsWith("istio.", StringComparison.Ordinal) || name.StartsWith("gateway.", StringComparison.Ordinal) ? name : $"{package}.{name}";

    /// <summary>fooBarBaz to foo_bar_baz, protobuf's usual spelling.</summary>
    private static string Snake(string name) => string.Concat(name.Select(c => char.IsAsciiLetterUpper(c) ? $"_{char.ToLowerInvariant(c)}" : $"{c}"));
}
