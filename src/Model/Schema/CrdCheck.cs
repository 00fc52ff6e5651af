using System.Collections.Concurrent;
using System.Globalization;
using System.Text.RegularExpressions;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Model.Schema;

/// <summary>What the API server says to an object before any webhook: types, required fields, ranges, patterns, oneofs, rules. Unknown fields are warnings: they are pruned.</summary>
public static class CrdCheck
{
    private const int FindingsMax = 100;
    private static readonly TimeSpan PatternTimeMax = TimeSpan.FromMilliseconds(200);
    private static readonly ConcurrentDictionary<string, Regex> Patterns = new();

    public static Verdict Check(ResourceKind kind, MapNode resource)
    {
        var pass = new Pass();
        if (resource["spec"] is { } spec) pass.Object(kind.Spec, spec, new("spec", "spec"), kind.SpecRules);
        else if (kind.SpecIsRequired) pass.Error("spec: Required value", resource);

        // As in Kubernetes, rules are looked at only when the shape is right.
        if (!pass.IsBlocked) pass.RunRules();
        return pass.Verdict;
    }

    /// <summary>A field's path as schema errors spell it, and as rules do: with map keys in brackets.</summary>
    private readonly record struct Place(string Path, string InRules)
    {
        public Place Field(string name) => new($"{Path}.{name}", $"{InRules}.{name}");
        public Place Item(int index) => new($"{Path}[{index}]", $"{InRules}[{index}]");
        public Place Key(string key) => new($"{Path}.{key}", $"{InRules}[{key}]");
        public override string ToString() => Path;
    }

    private sealed class Pass
    {
        private readonly List<Finding> errors = [];
        private readonly List<Finding> warnings = [];
        private readonly List<(CrdRule Rule, Node Node, Place Path)> rules = [];

        /// <summary>A type, length or presence is wrong.</summary>
        public bool IsBlocked { get; private set; }
        public Verdict Verdict => errors.Count == 0 && warnings.Count == 0 ? Verdict.Accepted : new(errors, warnings);

        public void Error(string message, Node at, bool blocks = true)
        {
            IsBlocked |= blocks;
            if (errors.Count < FindingsMax) errors.Add(new(message, at.Origin, at.Path));
        }

        public void RunRules()
        {
            foreach (var (rule, node, path) in rules)
                if (rule.Violated(node)) Error($"{path.InRules}: Invalid value: {Shown(node)}{rule.Message}", node, blocks: false);
        }

        public void Object(MessageType type, Node node, Place path, IReadOnlyList<CrdRule> more)
        {
            if (node is not MapNode map)
            {
                WrongType(node, path, "object");
                return;
            }
            foreach (var field in type.Fields)
            {
                if (map[field.Name] is { } value) Value(field, value, path.Field(field.Name));
                else if (field.IsRequired) Error($"{path}.{field.Name}: Required value", map);
                if (field.CrdAlias is { } alias && map[alias] is { } second) Value(field, second, path.Field(alias));
            }
            foreach (var (name, value) in map.Fields)
                if ((type.Find(name) is not { } known || known.Name != name && known.CrdAlias != name) && warnings.Count < FindingsMax)
                    warnings.Add(new($"unknown field \"{path}.{name}\"", value.Origin, value.Path));

            Oneofs(type, map, path);
            foreach (var rule in type.Rules) rules.Add((rule, map, path));
            foreach (var rule in more) rules.Add((rule, map, path));
        }

        private void Oneofs(MessageType type, MapNode map, Place path)
        {
            foreach (var group in type.Fields.Where(f => f.Oneof is not null).GroupBy(f => f.Oneof))
            {
                var set = group.Count(f => map[f.Name] is not null);
                if (set > 1) Error($"{path}: Invalid value: \"\": \"{path}\" must validate one and only one schema (oneOf). Found {set} valid alternatives", map, blocks: false);
            }
        }

        private void Value(Field field, Node node, Place path)
        {
            switch (field.Cardinality)
            {
                case Cardinality.List:
                    if (node is ListNode list) List(field, list, path);
                    else WrongType(node, path, "array");
                    break;
                case Cardinality.Map:
                    if (node is MapNode map) Map(field, map, path);
                    else WrongType(node, path, "object");
                    break;
                default:
                    Single(field, field.Limits, node, path);
                    break;
            }
        }

        private void List(Field field, ListNode list, Place path)
        {
            var (limits, count) = (field.Limits, list.Items.Count);
            if (count < limits.ItemsMin) Error($"{path}: Invalid value: {count}: {path} in body should have at least {limits.ItemsMin} items", list, blocks: false);
            if (count > limits.ItemsMax) Error($"{path}: Too many: {count}: must have at most {limits.ItemsMax} items", list);

            var seen = new HashSet<string>();
            for (var i = 0; i < count && errors.Count < FindingsMax; i++)
            {
                var item = list.Items[i];
                Single(field, field.ElementLimits, item, path.Item(i));
                if (field.ListKeys.Count == 0 || item is not MapNode entry) continue;

                var key = string.Join(",", field.ListKeys.Where(k => entry[k] is ScalarNode).Select(k => $"\"{k}\":{Json((ScalarNode)entry[k]!)}"));
                if (!seen.Add(key)) Error($"{path}[{i}]: Duplicate value: {{{key}}}", item, blocks: false);
            }
            foreach (var rule in limits.Rules) rules.Add((rule, list, path));
        }

