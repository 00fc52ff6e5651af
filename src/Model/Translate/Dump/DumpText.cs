using System.Globalization;
using Envoy.Config.Core.V3;
using Envoy.Type.Matcher.V3;
using Envoy.Type.V3;
using Google.Protobuf.WellKnownTypes;

namespace Mesh.Model.Translate;

/// <summary>Small values of the dump.</summary>
internal static class DumpText
{
    public static string Of(Duration duration)
    {
        var span = duration.ToTimeSpan();
        return span.TotalMilliseconds is > 0 and < 1000
            ? string.Create(CultureInfo.InvariantCulture, $"{span.TotalMilliseconds}ms") : string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds}s");
    }

    public static string Of(StringMatcher match) => match.MatchPatternCase switch
    {
        StringMatcher.MatchPatternOneofCase.Exact => $"= {match.Exact}",
        StringMatcher.MatchPatternOneofCase.Prefix => $"{match.Prefix}*",
        StringMatcher.MatchPatternOneofCase.Suffix => $"*{match.Suffix}",
        StringMatcher.MatchPatternOneofCase.SafeRegex => $"~ {match.SafeRegex.Regex}",
        _ => "any",
    };

    public static string Of(FractionalPercent share) => string.Create(CultureInfo.InvariantCulture, $"{share.Numerator / share.Denominator switch
    {
        FractionalPercent.Types.DenominatorType.Million => 10_000.0,
        FractionalPercent.Types.DenominatorType.TenThousand => 100.0,
        _ => 1.0,
    }}%");

    public static string Of(HeaderValueOption header) =>
        $"{header.Header.Key}{(header.AppendAction == HeaderValueOption.Types.HeaderAppendAction.OverwriteIfExistsOrAdd ? "=" : "+=")}{header.Header.Value}";

    public static string Of(Address address) =>
        address.SocketAddress is { } socket ? $"{socket.Address}:{socket.PortValue}" : $"unix://{address.Pipe?.Path}";

    /// <summary>Parts that are there, with two blanks between.</summary>
    public static string Join(params ReadOnlySpan<string?> parts)
    {
        var kept = new List<string>();
        foreach (var part in parts)
            if (!string.IsNullOrEmpty(part)) kept.Add(part);
        return string.Join("  ", kept);
    }
}
