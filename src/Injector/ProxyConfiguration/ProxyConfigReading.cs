using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Mesh.Injector;

/// <summary>
/// Reads what people write as ProxyConfig: either spelling of a name (statusPort, status_port), numbers as text, durations as protobuf writes them.
/// A field that nobody knows is passed over, as Istio does; a known one with a bad value is refused.
/// </summary>
internal static partial class ProxyConfigReading
{
    /// <returns>Null and the normalised fields, or a sentence that names the field.</returns>
    public static string? Read(JsonNode node, out JsonObject fields)
    {
        fields = [];
        if (node is not JsonObject map) return "not a map of fields";

        foreach (var (written, value) in map)
        {
            var name = CamelCase(written);
            if (value is null || !ProxyConfigSchema.Fields.TryGetValue(name, out var rule)) continue;
            if (Normal(name, value, rule, out var normal) is { } problem) return problem;
            fields[name] = normal;
        }
        return null;
    }

    /// <summary>Values that are well formed but that no proxy can run with.</summary>
    public static string? Refusal(JsonObject config)
    {
        foreach (var port in (string[])["proxyAdminPort", "statusPort"])
            if (config[port].Integer() is not (>= 1 and <= 65535)) return $"invalid {port}: {config[port].Text()} must be in the range 1..65535";
        if (config["configPath"].Text() is "" or null) return "config path must be set";
        if (config["binaryPath"].Text() is "" or null) return "binary path must be set";
        if (config["serviceCluster"].Text() is "" && config["tracingServiceName"] is null) return "service cluster must be specified";
        if (Seconds(config["drainDuration"].Text()) is not { } drain || drain < 0.001m || drain % 1 != 0)
            return "invalid drain duration: it must be a whole number of seconds, at least 1s";

        foreach (var field in (string[])["discoveryAddress", "statsdUdpAddress"])
        {
            var address = config[field].Text();
            if (field == "discoveryAddress" && string.IsNullOrEmpty(address)) return "discovery address must be set to the proxy discovery service";
            if (!string.IsNullOrEmpty(address) && !IsHostAndPort(address)) return $"invalid {field}: \"{address}\" is not host:port";
        }
        foreach (var tracer in (string[])["zipkin", "datadog", "lightstep"])
            if (config.At("tracing", tracer) is JsonObject collector && !IsHostAndPort((collector["address"].Text() ?? "").Replace("$(HOST_IP)", "127.0.0.1", StringComparison.Ordinal)))
                return $"invalid {tracer} config: address \"{collector["address"].Text()}\" is not host:port";
        return null;
    }

    private static string? Normal(string path, JsonNode value, FieldRule rule, out JsonNode? normal)
    {
        normal = null;
        var kind = value.GetValueKind();
        switch (rule.Kind)
        {
            case FieldKind.Text when kind == JsonValueKind.String:
                normal = value.DeepClone();
                break;
            case FieldKind.Integer or FieldKind.OptionalInteger when WholeNumber(value) is { } number:
                normal = JsonValue.Create(number);
                break;
            case FieldKind.Flag or FieldKind.OptionalFlag when kind is JsonValueKind.True or JsonValueKind.False:
                normal = value.DeepClone();
                break;
            case FieldKind.Number when kind == JsonValueKind.Number || double.TryParse(value.Text(), NumberStyles.Float, CultureInfo.InvariantCulture, out _):
                normal = kind == JsonValueKind.Number ? value.DeepClone() : JsonValue.Create(double.Parse(value.Text()!, CultureInfo.InvariantCulture));
                break;
            case FieldKind.Duration when kind == JsonValueKind.String && Seconds(value.Text()) is { } seconds:
                normal = JsonValue.Create(DurationText(seconds));
                break;
            case FieldKind.Choice when kind == JsonValueKind.String && rule.Choices!.Contains(value.Text()):
                normal = value.DeepClone();
                break;
            case FieldKind.Choice when value.Integer() is { } index && index >= 0 && index < rule.Choices!.Length:
                normal = JsonValue.Create(rule.Choices[index]);
                break;
            case FieldKind.TextMap when value is JsonObject map && map.All(entry => entry.Value?.GetValueKind() == JsonValueKind.String):
                normal = map.DeepClone();
                break;
            case FieldKind.Texts when value is JsonArray list && list.All(item => item?.GetValueKind() == JsonValueKind.String):
                normal = list.DeepClone();
                break;
            case FieldKind.Message when value is JsonObject map:
                return Message(path, map, out normal);
            default:
                return $"{path}: {Wanted(rule)}, not {value.Compacted()}";
        }
        return null;
    }