        private void Map(Field field, MapNode map, Place path)
        {
            var (limits, count) = (field.Limits, map.Fields.Count);
            if (count < limits.PropertiesMin) Error($"{path}: Invalid value: {count}: {path} in body should have at least {limits.PropertiesMin} properties", map, blocks: false);
            if (count > limits.PropertiesMax) Error($"{path}: Too many: {count}: must have at most {limits.PropertiesMax} items", map);
            foreach (var (name, value) in map.Fields)
            {
                if (errors.Count >= FindingsMax) return;
                Single(field, field.ElementLimits, value, path.Key(name));
            }
            foreach (var rule in limits.Rules) rules.Add((rule, map, path));
        }

        private void Single(Field field, Limits limits, Node node, Place path)
        {
            if (field.IsNullable && node is ScalarNode { IsNull: true }) return;

            var before = errors.Count;
            switch (field.Kind)
            {
                case FieldKind.Message: Object(field.Message!, node, path, limits.Rules); return;
                case FieldKind.Any: return;
                case FieldKind.Object:
                    if (node is not MapNode) WrongType(node, path, "object");
                    return;
                case FieldKind.Flag: Type(node, path, "boolean", ScalarKind.Bool); return;
                case FieldKind.Double: Type(node, path, "number", ScalarKind.Integer, ScalarKind.Float); break;
                case FieldKind.Text when field.IsIntOrString: return;
                case FieldKind.Text or FieldKind.Bytes or FieldKind.Duration or FieldKind.Timestamp or FieldKind.Enum: Type(node, path, "string", ScalarKind.Text); break;
                default: Type(node, path, "integer", ScalarKind.Integer); break;
            }
            if (errors.Count > before) return;

            var scalar = (ScalarNode)node;
            if (field.Kind is FieldKind.Enum) Enum(field.Enum!, scalar, path);
            else if (field.Kind is FieldKind.Text or FieldKind.Bytes) Text(limits, scalar, path);
            else if (field.Kind is FieldKind.Duration) Duration(limits, scalar, path);
            else Number(field, limits, scalar, path);
            if (field.Kind is not FieldKind.Duration) foreach (var rule in limits.Rules) rules.Add((rule, node, path));
        }

        private void Text(Limits limits, ScalarNode scalar, Place path)
        {
            var text = scalar.Text;
            if (text.Length < limits.LengthMin) Error($"{path}: Invalid value: {Json(scalar)}: {path} in body should be at least {limits.LengthMin} chars long", scalar, blocks: false);
            if (text.Length > limits.LengthMax) Error($"{path}: Too long: may not be more than {limits.LengthMax} bytes", scalar);
            else if (limits.Pattern is { } pattern && !Matches(pattern, text)) Error($"{path}: Invalid value: {Json(scalar)}: {path} in body should match '{pattern}'", scalar, blocks: false);
        }

        private void Number(Field field, Limits limits, ScalarNode scalar, Place path)
        {
            var value = Scalars.TryInteger(scalar.Text, out var whole) ? whole
                : double.TryParse(scalar.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) && Math.Abs(real) < 7e27 ? (decimal)real : decimal.MaxValue;
            var minimum = limits.Minimum ?? (field.Kind is FieldKind.UInt32 or FieldKind.UInt64 ? 0 : null);
            var maximum = limits.Maximum ?? (field.Kind is FieldKind.UInt32 ? uint.MaxValue : null);
            if (value < minimum) Error($"{path}: Invalid value: {scalar.Text}: {path} in body should be greater than or equal to {minimum}", scalar, blocks: false);
            if (value > maximum) Error($"{path}: Invalid value: {scalar.Text}: {path} in body should be less than or equal to {maximum}", scalar, blocks: false);
        }

        private void Duration(Limits limits, ScalarNode scalar, Place path)
        {
            if (limits.Rules.Count == 0) return;
            if (GoDuration.TryParse(scalar.Text, out _, out _)) rules.Add((limits.Rules[0], scalar, path));
            else Error($"{path.InRules}: Invalid value: \"string\": type conversion error from 'string' to 'google.protobuf.Duration' evaluating rule: {limits.Rules[0].Message}", scalar, blocks: false);
        }

        private void Enum(EnumType type, ScalarNode scalar, Place path)
        {
            if (!type.Has(scalar.Text))
                Error($"{path}: Unsupported value: {Json(scalar)}: supported values: {string.Join(", ", type.Values.Select(v => $"\"{v.Key}\""))}", scalar, blocks: false);
        }

        private void Type(Node node, Place path, string wanted, params ReadOnlySpan<ScalarKind> kinds)
        {
            if (node is not ScalarNode scalar || !kinds.Contains(Scalars.KindOf(scalar))) WrongType(node, path, wanted);
        }

        private void WrongType(Node node, Place path, string wanted)
        {
            var got = node switch
            {
                MapNode => "object",
                ListNode => "array",
                ScalarNode s => Scalars.KindOf(s) switch { ScalarKind.Null => "null", ScalarKind.Bool => "boolean", ScalarKind.Integer => "integer", ScalarKind.Float => "number", _ => "string" },
                _ => "",
            };
            Error($"{path}: Invalid value: \"{got}\": {path} in body must be of type {wanted}: \"{got}\"", node);
        }

        /// <summary>Scalars are shown with a colon; objects and lists are not shown.</summary>
        private static string Shown(Node node) => node is ScalarNode scalar ? $"{Json(scalar)}: " : "";

        private static string Json(ScalarNode scalar) =>
            Scalars.KindOf(scalar) == ScalarKind.Text ? $"\"{(scalar.Text.Length > 256 ? scalar.Text[..256] + "…" : scalar.Text)}\"" : scalar.Text;

        private static bool Matches(string pattern, string text)
        {
            try
            {
                return Patterns.GetOrAdd(pattern, p => new(p, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking, PatternTimeMax)).IsMatch(text);
            }
            catch (RegexMatchTimeoutException)
            {
                return false;
            }
        }
    }
}
