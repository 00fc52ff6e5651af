using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Mesh.Proxy.Redirect;

/// <summary>What of a pod's traffic goes through the proxy: istio-iptables' options, by the same letters and names.</summary>
internal sealed record RedirectOptions
{
    public string ProxyPort { get; init; } = "15001";
    public string InboundPort { get; init; } = "15006";
    public string TunnelPort { get; init; } = "15008";
    public ImmutableArray<string> ProxyUsers { get; init; } = ["1337"];
    public ImmutableArray<string> ProxyGroups { get; init; } = ["1337"];
    public bool Tproxy { get; init; }
    public string TproxyMark { get; init; } = "1337";
    public string TproxyRouteTable { get; init; } = "133";
    /// <summary>Empty = nothing inbound is captured; "*" = everything but the exclusions.</summary>
    public string InboundPortsInclude { get; init; } = "";
    public ImmutableArray<string> InboundPortsExclude { get; init; } = [];
    public ImmutableArray<string> OutboundPortsInclude { get; init; } = [];
    public ImmutableArray<string> OutboundPortsExclude { get; init; } = [];
    public string OutboundRangesInclude { get; init; } = "";
    public ImmutableArray<string> OutboundRangesExclude { get; init; } = [];
    public ImmutableArray<string> VirtualInterfaces { get; init; } = [];
    public ImmutableArray<string> ExcludedInterfaces { get; init; } = [];
    public string OwnerGroupsInclude { get; init; } = "*";
    public ImmutableArray<string> OwnerGroupsExclude { get; init; } = [];
    public string LoopbackRange { get; init; } = "127.0.0.1/32";
    public bool RedirectDns { get; init; }
    public bool CaptureAllDns { get; init; }
    public ImmutableArray<string> DnsServersV4 { get; init; } = [];
    public ImmutableArray<string> DnsServersV6 { get; init; } = [];
    public bool DropInvalid { get; init; }
    public bool DualStack { get; init; }
    /// <summary>Null = look at the pod's addresses.</summary>
    public bool? IPv6 { get; init; }
    public bool Nftables { get; init; }
    public bool DryRun { get; init; }
    public bool SkipApply { get; init; }
    public bool Validate { get; init; }
    public bool CleanupOnly { get; init; }
    public int ProbePort { get; init; } = 15002;
    public TimeSpan ProbeTimeout { get; init; } = TimeSpan.FromSeconds(5);

    private static readonly Dictionary<string, string> ShortNames = new(StringComparer.Ordinal)
    {
        ["-p"] = "envoy-port", ["-z"] = "inbound-capture-port", ["-e"] = "inbound-tunnel-port", ["-u"] = "proxy-uid", ["-g"] = "proxy-gid",
        ["-m"] = "istio-inbound-interception-mode", ["-b"] = "istio-inbound-ports", ["-d"] = "istio-local-exclude-ports", ["-i"] = "istio-service-cidr",
        ["-x"] = "istio-service-exclude-cidr", ["-q"] = "istio-outbound-ports", ["-o"] = "istio-local-outbound-ports-exclude", ["-k"] = "kube-virt-interfaces",
        ["-c"] = "istio-exclude-interfaces", ["-t"] = "istio-inbound-tproxy-mark", ["-r"] = "istio-inbound-tproxy-route-table", ["-n"] = "dry-run",
    };

    private static readonly HashSet<string> Switches =
        ["dry-run", "skip-rule-apply", "run-validation", "redirect-dns", "drop-invalid", "dual-stack", "capture-all-dns", "cni-mode", "reconcile", "cleanup-only", "force-apply", "native-nftables", "log_as_json"];

    /// <summary>Taken, and without effect here: applying is always one atomic step that replaces what was there.</summary>
    private static readonly HashSet<string> Ignored = ["log_output_level", "log_as_json", "reconcile", "force-apply", "cni-mode", "iptables-trace-logging", "force-iptables-binary"];

