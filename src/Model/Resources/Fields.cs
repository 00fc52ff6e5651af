using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Mesh.Model.Yaml;

namespace Mesh.Model.Resources;

/// <summary>
/// Reads one map of a document by field name. What has the wrong shape is written down as an issue with file, line and path and
/// read as if it were absent; a resource with issues is refused as a whole, so no half-read value reaches a proxy.
/// </summary>
public readonly partial struct Fields(Node? node, List<FieldIssue> issues)
{
    private const int DurationSecondsMax = 315_576_000;   // ten years; protobuf allows 10,000, nobody means them

    public Node? Node => node is ScalarNode { IsNull: true } ? null : node;

    /// <summary>True when the field is written, even as an empty map.</summary>
    public bool Exists => Node is not null;

    public string Path => node?.Path ?? "";

    public Fields this[string key] => new(Child(key), issues);

    public bool Has(string key) => this[key].Exists;

    public void Refuse(string message) => issues.Add(new(node?.Origin ?? default, Path, message));

    public string Text(string key, string absent = "") => TextOrNull(key) ?? absent;

    /// <returns>Null when the field is absent; numbers and booleans come as they are written.</returns>
    public string? TextOrNull(string key) => Child(key) switch
    {
        null or ScalarNode { IsNull: true } => null,
        ScalarNode scalar => scalar.Text,
        var other => Wrong<string>(other, "must be a string"),
    };

    public bool Bool(string key, bool absent = false) => BoolOrNull(key) ?? absent;

    public bool? BoolOrNull(string key) => Child(key) switch
    {
        null or ScalarNode { IsNull: true } => null,
        ScalarNode { Text: "true" or "True" or "TRUE" } => true,
        ScalarNode { Text: "false" or "False" or "FALSE" } => false,
        var other => WrongValue<bool>(other, "must be true or false"),
    };

    public int Int(string key, int absent = 0) => IntOrNull(key) ?? absent;

    public int? IntOrNull(string key) => Child(key) switch
    {
        null or ScalarNode { IsNull: true } => null,
        ScalarNode scalar when int.TryParse(scalar.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => number,
        ScalarNode scalar when double.TryParse(scalar.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            && number == Math.Truncate(number) && Math.Abs(number) <= int.MaxValue => (int)number,
        var other => WrongValue<int>(other, "must be a whole number"),
    };

    public uint? UIntOrNull(string key)
    {
        if (Child(key) is not { } child || child is ScalarNode { IsNull: true }) return null;
        return child is ScalarNode scalar && uint.TryParse(scalar.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : WrongValue<uint>(child, "must be a whole number that is not negative");
    }

    public double? DoubleOrNull(string key) => Child(key) switch
    {
        null or ScalarNode { IsNull: true } => null,
        ScalarNode scalar when double.TryParse(scalar.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) => number,
        var other => WrongValue<double>(other, "must be a number"),
    };

    /// <summary>A protobuf or Go duration: <c>5s</c>, <c>1.5s</c>, <c>250ms</c>, <c>1h30m</c>.</summary>
    public TimeSpan? Duration(string key) => Child(key) switch
    {
        null or ScalarNode { IsNull: true } => null,
        ScalarNode scalar when TryDuration(scalar.Text, out var duration) => duration,
        var other => WrongValue<TimeSpan>(other, "must be a duration such as 5s, 250ms or 1h30m"),
    };

    /// <summary>An enum written as in protobuf: <c>LEAST_REQUEST</c> is <c>LeastRequest</c> here.</summary>
    public T Enum<T>(string key, T absent) where T : struct, Enum
    {
        if (Child(key) is not { } child || child is ScalarNode { IsNull: true }) return absent;
        if (child is ScalarNode { Text: { Length: > 0 } text } && char.IsAsciiLetter(text[0])
            && System.Enum.TryParse<T>(text.Replace("_", "", StringComparison.Ordinal), ignoreCase: true, out var value)) return value;
        Wrong<string>(child, $"must be one of {string.Join(", ", System.Enum.GetNames<T>())}");
        return absent;
    }

    public ImmutableArray<string> Texts(string key) => Collect<string>(key, (item, texts) =>
    {
        if (item.Node is ScalarNode scalar) texts.Add(scalar.Text);
        else item.Refuse("must be a string");
    });

    public LabelSet Labels(string key) => this[key].AsLabels();

    /// <summary>This map itself as labels.</summary>
    public LabelSet AsLabels() => Pairs() is { IsEmpty: false } pairs ? LabelSet.Of(pairs) : LabelSet.Empty;

    /// <summary>This map's scalar fields in the order in which they were written.</summary>
    public ImmutableArray<KeyValuePair<string, string>> Pairs()
    {
        if (Node is null) return [];
        if (Node is not MapNode map)
        {
            Refuse("must be a map");
            return [];
        }
        var pairs = ImmutableArray.CreateBuilder<KeyValuePair<string, string>>(map.Fields.Count);
        foreach (var (key, value) in map.Fields)
        {
            if (value is ScalarNode scalar) pairs.Add(new(key, scalar.IsNull ? "" : scalar.Text));
            else new Fields(value, issues).Refuse("must be a string");
        }
        return pairs.ToImmutable();
    }

    /// <summary>This map's fields by name, each to be read on its own.</summary>
    public IEnumerable<KeyValuePair<string, Fields>> Entries()
    {
        if (Node is not MapNode map) yield break;
        foreach (var (key, value) in map.Fields) yield return new(key, new(value, issues));
    }

    public ImmutableArray<T> Each<T>(string key, Func<Fields, T> read) => Collect<T>(key, (item, into) => into.Add(read(item)));

    /// <returns>Null when the field is absent.</returns>
    public T? Maybe<T>(string key, Func<Fields, T?> read) where T : class => this[key] is { Exists: true } child ? read(child) : null;

    /// <summary>The value as one line, keys in order: equal for equal content wherever it stood.</summary>
    public string Canonical()
    {
        static string Line(Node? node) => node switch
        {
            MapNode map => "{" + string.Join(",", map.Fields.OrderBy(field => field.Key, StringComparer.Ordinal).Select(field => $"{field.Key}:{Line(field.Value)}")) + "}",
            ListNode list => "[" + string.Join(",", list.Items.Select(Line)) + "]",
            ScalarNode scalar => scalar.IsQuoted ? $"\"{scalar.Text}\"" : scalar.Text,
            _ => "",
        };
        return Line(Node);
    }

    private ImmutableArray<T> Collect<T>(string key, Action<Fields, ImmutableArray<T>.Builder> read)
    {
        if (Child(key) is not { } child || child is ScalarNode { IsNull: true }) return [];
        if (child is not ListNode list)
        {
            Wrong<string>(child, "must be a list");
            return [];
        }
        var items = ImmutableArray.CreateBuilder<T>(list.Items.Count);
        foreach (var item in list.Items) read(new(item, issues), items);
        return items.ToImmutable();
    }

    private Node? Child(string key)
    {
        if (Node is null) return null;
        if (Node is MapNode map) return map[key];
        if (!issues.Exists(SaysSo)) Refuse("must be a map");
        return null;
    }

    private bool SaysSo(FieldIssue issue) => issue.Path == Path;

    private T? Wrong<T>(Node at, string message) where T : class
    {
        issues.Add(new(at.Origin, at.Path, message));
        return null;
    }

    private T? WrongValue<T>(Node at, string message) where T : struct
    {
        issues.Add(new(at.Origin, at.Path, message));
        return null;
    }

    public static bool TryDuration(string text, out TimeSpan duration)
    {
        duration = default;
        if (text is "0") return true;
        var match = DurationPattern().Match(text);
        if (!match.Success || text.Length == 0) return false;
        var seconds = 0.0;
        for (var i = 0; i < match.Groups["n"].Captures.Count; i++)
        {
            if (!double.TryParse(match.Groups["n"].Captures[i].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)) return false;
            seconds += number * match.Groups["u"].Captures[i].Value switch
            {
                "ns" => 1e-9,
                "us" or "µs" => 1e-6,
                "ms" => 1e-3,
                "m" => 60,
                "h" => 3600,
                _ => 1,
            };
        }
        if (seconds > DurationSecondsMax) return false;
        duration = TimeSpan.FromSeconds(text[0] == '-' ? -seconds : seconds);
        return true;
    }

    [GeneratedRegex(@"\A-?(?:(?<n>\d+(?:\.\d*)?|\.\d+)(?<u>ns|us|µs|ms|s|m|h))+\z", RegexOptions.CultureInvariant)]
    private static partial Regex DurationPattern();
}
