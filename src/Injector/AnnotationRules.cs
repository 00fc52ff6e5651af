using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Mesh.Injector;

/// <summary>What an annotation's value may be. A value that fails its rule refuses the pod: a half-applied wish is worse than none.</summary>
public static partial class AnnotationRules
{
    private delegate string? Rule(string value); // null = fine, else what is wrong

    private static readonly Dictionary<string, Rule> Rules = new(StringComparer.Ordinal)
    {
        ["sidecar.istio.io/interceptionMode"]                          = InterceptionMode,
        ["status.sidecar.istio.io/port"]                               = value => Named("excludeInboundPorts", PortProblem(value)),
        ["readiness.status.sidecar.istio.io/initialDelaySeconds"]      = WholeNumber,
        ["readiness.status.sidecar.istio.io/periodSeconds"]            = WholeNumber,
        ["readiness.status.sidecar.istio.io/failureThreshold"]         = WholeNumber,
        ["traffic.sidecar.istio.io/includeOutboundIPRanges"]           = value => value == "*" ? null : Ranges("includeIPRanges", value),
        ["traffic.sidecar.istio.io/excludeOutboundIPRanges"]           = value => Ranges("excludeIPRanges", value),
        ["traffic.sidecar.istio.io/includeInboundPorts"]               = value => value == "*" ? null : Ports("includeInboundPorts", value),
        ["traffic.sidecar.istio.io/excludeInboundPorts"]               = value => Ports("excludeInboundPorts", value),
        ["traffic.sidecar.istio.io/excludeOutboundPorts"]              = value => Ports("excludeOutboundPorts", value),
        ["traffic.sidecar.istio.io/excludeInterfaces"]                 = Interfaces,
        ["traffic.sidecar.istio.io/kubevirtInterfaces"]                = Interfaces,
        ["istio.io/reroute-virtual-interfaces"]                        = Interfaces,
        ["prometheus.istio.io/merge-metrics"]                          = value => ParseBool(value) is null ? $"\"{value}\" is not a boolean (use true or false)" : null,
        ["sidecar.istio.io/proxyCPU"]                                  = ResourceQuantity,
        ["sidecar.istio.io/proxyMemory"]                               = ResourceQuantity,
        ["sidecar.istio.io/proxyCPULimit"]                             = ResourceQuantity,
        ["sidecar.istio.io/proxyMemoryLimit"]                          = ResourceQuantity,
        ["sidecar.istio.io/userVolume"]                                = NamedObjects,
        ["sidecar.istio.io/userVolumeMount"]                           = NamedObjects,
        ["proxy.istio.io/overrides"]                                   = value => JsonReading.TryParse(value) is JsonObject ? null : "not a JSON object",
    };

    /// <summary>One sentence for each annotation whose value is refused, in the order of their names.</summary>
    public static IReadOnlyList<string> Problems(IReadOnlyDictionary<string, string> annotations, Func<string, string?> proxyConfigProblem)
    {
        var problems = new List<string>();
        foreach (var (name, value) in annotations.OrderBy(annotation => annotation.Key, StringComparer.Ordinal))
        {
            var problem = name == ProxyConfig.Annotation ? proxyConfigProblem(value)
                : Rules.TryGetValue(name, out var rule) ? rule(value) : null;
            if (problem is not null) problems.Add($"invalid value '{value}' for annotation '{name}': {problem}");
        }
        return problems;
    }

    /// <summary>The spellings that Go's strconv.ParseBool knows.</summary>
    internal static bool? ParseBool(string text) => text switch
    {
        "1" or "t" or "T" or "true" or "TRUE" or "True" => true,
        "0" or "f" or "F" or "false" or "FALSE" or "False" => false,
        _ => null,
    };

    private static string? InterceptionMode(string mode) =>
        mode is "REDIRECT" or "TPROXY" or "NONE" ? null : $"interceptionMode invalid, use REDIRECT,TPROXY,NONE: {mode}";

    private static string? WholeNumber(string text) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out _) ? null : $"\"{text}\" is not a whole number from 0 to 4294967295";

    private static string? Ports(string list, string text)
    {
        var trimmed = text.Trim();
        if (trimmed.Length == 0) return null;

        return Named(list, trimmed.Split(',').Select(PortProblem).FirstOrDefault(problem => problem is not null));
    }

    private static string? PortProblem(string text)
    {
        var port = text.Trim();
        if (ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out _)) return null;

        var reason = port.Length > 0 && port.All(char.IsAsciiDigit) ? "value out of range" : "not a number";
        return $"failed parsing port '{text}': {reason} (a port is a number up to 65535)";
    }

    private static string? Ranges(string list, string text)
    {
        if (text.Length == 0) return null;

        foreach (var range in text.Split(','))
        {
            if (!range.Contains('/', StringComparison.Ordinal)) return Named(list, $"failed parsing cidr '{range}': no '/' (one address is written as {range}/32)");
            if (!IsRange(range)) return Named(list, $"failed parsing cidr '{range}': not an address and a prefix length");
        }
        return null;
    }

    private static bool IsRange(string range)
    {
        var slash = range.LastIndexOf('/');
        var length = range[(slash + 1)..];
        return IPAddress.TryParse(range[..slash], out var address)
            && (range[..slash].Contains(':', StringComparison.Ordinal) || range[..slash].Count(c => c == '.') == 3)
            && byte.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out var bits)
            && (length.Length == 1 || length[0] != '0')
            && bits <= (address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? 32 : 128);
    }

    private static string? Interfaces(string text)
    {
        if (text.Length == 0) return null;

        foreach (var item in text.Split(','))
        {
            var name = item.Trim();
            if (name.Length == 0) return "empty interface name";
            if (name.Length > 15) return $"interface name \"{name}\" too long (max 15 chars)";
            if (!InterfaceName().IsMatch(name)) return $"interface name \"{name}\" contains invalid characters";
        }
        return null;
    }

    private static string? ResourceQuantity(string text)
    {
        if (text.Any(char.IsControl)) return "value contains control characters";
        return Quantity.Canonical(text) is null ? Quantity.Syntax : null;
    }

    private static string? NamedObjects(string text) =>
        JsonReading.TryParse(text) is JsonObject map && map.All(entry => entry.Value is JsonObject) ? null : "not a JSON object of name to object";

    private static string? Named(string list, string? problem) => problem is null ? null : $"{list} invalid: {problem}";

    [GeneratedRegex(@"^[a-zA-Z][a-zA-Z0-9_.-]*$", RegexOptions.CultureInvariant)]
    private static partial Regex InterfaceName();
}