    /// <param name="error">Names the option and what it wants.</param>
    public static RedirectOptions? Parse(IReadOnlyList<string> words, Func<string, string?> environment, out string error)
    {
        error = "";
        var given = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < words.Count; i++)
        {
            var word = words[i];
            var equals = word.IndexOf('=', StringComparison.Ordinal);
            var written = equals < 0 ? word : word[..equals];
            var name = ShortNames.TryGetValue(written, out var full) ? full : written.StartsWith("--", StringComparison.Ordinal) ? written[2..] : "";
            if (name.Length == 0)
            {
                error = $"unknown option \"{word}\"";
                return null;
            }
            if (equals >= 0) given[name] = word[(equals + 1)..];
            else if (Switches.Contains(name)) given[name] = "true";
            else if (++i < words.Count) given[name] = words[i];
            else
            {
                error = $"option {word} needs a value";
                return null;
            }
        }
        return Read(given, environment, out error);
    }

    private static RedirectOptions? Read(Dictionary<string, string> given, Func<string, string?> environment, out string error)
    {
        var used = new HashSet<string>(Ignored);
        var options = new RedirectOptions
        {
            ProxyPort = Value("envoy-port", "15001"),
            InboundPort = Value("inbound-capture-port", "15006"),
            TunnelPort = Value("inbound-tunnel-port", "15008"),
            ProxyUsers = List(Value("proxy-uid", "1337")),
            ProxyGroups = List(Value("proxy-gid", Value("proxy-uid", "1337"))),
            Tproxy = Value("istio-inbound-interception-mode", "REDIRECT") == "TPROXY",
            TproxyMark = Value("istio-inbound-tproxy-mark", "1337"),
            TproxyRouteTable = Value("istio-inbound-tproxy-route-table", "133"),
            InboundPortsInclude = Value("istio-inbound-ports", ""),
            InboundPortsExclude = List(Value("istio-local-exclude-ports", "")),
            OutboundPortsInclude = List(Value("istio-outbound-ports", "")),
            OutboundPortsExclude = List(Value("istio-local-outbound-ports-exclude", "")),
            OutboundRangesInclude = Value("istio-service-cidr", ""),
            OutboundRangesExclude = List(Value("istio-service-exclude-cidr", "")),
            VirtualInterfaces = List(Value("kube-virt-interfaces", "")),
            ExcludedInterfaces = List(Value("istio-exclude-interfaces", "")),
            OwnerGroupsInclude = environment("ISTIO_OUTBOUND_OWNER_GROUPS") ?? "*",
            OwnerGroupsExclude = List(environment("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE") ?? ""),
            LoopbackRange = environment("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR") ?? "127.0.0.1/32",
            RedirectDns = Is("redirect-dns", "ISTIO_META_DNS_CAPTURE"),
            CaptureAllDns = Is("capture-all-dns"),
            DnsServersV4 = [.. List(Value("dns-servers", "")).Where(server => !server.Contains(':', StringComparison.Ordinal))],
            DnsServersV6 = [.. List(Value("dns-servers", "")).Where(server => server.Contains(':', StringComparison.Ordinal))],
            DropInvalid = Is("drop-invalid", "INVALID_DROP"),
            DualStack = Is("dual-stack", "ISTIO_DUAL_STACK"),
            IPv6 = Value("ipv6", "auto") switch { "auto" => null, var wish => wish == "true" },
            Nftables = Is("native-nftables"),
            DryRun = Is("dry-run"),
            SkipApply = Is("skip-rule-apply"),
            Validate = Is("run-validation"),
            CleanupOnly = Is("cleanup-only"),
            ProbePort = int.TryParse(Value("iptables-probe-port", "15002"), NumberStyles.None, CultureInfo.InvariantCulture, out var port) ? port : -1,
            ProbeTimeout = Value("probe-timeout", "5s") is var wait && wait.EndsWith('s') && double.TryParse(wait[..^1], NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds)
                ? TimeSpan.FromSeconds(Math.Clamp(seconds, 0, 3600)) : TimeSpan.FromSeconds(5),
        };
        error = given.Keys.FirstOrDefault(name => !used.Contains(name)) is { } unknown ? $"unknown option --{unknown}" : options.Problem(Value("istio-inbound-interception-mode", "REDIRECT")) ?? "";
        return error.Length == 0 ? options : null;

        string Value(string name, string otherwise)
        {
            used.Add(name);
            if (given.TryGetValue(name, out var value)) return value;
            return environment(name.Replace('-', '_').ToUpperInvariant()) is { Length: > 0 } set ? set : otherwise;
        }

        bool Is(string name, string? otherVariable = null)
        {
            var value = Value(name, otherVariable is null ? "" : environment(otherVariable) ?? "");
            return value is "true" or "1" or "True" or "TRUE" or "t" or "T";
        }
    }

    private string? Problem(string mode)
    {
        if (mode is not ("REDIRECT" or "TPROXY")) return $"-m {mode}: REDIRECT or TPROXY is wanted";
        foreach (var (option, ports) in ((string, IEnumerable<string>)[])
        [
            ("-p", [ProxyPort]), ("-z", [InboundPort]), ("-e", [TunnelPort]), ("-d", InboundPortsExclude), ("-q", OutboundPortsInclude), ("-o", OutboundPortsExclude),
            ("-b", InboundPortsInclude == "*" ? [] : List(InboundPortsInclude)), ("--iptables-probe-port", [$"{ProbePort}"]),
        ])
            if (ports.FirstOrDefault(port => !ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out _)) is { } bad)
                return $"{option}: \"{bad}\" is no port";

        foreach (var (option, ranges) in ((string, IEnumerable<string>)[])
            [("-i", OutboundRangesInclude == "*" ? [] : List(OutboundRangesInclude)), ("-x", OutboundRangesExclude), ("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", [LoopbackRange])])
            if (ranges.FirstOrDefault(range => !IsRange(range)) is { } bad)
                return $"{option}: \"{bad}\" is no range such as 10.0.0.0/8";

        if (ProxyUsers.Concat(ProxyGroups).FirstOrDefault(id => !uint.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out _)) is { } user)
            return $"-u, -g: \"{user}\" is no numeric id";
        if (VirtualInterfaces.Concat(ExcludedInterfaces).Concat(OwnerGroupsExclude).Append(OwnerGroupsInclude).FirstOrDefault(name => name.Any(c => char.IsWhiteSpace(c) || c is ';' or '{' or '}' or '\\')) is { } odd)
            return $"\"{odd}\" is no name of an interface or group";
        return null;
    }

    private static bool IsRange(string range)
    {
        var slash = range.IndexOf('/', StringComparison.Ordinal);
        return slash > 0 && IPAddress.TryParse(range[..slash], out var address)
            && byte.TryParse(range[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var bits)
            && bits <= (address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128);
    }

    internal static ImmutableArray<string> List(string text) => [.. text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];
}