    private static string? Message(string path, JsonObject map, out JsonNode? normal)
    {
        var message = new JsonObject();
        normal = message;
        foreach (var (written, value) in map)
        {
            var name = CamelCase(written);
            if (value is null) continue;
            if (!ProxyConfigSchema.Inner.TryGetValue($"{path}.{name}", out var rule)) message[name] = value.DeepClone();
            else if (Normal($"{path}.{name}", value, rule, out var inner) is { } problem) return problem;
            else message[name] = inner;
        }
        return null;
    }

    private static string Wanted(FieldRule rule) => rule.Kind switch
    {
        FieldKind.Text => "must be a string",
        FieldKind.Integer or FieldKind.OptionalInteger => "must be a whole number",
        FieldKind.Flag or FieldKind.OptionalFlag => "must be true or false",
        FieldKind.Number => "must be a number",
        FieldKind.Duration => "must be a duration such as 5s",
        FieldKind.Choice => $"must be one of {string.Join(", ", rule.Choices!)}",
        FieldKind.TextMap => "must be a map of strings (quote numbers and booleans)",
        FieldKind.Texts => "must be a list of strings",
        _ => "must be a map",
    };

    private static string Compacted(this JsonNode value)
    {
        var text = value.Compact();
        return text.Length <= 60 ? text : text[..60] + "…";
    }

    private static long? WholeNumber(JsonNode value)
    {
        if (value.GetValueKind() is not (JsonValueKind.Number or JsonValueKind.String)) return null;
        return decimal.TryParse(value.Text(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            && number == Math.Floor(number) && number is >= int.MinValue and <= int.MaxValue ? (long)number : null;
    }

    /// <summary>Protobuf's JSON form: seconds with up to nine decimals and "s"; no minutes, no hours.</summary>
    private static decimal? Seconds(string? text) =>
        text is not null && DurationSyntax().IsMatch(text) && decimal.TryParse(text[..^1], NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds)
        && Math.Abs(seconds) <= 315_576_000_000m ? seconds : null;

    private static string DurationText(decimal seconds)
    {
        var whole = decimal.Truncate(seconds);
        var fraction = (long)(Math.Abs(seconds - whole) * 1_000_000_000m);
        var digits = fraction switch { 0 => "", _ when fraction % 1_000_000 == 0 => $".{fraction / 1_000_000:D3}", _ when fraction % 1_000 == 0 => $".{fraction / 1_000:D6}", _ => $".{fraction:D9}" };
        return whole.ToString(CultureInfo.InvariantCulture) + digits + "s";
    }

    private static bool IsHostAndPort(string address)
    {
        var colon = address.LastIndexOf(':');
        if (colon <= 0 || !ushort.TryParse(address.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port == 0) return false;

        var host = address[..colon].Trim('[', ']');
        return IPAddress.TryParse(host, out _) || HostName().IsMatch(host) && host.Length <= 255;
    }

    private static string CamelCase(string name)
    {
        if (!name.Contains('_', StringComparison.Ordinal)) return name;
        var words = name.Split('_', StringSplitOptions.RemoveEmptyEntries);
        return string.Concat(words.Select((word, index) => index == 0 ? word : char.ToUpperInvariant(word[0]) + word[1..]));
    }

    [GeneratedRegex(@"^-?\d+(\.\d{1,9})?s$", RegexOptions.CultureInvariant)]
    private static partial Regex DurationSyntax();

    [GeneratedRegex(@"^([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*\.?$", RegexOptions.CultureInvariant)]
    private static partial Regex HostName();
}
