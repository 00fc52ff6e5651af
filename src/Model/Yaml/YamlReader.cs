using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Mesh.Model.Yaml;

/// <summary>A file that is not YAML at all, or breaks a bound.</summary>
public sealed record YamlError(Origin Origin, string Message);

/// <summary>One document of a file: its first line, and what it holds or why it cannot be read. Both null when it is empty.</summary>
public sealed record YamlDocument(int Line, Node? Root, YamlError? Error);

/// <summary>Text to positioned nodes, several documents a file. JSON is read by the same code: it is a subset.</summary>
public static class YamlReader
{
    private const int DepthMax = 64;          // CRDs nest less than 20 deep; a bound keeps the recursion off the stack's end.
    private const int NodesMax = 500_000;   // per document; aliases count each time they are used, so that alias bombs end here.

    /// <summary>Reads as many whole documents as there are; what follows an error is not read.</summary>
    public static IReadOnlyList<Node> Read(string text, string file, out YamlError? error)
    {
        var documents = new List<Node>();
        error = null;
        try
        {
            var reading = new Reading(new Parser(new StringReader(text)), file);
            reading.Documents(documents);
        }
        catch (Exception e) when (IsFaultOfTheText(e))
        {
            error = new(new(file, e is YamlException at ? (int)at.Start.Line : 0), Words(e));
        }
        return documents;
    }

    /// <summary>
    /// Reads each document of a file by itself, as Kubernetes' tools do (a line of three dashes parts them): a broken one is reported alone.
    /// </summary>
    public static IReadOnlyList<YamlDocument> ReadEach(string text, string file)
    {
        var documents = new List<YamlDocument>();
        foreach (var (chunk, line) in Chunks(text))
        {
            var nodes = new List<Node>();
            YamlError? error = null;
            try
            {
                new Reading(new Parser(new StringReader(chunk)), file, line - 1).Documents(nodes);
            }
            catch (Exception e) when (IsFaultOfTheText(e))
            {
                error = new(new(file, (e is YamlException at ? (int)at.Start.Line : 1) + line - 1), Words(e));
            }
            documents.Add(new(line, error is null ? nodes.FirstOrDefault() : null, error));
        }
        return documents;
    }

    /// <summary>The text between separators with the number of its first line that says something.</summary>
    private static IEnumerable<(string Text, int Line)> Chunks(string text)
    {
        var (start, line, first, at) = (0, 0, 0, 0);
        while (at < text.Length)
        {
            var end = text.IndexOf('\n', at);
            if (end < 0) end = text.Length;
            var content = text.AsSpan(at, end - at).TrimEnd();
            line++;
            if (content is "---")
            {
                if (first > 0) yield return (text[start..at], first);
                (start, first) = (Math.Min(end + 1, text.Length), 0);
            }
            else if (!content.IsEmpty && first == 0)
            {
                (start, first) = (at, line);
            }
            at = end + 1;
        }
        if (first > 0) yield return (text[start..], first);
    }

    /// <summary>The scanner answers some broken texts with exceptions of other kinds (found by random texts).</summary>
    private static bool IsFaultOfTheText(Exception e) => e is YamlException or InvalidOperationException or ArgumentException or IndexOutOfRangeException or FormatException or OverflowException;

    /// <summary>The commonest faults in the words that users of kubectl know.</summary>
    private static string Words(Exception e)
    {
        if (e is not YamlException) return "not valid YAML";

        var said = e.InnerException?.Message ?? e.Message;
        return said.StartsWith("While scanning a plain scalar value, found invalid mapping", StringComparison.Ordinal)
            || said.StartsWith("Mapping values are not allowed", StringComparison.OrdinalIgnoreCase) ? "mapping values are not allowed in this context"
            : said.Contains("tab", StringComparison.OrdinalIgnoreCase) && said.Contains("indent", StringComparison.OrdinalIgnoreCase) ? "found character that cannot start any token (a tab?)"
            : said.TrimEnd('.');
    }

    private sealed class Reading(IParser parser, string file, int lineOffset = 0)
    {
        private readonly Dictionary<AnchorName, List<ParsingEvent>> anchors = [];
        private int nodes;

        public void Documents(List<Node> into)
        {
            parser.Consume<StreamStart>();
            while (!parser.Accept<StreamEnd>(out _))
            {
                parser.Consume<DocumentStart>();
                anchors.Clear();
                nodes = 0;
                var node = Value(parser, null, 0);
                parser.Consume<DocumentEnd>();
                if (node is not ScalarNode { IsNull: true }) into.Add(node);
            }
        }

        private Node Value(IParser from, FieldPath? path, int depth)
        {
            if (from.Current is null) from.MoveNext();
            var start = from.Current!.Start;
            if (depth > DepthMax) throw new YamlException(start, start, $"nested deeper than {DepthMax} levels");
            if (++nodes > NodesMax) throw new YamlException(start, start, $"more than {NodesMax} values (an alias may repeat others)");

            if (from.TryConsume<AnchorAlias>(out var alias))
            {
                if (!anchors.TryGetValue(alias.Value, out var events)) throw new YamlException(start, start, $"unknown alias *{alias.Value}");
                return Value(new Replay(events), path, depth + 1);
            }
            if (from.Current is NodeEvent { Anchor.IsEmpty: false } anchored && from is not Replay)
                return Anchored(anchored.Anchor, path, depth);

            var origin = new Origin(file, (int)start.Line + lineOffset);
            if (from.TryConsume<Scalar>(out var scalar))
                return new ScalarNode(origin, path, scalar.Value, scalar.Style is not (ScalarStyle.Plain or ScalarStyle.Any));
            if (from.TryConsume<SequenceStart>(out _))
            {
                var items = new List<Node>();
                while (!from.TryConsume<SequenceEnd>(out _)) items.Add(Value(from, FieldPath.Item(path, items.Count), depth + 1));
                return new ListNode(origin, path, items);
            }

            from.Consume<MappingStart>();
            var fields = new List<KeyValuePair<string, Node>>();
            var seen = new HashSet<string>();
            while (!from.TryConsume<MappingEnd>(out _))
            {
                var key = from.Consume<Scalar>();
                if (!seen.Add(key.Value)) throw new YamlException(key.Start, key.End, $"key \"{key.Value}\" already set in map");
                fields.Add(new(key.Value, Value(from, FieldPath.Field(path, key.Value), depth + 1)));
            }
            return new MapNode(origin, path, fields);
        }

        /// <summary>Records the events of an anchored value so that an alias can read them again.</summary>
        private Node Anchored(AnchorName anchor, FieldPath? path, int depth)
        {
            var events = new List<ParsingEvent>();
            var open = 0;
            do
            {
                var next = parser.Consume<ParsingEvent>();
                open += next.NestingIncrease;
                events.Add(next);
            }
            while (open > 0);
            anchors[anchor] = events;
            return Value(new Replay(events), path, depth + 1);
        }
    }

    private sealed class Replay(List<ParsingEvent> events) : IParser
    {
        private int at;
        public ParsingEvent? Current => at < events.Count ? events[at] : null;
        public bool MoveNext() => ++at < events.Count;
    }
}
