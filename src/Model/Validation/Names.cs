using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Mesh.Model.Validation;

/// <summary>Host names, addresses, labels and ports. Each check answers what is wrong, in Istio's words, or null.</summary>
public static partial class Names
{
    private const int LabelLengthMax = 63;
    private const int DomainLengthMax = 255;

    /// <summary>A DNS label; capitals are tolerated, as Istio does.</summary>
    public static bool IsLabel(string text) => text.Length <= LabelLengthMax && LabelPattern().IsMatch(text);

    public static string? Fqdn(string name) => Preconditions(name) ?? Labels(name);

    /// <summary>A domain whose first label may be or begin with a star.</summary>
    public static string? WildcardDomain(string name)
    {
        if (Preconditions(name) is { } problem) return problem;

        var dot = name.IndexOf('.', StringComparison.Ordinal);
        var first = dot < 0 ? name : name[..dot];
        if (first.Length > LabelLengthMax || !WildcardLabelPattern().IsMatch(first)) return $"domain name \"{name}\" invalid (label \"{first}\" invalid)";
        return dot < 0 ? null : Labels(name[(dot + 1)..]);
    }

    /// <summary>Also takes the names of cross-cluster SNI, <c>outbound_.80_._.host</c>, when the VirtualService matches on SNI.</summary>
    public static string? WildcardDomainAtGateway(bool matchesSni, string name)
    {
        if (Preconditions(name) is { } problem) return problem;
        if (!matchesSni || !name.StartsWith("outbound_", StringComparison.Ordinal)) return WildcardDomain(name);

        const string Format = "outbound_.<PORT>_._.<HOSTNAME>";
        var parts = name.Split('_');
        if (parts.Length < 4) return $"domain name {name} invalid, should follow '{Format}' format";

        var (port, host) = (parts[1].Trim('.'), parts[3].Trim('.'));
        if (!port.Any(char.IsAsciiDigit)) return $"domain name \"{name}\" invalid (label \"{port}\" invalid). should follow {Format} format";
        if (!host.Any(char.IsAsciiLetter)) return $"domain name \"{name}\" invalid (label \"{host}\" invalid). should follow {Format} format";
        return null;
    }

    public static string? PartialWildcard(string host) =>
        host.Contains('*') && host.Length != 1 && !host.StartsWith("*.", StringComparison.Ordinal) ? $"partial wildcard \"{host}\" not allowed" : null;

    public static string? Port(long port) => port is >= 1 and <= 65535 ? null : $"port number {port} must be in the range 1..65535";

    public static string? PortName(string name) => IsLabel(name) ? null : $"invalid port name: {name}";

    public static bool IsIp(string text)
    {
        if (!text.Contains(':')) return IsIpv4(text);

        var zone = text.IndexOf('%', StringComparison.Ordinal);
        if (zone == text.Length - 1 || text.AsSpan().IndexOfAny('[', ']', '/') >= 0) return false;
        var address = zone < 0 ? text : text[..zone];
        var tail = address[(address.LastIndexOf(':') + 1)..];
        if (tail.Contains('.') && !IsIpv4(tail)) return false;
        return IPAddress.TryParse(address, out var ip) && ip.AddressFamily == AddressFamily.InterNetworkV6;
    }

    public static string? Ip(string text) => IsIp(text) ? null : $"{text} is not a valid IP";

    /// <summary>An address, or a prefix such as 10.0.0.0/8.</summary>
    public static string? Subnet(string text) =>
        text.Count(c => c == '/') != 1 ? Ip(text) : CidrProblem(text) is null ? null : $"{text} is not a valid CIDR block";

    /// <summary>Why a prefix is none, in the words of Go's parser.</summary>
    public static string? CidrProblem(string text)
    {
        var slash = text.LastIndexOf('/');
        if (slash < 0) return $"netip.ParsePrefix(\"{text}\"): no '/'";

        var (address, bits) = (text[..slash], text[(slash + 1)..]);
        if (address.Contains('%')) return $"netip.ParsePrefix(\"{text}\"): IPv6 zones cannot be present in a prefix";
        if (!IsIp(address)) return $"netip.ParsePrefix(\"{text}\"): ParseAddr(\"{address}\"): unable to parse IP";
        if (bits.Length is 0 or > 3 || !bits.All(char.IsAsciiDigit) || bits.Length > 1 && bits[0] == '0') return $"netip.ParsePrefix(\"{text}\"): bad bits after slash: \"{bits}\"";
        return int.Parse(bits, CultureInfo.InvariantCulture) > (address.Contains(':') ? 128 : 32) ? $"netip.ParsePrefix(\"{text}\"): prefix length out of range" : null;
    }

