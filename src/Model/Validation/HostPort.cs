using System.Globalization;

namespace Mesh.Model.Validation;

/// <summary>Addresses written as host:port, with the words of Go's parsers for what is wrong.</summary>
public static class HostPort
{
    /// <returns>What is wrong, or null; host and port are empty when they cannot be told apart.</returns>
    public static string? Split(string text, out string host, out string port)
    {
        (host, port) = ("", "");
        var colon = text.LastIndexOf(':');
        if (colon < 0) return $"address {text}: missing port in address";

        if (text[0] == '[')
        {
            var close = text.IndexOf(']', StringComparison.Ordinal);
            if (close < 0) return $"address {text}: missing ']' in address";
            if (close + 1 == text.Length) return $"address {text}: missing port in address";
            if (close + 1 != colon) return text[close + 1] == ':' ? $"address {text}: too many colons in address" : $"address {text}: missing port in address";
            (host, port) = (text[1..close], text[(colon + 1)..]);
            return null;
        }
        if (text.IndexOf(':', StringComparison.Ordinal) != colon) return $"address {text}: too many colons in address";

        (host, port) = (text[..colon], text[(colon + 1)..]);
        return null;
    }

    public static string AtoiProblem(string text) =>
        text.Length > 0 && text.AsSpan().TrimStart("+-").IndexOfAnyExceptInRange('0', '9') < 0 && text.AsSpan().IndexOfAnyInRange('0', '9') >= 0
            ? $"strconv.Atoi: parsing \"{text}\": value out of range"
            : $"strconv.Atoi: parsing \"{text}\": invalid syntax";

    /// <summary>A host or address with a port, as proxies are told where to connect.</summary>
    public static string? Problem(string text)
    {
        if (Split(text, out var host, out var port) is { } problem) return $"unable to split \"{text}\": {problem}";
        if (!int.TryParse(port, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)) return $"port ({port}) is not a number: {AtoiProblem(port)}";
        if (Names.Port(number) is { } range) return range;
        return Names.Fqdn(host) is not null && !Names.IsIp(host) ? $"\"{host}\" is not a valid hostname or an IP address" : null;
    }
}
