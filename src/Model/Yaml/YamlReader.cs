using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Mesh.Model.Yaml;

/// <summary>A file that is not YAML at all, or breaks a bound.</summary>
public sealed record YamlError(Origin Origin, string Message);

/// <summary>Text to positioned nodes, several documents a file. JSON is read by the same code: it is a subset.</summary>
public static class YamlReader
{
    private const int DepthMax = 64;          // CRDs nest less than 20 deep; a bound keeps the recursion off the stack's end.
    private const int NodesMax = 1_000_000;   // counts aliases each time they are used, so that alias bombs end here.

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
        catch (YamlException e)
        {
            error = new(new(file, (int)e.Start.Line), e.InnerException?.Message ?? e.Message);
        }
        return documents;
    }

    private sealed class Reading(IParser parser, string file)
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
                var node = Value(parser, "", 0);
                parser.Consume<DocumentEnd>();
                if (node is not ScalarNode { IsNull: true }) into.Add(node);
            }
        }

        private Node Value(IParser from, string path, int depth)
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

            var origin = new Origin(file, (int)start.Line);
            if (from.TryConsume<Scalar>(out var scalar))
                return new ScalarNode(origin, path, scalar.Value, scalar.Style is not (ScalarStyle.Plain or ScalarStyle.Any));
            if (from.TryConsume<SequenceStart>(out _))
            {
                var items = new List<Node>();
                while (!from.TryConsume<SequenceEnd>(out _)) items.Add(Value(from, $"{path}[{items.Count}]", depth + 1));
                return new ListNode(origin, path, items);
            }

            from.Consume<MappingStart>();
            var fields = new List<KeyValuePair<string, Node>>();
            var seen = new HashSet<string>();
            while (!from.TryConsume<MappingEnd>(out _))
            {
                var key = from.Consume<Scalar>();
                if (!seen.Add(key.Value)) throw new YamlException(key.Start, key.End, $"key \"{key.Value}\" already set in map");
                fields.Add(new(key.Value, Value(from, path.Length == 0 ? key.Value : $"{path}.{key.Value}", depth + 1)));
            }
            return new MapNode(origin, path, fields);
        }

        /// <summary>Records the events of an anchored value so that an alias can read them again.</summary>
        private Node Anchored(AnchorName anchor, string path, int depth)
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