    /// <param name="path">What follows <c>unix://</c>.</param>
    public static string? UnixAddress(string path)
    {
        if (path.Length == 0) return "unix address must not be empty";
        if (path[0] == '@') return null;
        return path[0] == '/' && !path.EndsWith('/') ? null : $"{path} is not an absolute path to a file";
    }

    /// <summary>At least a millisecond, and whole milliseconds.</summary>
    public static string? Duration(long nanoseconds)
    {
        if (nanoseconds < Schema.GoDuration.Millisecond) return "duration must be greater than 1ms";
        return nanoseconds % Schema.GoDuration.Millisecond != 0 ? "only durations to ms precision are supported" : null;
    }

    /// <summary>Kubernetes labels: all that is wrong with each key and value.</summary>
    public static IEnumerable<string> LabelProblems(IEnumerable<KeyValuePair<string, string>> labels)
    {
        foreach (var (key, value) in labels)
        {
            var match = TagKeyPattern().Match(key);
            if (!match.Success) yield return $"invalid tag key: \"{key}\"";
            else if (match.Groups[1].Length > 254) yield return $"invalid tag key: \"{key}\" (DNS prefix is too long)";
            else if (match.Groups[2].Length > LabelLengthMax) yield return $"invalid tag key: \"{key}\" (name is too long)";
            if (!TagValuePattern().IsMatch(value)) yield return $"invalid tag value: \"{value}\"";
        }
    }

    /// <summary>Does the pattern cover the name? Both may be wildcards: <c>*.com</c> covers <c>*.foo.com</c>.</summary>
    public static bool Covers(string pattern, string name)
    {
        if (!pattern.StartsWith('*')) return !name.StartsWith('*') ? pattern == name : false;
        return name.StartsWith('*')
            ? name.Length >= pattern.Length && name.AsSpan(1).EndsWith(pattern.AsSpan(1), StringComparison.Ordinal)
            : name.AsSpan().EndsWith(pattern.AsSpan(1), StringComparison.Ordinal);
    }

    /// <summary>Could some name be covered by both?</summary>
    public static bool Overlap(string a, string b)
    {
        if (a.StartsWith('*') && b.StartsWith('*'))
            return a.Length < b.Length ? b.AsSpan(1).EndsWith(a.AsSpan(1), StringComparison.Ordinal) : a.AsSpan(1).EndsWith(b.AsSpan(1), StringComparison.Ordinal);
        return a.StartsWith('*') ? b.AsSpan().EndsWith(a.AsSpan(1), StringComparison.Ordinal)
            : b.StartsWith('*') ? a.AsSpan().EndsWith(b.AsSpan(1), StringComparison.Ordinal) : a == b;
    }

    private static bool IsIpv4(string text)
    {
        var (parts, length, value) = (0, 0, 0);
        foreach (var c in text.Append('.'))
        {
            if (c == '.')
            {
                if (length == 0 || value > 255) return false;
                parts++;
                (length, value) = (0, 0);
                continue;
            }
            if (!char.IsAsciiDigit(c) || length == 3 || length > 0 && value == 0) return false;
            value = value * 10 + (c - '0');
            length++;
        }
        return parts == 4;
    }

    private static string? Preconditions(string name) => name.Length switch
    {
        > DomainLengthMax => $"domain name \"{name}\" too long (max {DomainLengthMax})",
        0 => "empty domain name not allowed",
        _ => null,
    };

    private static string? Labels(string domain)
    {
        var parts = domain.Split('.');
        if (parts[^1].Length > 0 && long.TryParse(parts[^1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
            return $"domain name \"{domain}\" invalid (top level domain \"{parts[^1]}\" cannot be all-numeric)";
        for (var i = 0; i < parts.Length; i++)
        {
            if (i == parts.Length - 1 && parts[i].Length == 0) return null; // "istio.io." is unambiguous
            if (!IsLabel(parts[i])) return $"domain name \"{domain}\" invalid (label \"{parts[i]}\" invalid)";
        }
        return null;
    }

    [GeneratedRegex(@"^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?\z")]
    private static partial Regex LabelPattern();

    [GeneratedRegex(@"^(?:\*|(?:\*-?)?[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)\z")]
    private static partial Regex WildcardLabelPattern();

    [GeneratedRegex(@"^([a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)*/)?((?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])\z", RegexOptions.NonBacktracking)]
    private static partial Regex TagKeyPattern();

    [GeneratedRegex(@"^(?:(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?\z")]
    private static partial Regex TagValuePattern();
}
