using Mesh.Proxy.Config;
using Mesh.Proxy.Http;

namespace Mesh.Proxy.Observe;

/// <summary>One configured log made ready: which requests it wants, and how their line reads. Immutable, shared by all loops.</summary>
internal sealed class AccessLog
{
    /// <summary>A longer line is cut.</summary>
    public const int LineBytesMax = 32 * 1024;

    private readonly LineFormat? text;
    private readonly JsonLine? json;
    private readonly AccessLogRule? filter;
    private readonly KeyValuePair<string, LineFormat>[] attributes = [];

    private AccessLog(AccessLogSettings settings)
    {
        Settings = settings;
        if (settings.Sink == AccessLogSink.OpenTelemetry)
        {
            text = settings.TextFormat is null ? null : LineFormat.Compile(settings.TextFormat);
            attributes = [.. (settings.Json?.Fields ?? []).Select(field => KeyValuePair.Create(field.Key, LineFormat.Compile(field.Value.Text ?? "")))];
            Collector = Collector.Of(settings);
        }
        else if (settings.Json is { } fields) json = JsonLine.Compile(fields, settings.OmitEmptyValues);
        else text = LineFormat.Compile(settings.TextFormat ?? LineFormat.Default);
        filter = settings.Filter is null ? null : AccessLogRule.Compile(settings.Filter);
    }

    public AccessLogSettings Settings { get; }

    /// <summary>Null for logs that are files.</summary>
    public Collector? Collector { get; }

    public static AccessLog Of(AccessLogSettings settings) => settings.Cell.Get(settings, static s => new AccessLog(s));

    public bool Wants(in FormatSource source) => filter is null || filter.Wants(source);

    /// <summary>The request as a log record of OpenTelemetry.</summary>
    public byte[] Record(in FormatSource source)
    {
        var fields = new KeyValuePair<string, string>[attributes.Length];
        for (var i = 0; i < fields.Length; i++) fields[i] = KeyValuePair.Create(attributes[i].Key, attributes[i].Value.ToText(source));
        return Otlp.Log(source.StartedUtc, text?.ToText(source) ?? "", fields, source.Exchange?.Span as Span);
    }

    /// <summary>Writes the line, with the line end it has. Allocates nothing.</summary>
    /// <returns>How many bytes of <paramref name="room"/> it took.</returns>
    public int Write(Span<byte> room, in FormatSource source)
    {
        var line = new ByteLine(room[..Math.Min(room.Length, LineBytesMax)]);
        if (json is not null)
        {
            json.Write(ref line, source);
            if (line.Length == room.Length || line.IsCut) line.CutTo(Math.Max(0, line.Length - 1));
            line.Append((byte)'\n');
        }
        else
        {
            text!.Write(ref line, source, Settings.OmitEmptyValues ? default : "-"u8);
            if (line.IsCut)
            {
                line.CutTo(line.Length - 1);
                line.Append((byte)'\n');
            }
        }
        return line.Length;
    }
}

/// <summary>A log's filter made ready.</summary>
internal abstract class AccessLogRule
{
    public abstract bool Wants(in FormatSource source);

    public static AccessLogRule Compile(AccessLogFilter filter) => filter switch
    {
        AccessLogFilter.Status f => new StatusRule(f),
        AccessLogFilter.Duration f => new DurationRule(f),
        AccessLogFilter.NotHealthCheck => new HealthCheckRule(),
        AccessLogFilter.Traceable => new TraceableRule(),
        AccessLogFilter.Share f => new ShareRule(f.Fraction),
        AccessLogFilter.And f => new ListRule([.. f.Inner.Select(Compile)], isAnd: true),
        AccessLogFilter.Or f => new ListRule([.. f.Inner.Select(Compile)], isAnd: false),
        AccessLogFilter.Header f => new HeaderRule(new(f.Match)),
        AccessLogFilter.ResponseFlag f => new FlagRule([.. f.Flags.Select(Enum.Parse<ResponseFlag>)]),
        AccessLogFilter.GrpcStatus f => new GrpcRule(f),
        AccessLogFilter.Expression f => new ExpressionRule(Expression.Parse(f.Cel)),
        AccessLogFilter.Metadata f => new MetadataRule(f),
        _ => throw new ArgumentOutOfRangeException(nameof(filter)),
    };

    private static bool Compare(Comparison op, long value, long wanted) => op switch
    {
        Comparison.GreaterOrEqual => value >= wanted,
        Comparison.LessOrEqual => value <= wanted,
        Comparison.NotEqual => value != wanted,
        _ => value == wanted,
    };

    private sealed class StatusRule(AccessLogFilter.Status filter) : AccessLogRule
    {
        public override bool Wants(in FormatSource source) => Compare(filter.Op, source.Exchange?.Status ?? 0, filter.Value);
    }

    private sealed class DurationRule(AccessLogFilter.Duration filter) : AccessLogRule
    {
        public override bool Wants(in FormatSource source) =>
            Compare(filter.Op, (long)source.Elapsed(source.StartedAt, source.EndedAt).TotalMilliseconds, filter.Ms);
    }

    private sealed class HealthCheckRule : AccessLogRule
    {
        public override bool Wants(in FormatSource source) => source.Exchange?.Details != "health_check_ok";
    }

    private sealed class TraceableRule : AccessLogRule
    {
        public override bool Wants(in FormatSource source) => source.Exchange?.IsTraced ?? false;
    }

    private sealed class ShareRule(Fraction share) : AccessLogRule
    {
        public override bool Wants(in FormatSource source) => share.Includes((ulong)source.Worker.Loop.Random.NextInt64());
    }

    private sealed class ListRule(AccessLogRule[] rules, bool isAnd) : AccessLogRule
    {
        public override bool Wants(in FormatSource source)
        {
            foreach (var rule in rules)
                if (rule.Wants(source) != isAnd) return !isAnd;
            return isAnd;
        }
    }

    private sealed class HeaderRule(HeaderPredicate predicate) : AccessLogRule
    {
        public override bool Wants(in FormatSource source) => source.Exchange is { } exchange && predicate.IsMatch(exchange.Request);
    }

    private sealed class FlagRule(ResponseFlag[] flags) : AccessLogRule
    {
        public override bool Wants(in FormatSource source)
        {
            var raised = source.Exchange?.Flags ?? source.Connection!.Flags;
            if (flags.Length == 0) return !raised.IsEmpty;
            foreach (var flag in flags)
                if (raised.Has(flag)) return true;
            return false;
        }
    }

    private sealed class GrpcRule(AccessLogFilter.GrpcStatus filter) : AccessLogRule
    {
        public override bool Wants(in FormatSource source)
        {
            var exchange = source.Exchange;
            var status = exchange is { GrpcStatus: >= 0 } ? exchange.GrpcStatus : Failures.GrpcStatusOf(exchange?.Status ?? 0);
            return filter.Statuses.Contains(status) != filter.Exclude;
        }
    }

    private sealed class ExpressionRule(Expression expression) : AccessLogRule
    {
        public override bool Wants(in FormatSource source) => expression.IsTrue(source);
    }

    private sealed class MetadataRule(AccessLogFilter.Metadata filter) : AccessLogRule
    {
        public override bool Wants(in FormatSource source)
        {
            var match = filter.Match;
            var value = match.Path.IsEmpty ? null : source.Exchange?.GetMetadata(match.Filter, match.Path[0]);
            for (var i = 1; i < match.Path.Length; i++) value = value?[match.Path[i]];
            return value is null ? filter.MatchIfKeyNotFound : match.Value.IsMatch(value) != match.Invert;
        }
    }
}
