using System.Collections.Immutable;
using System.Text;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Observe;

/// <summary>Istio's standard metrics, in the order of the exposition.</summary>
internal enum StandardMetric
{
    Requests, RequestDuration, RequestBytes, ResponseBytes, RequestMessages, ResponseMessages,
    TcpOpened, TcpClosed, TcpSent, TcpReceived,
}

/// <summary>
/// What a Telemetry resource changes of the standard metrics: which are dropped, which labels are removed, which are set by an expression. Immutable.
/// Where nothing is changed there is no plan, and a request pays nothing for the possibility.
/// </summary>
internal sealed class MetricPlan : IEquatable<MetricPlan>
{
    /// <summary>More labels of one's own than this are not looked at.</summary>
    public const int ExpressionsMax = 32;
    private const int ValueCharsMax = 256;

    private static readonly ImmutableArray<string> Names =
    [
        "requests_total", "request_duration_milliseconds", "request_bytes", "response_bytes", "request_messages_total", "response_messages_total",
        "tcp_connections_opened_total", "tcp_connections_closed_total", "tcp_sent_bytes_total", "tcp_received_bytes_total",
    ];

    private readonly bool[] _dropped = new bool[Names.Length];
    /// <summary>By metric: label to the number of its expression; null removes the label.</summary>
    private readonly SortedDictionary<string, int?>[] _labels = [.. Names.Select(_ => new SortedDictionary<string, int?>(StringComparer.Ordinal))];
    private readonly List<Expression?> _expressions = [];
    private readonly string _key;

    private MetricPlan(IEnumerable<MetricSettings> changes, bool isOff)
    {
        IsOff = isOff;
        var known = new Dictionary<string, int>();
        var key = new StringBuilder(isOff ? "off" : "");
        foreach (var change in changes)
        {
            var tags = change.Dimensions.OrderBy(pair => pair.Key, StringComparer.Ordinal).ToList();
            key.Append(change.Name).Append('\u0001').Append(change.Drop).AppendJoin('\u0002', change.TagsToRemove).AppendJoin('\u0003', tags).Append('\u0004');
            for (var metric = 0; metric < Names.Length; metric++)
            {
                if (change.Name.Length > 0 && change.Name != Names[metric]) continue;

                _dropped[metric] = change.Drop;
                foreach (var tag in change.TagsToRemove) _labels[metric][tag] = null;
                foreach (var (tag, expression) in tags)
                    if (IndexOf(expression, known) is { } index) _labels[metric][tag] = index;
            }
        }
        _key = key.ToString();
    }

    /// <summary>No metrics filter on the way: nothing is shown of what is counted.</summary>
    public static MetricPlan Off { get; } = new([], isOff: true);

    public bool IsOff { get; }

    public int ExpressionCount => _expressions.Count;

    /// <returns>Null: the metrics as they are.</returns>
    public static MetricPlan? Of(HttpConnectionSettings settings) => settings.MetricsCell.Get(settings, static s => new Holder(
        s.Filters.OfType<IstioStatsFilter>().LastOrDefault() is { } filter ? Of(filter.Stats) : Off)).Plan;

    public static MetricPlan? Of(FilterChain chain) => chain.MetricsCell.Get(chain, static c => new Holder(
        c.Filters.OfType<NetworkStats>().LastOrDefault() is { } filter ? Of(filter.Stats) : Off)).Plan;

    public static MetricPlan? Of(IstioStatsSettings stats) => stats.Metrics.IsEmpty ? null : new(stats.Metrics, isOff: false);

    public bool Drops(StandardMetric metric) => IsOff || _dropped[(int)metric];

    /// <summary>The values of all labels that are set by expressions, in their order; an error is "unknown".</summary>
    public string[] Evaluate(in FormatSource source)
    {
        if (_expressions.Count == 0) return [];

        var values = new string[_expressions.Count];
        for (var i = 0; i < values.Length; i++)
        {
            var value = _expressions[i]?.Evaluate(source) ?? ExpressionValue.Error;
            var text = value.IsError ? "unknown" : value.ToString();
            values[i] = text.Length <= ValueCharsMax ? text : text[..ValueCharsMax];
        }
        return values;
    }

    /// <summary>Removes and sets labels; those that the metric does not have come last, by name.</summary>
    public void Change(StandardMetric metric, List<KeyValuePair<string, string>> labels, IReadOnlyList<string> values)
    {
        foreach (var (name, expression) in _labels[(int)metric])
        {
            var at = labels.FindIndex(label => label.Key == name);
            if (expression is not { } index)
            {
                if (at >= 0) labels.RemoveAt(at);
                continue;
            }
            var label = KeyValuePair.Create(name, index < values.Count ? values[index] : "unknown");
            if (at >= 0) labels[at] = label;
            else labels.Add(label);
        }
    }

    public bool Equals(MetricPlan? other) => other is not null && other._key == _key;
    public override bool Equals(object? obj) => Equals(obj as MetricPlan);
    public override int GetHashCode() => _key.GetHashCode(StringComparison.Ordinal);

    private int? IndexOf(string text, Dictionary<string, int> known)
    {
        if (known.TryGetValue(text, out var index)) return index;
        if (_expressions.Count >= ExpressionsMax) return null;

        _expressions.Add(Parse(text));
        return known[text] = _expressions.Count - 1;
    }

    // As Istio has it, an expression that cannot be read costs its label its value, not the metric.
    private static Expression? Parse(string text)
    {
        try
        {
            return Expression.Parse(text);
        }
        catch (ConfigRefusedException)
        {
            return null;
        }
    }

    private sealed record Holder(MetricPlan? Plan);
}
