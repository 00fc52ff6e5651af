using System.Collections.Immutable;
using System.Text;
using Mesh.Proxy.Http.Filters;

namespace Mesh.Proxy.Security;

/// <summary>What a rate limit service said about one descriptor.</summary>
/// <param name="RequestsPerUnit">Zero: it told no limit.</param>
/// <param name="UnitSeconds">Zero: unknown.</param>
internal sealed record DescriptorStatus(bool IsOverLimit, uint RequestsPerUnit, uint UnitSeconds, string Name, uint Remaining, uint SecondsToReset);

/// <summary>What a rate limit service said about a request.</summary>
internal sealed record RateLimitVerdict(bool IsOverLimit)
{
    public ImmutableArray<DescriptorStatus> Statuses { get; init; } = [];
    public ImmutableArray<KeyValuePair<string, string>> ResponseHeaders { get; init; } = [];
    public ImmutableArray<KeyValuePair<string, string>> RequestHeaders { get; init; } = [];
    public byte[] Body { get; init; } = [];
}

/// <summary>Envoy's global rate limit protocol (envoy.service.ratelimit.v3), as bytes.</summary>
internal static class RateLimitMessages
{
    private const int OverLimit = 2;

    public static byte[] Request(string domain, IEnumerable<IReadOnlyList<KeyValuePair<string, string>>> descriptors)
    {
        var request = new FieldWriter().Text(1, domain);
        foreach (var entries in descriptors)
        {
            var descriptor = new FieldWriter();
            foreach (var (key, value) in entries) descriptor.Entry(1, key, value);
            request.Message(2, descriptor);
        }
        return request.ToArray();
    }

    /// <summary>Null when the bytes are no RateLimitResponse: that is an error, not a permission.</summary>
    public static RateLimitVerdict? Response(ReadOnlySpan<byte> bytes)
    {
        var code = 0UL;
        var statuses = ImmutableArray.CreateBuilder<DescriptorStatus>();
        var (response, request) = (ImmutableArray.CreateBuilder<KeyValuePair<string, string>>(), ImmutableArray.CreateBuilder<KeyValuePair<string, string>>());
        byte[] body = [];
        var reader = new FieldReader(bytes);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: code = reader.Value; break;
                case 2: statuses.Add(Status(reader.Content)); break;
                case 3: response.Add(Header(reader.Content)); break;
                case 4: request.Add(Header(reader.Content)); break;
                case 5: body = reader.Content.ToArray(); break;
            }
        }
        if (reader.IsBroken || code == 0 || response.Concat(request).Any(field => !AnswerFields.IsValue(field.Value))) return null;
        return new(code == OverLimit) { Statuses = statuses.ToImmutable(), ResponseHeaders = response.ToImmutable(), RequestHeaders = request.ToImmutable(), Body = body };
    }

    private static DescriptorStatus Status(ReadOnlySpan<byte> bytes)
    {
        var (over, perUnit, unit, name, remaining, reset) = (false, 0u, 0u, "", 0u, 0u);
        var reader = new FieldReader(bytes);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: over = reader.Value == OverLimit; break;
                case 2:
                    var limit = new FieldReader(reader.Content);
                    while (limit.Next())
                    {
                        if (limit.Field == 1) perUnit = (uint)limit.Value;
                        else if (limit.Field == 2) unit = SecondsOf(limit.Value);
                        else if (limit.Field == 3) name = limit.Text;
                    }
                    break;
                case 3: remaining = (uint)reader.Value; break;
                case 4:
                    var duration = new FieldReader(reader.Content);
                    while (duration.Next())
                        if (duration.Field == 1) reset = (uint)Math.Min(duration.Value, uint.MaxValue);
                    break;
            }
        }
        return new(over, perUnit, unit, name, remaining, reset);
    }

    private static uint SecondsOf(ulong unit) => unit switch
    {
        1 => 1,
        2 => 60,
        3 => 3600,
        4 => 86_400,
        5 => 2_592_000,
        6 => 31_536_000,
        7 => 604_800,
        _ => 0,
    };

    private static KeyValuePair<string, string> Header(ReadOnlySpan<byte> bytes)
    {
        var (name, value) = ("", "");
        var reader = new FieldReader(bytes);
        while (reader.Next())
        {
            if (reader.Field == 1) name = reader.Text.ToLowerInvariant();
            else if (reader.Field is 2 or 3) value = Encoding.UTF8.GetString(reader.Content);
        }
        return new(name, value);
    }
}
