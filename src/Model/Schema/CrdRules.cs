using System.Text.RegularExpressions;
using Mesh.Model.Yaml;

namespace Mesh.Model.Schema;

/// <summary>The rules the schema tables name. CEL and code stand side by side so that a difference is seen.</summary>
public static partial class CrdRules
{
    private const string UnixPrefix = "unix://";

    private static readonly Dictionary<string, CrdRule> ByName = new CrdRule[]
    {
        new("port", "self > 0 && self < 65536", "port must be between 1-65535", n => Number(n) is < 1 or > 65535),
        new("probeScheme", "self == '' || self == 'HTTP' || self == 'HTTPS'", "scheme must be one of [HTTP, HTTPS]", n => Text(n) is not ("" or "HTTP" or "HTTPS")),
        new("noStarHost", "self != '*'", "hostname cannot be wildcard", n => Text(n) == "*"),
        new("noStar", "!self.contains('*')", "wildcard not allowed in label value match", n => Text(n).Contains('*')),
        new("noStarSelector", "!self.contains('*')", "wildcard is not supported in selector", n => Text(n).Contains('*')),
        new("noStarKeys", "self.all(k, !k.contains('*'))", "wildcard not allowed in label key match", n => Keys(n).Any(k => k.Contains('*'))),
        new("noEmptyKeys", "self.all(k, k != '')", "key must not be empty", n => Keys(n).Any(k => k.Length == 0)),
        new("noNamespace", "self == ''", "cross namespace referencing is not currently supported", n => Text(n).Length > 0),
        new("uniquePortNumbers", "self.all(p, self.exists_one(q, q.number == p.number))", "port number cannot be duplicated", n => Repeats(n, "number")),
        new("unixAbsolute", "!self.startsWith('unix://') || self.startsWith('unix:///') || self.startsWith('unix://@')",
            "UDS must be an absolute path or abstract socket", n => Unix(n) is { } path && !path.StartsWith('/') && !path.StartsWith('@')),
        new("unixNoFolder", "!(self.startsWith('unix://') && self.endsWith('/'))", "UDS may not be a dir", n => Unix(n) is not null && Text(n).EndsWith('/')),
        new("portNameKeys", "self.all(k, k.size() < 63 && k.matches('^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$'))", "port name must be valid",
            n => Keys(n).Any(k => k.Length >= 63 || !Label().IsMatch(k))),
        new("portKeys", "self.all(k, int(k) > 0 && int(k) < 65536)", "port must be between 1-65535",
            n => Keys(n).Any(k => !int.TryParse(k, out var port) || port is < 1 or > 65535)),
        new("httpUrl", "url(self).getScheme() == 'http' || url(self).getScheme() == 'https'", "url must have scheme http:// or https://", n => Scheme(Text(n)) is not ("http" or "https")),
        new("wasmUrl", "isURL(self) ? url(self).getScheme() in ['', 'file', 'http', 'https', 'oci'] : isURL('http://' + self)",
            "url must have schema one of [http, https, file, oci]", n => Scheme(Text(n)) is { } s && s is not ("" or "file" or "http" or "https" or "oci")),
        new("addressOrNetwork", "has(self.address) || has(self.network)", "Address is required", n => !Has(n, "address") && !Has(n, "network")),
        new("unixWithoutPorts", "!(has(self.address) && self.address.startsWith('unix://') && has(self.ports))", "UDS may not include ports",
            n => Field(n, "address") is { } a && Unix(a) is not null && Has(n, "ports")),
        new("inlineEnvValue", "!(has(self.valueFrom) && self.valueFrom == 'HOST' && has(self.value))", "value may only be set when valueFrom is INLINE",
            n => Is(n, "valueFrom", "HOST") && Has(n, "value")),
        new("waypointMatch", "(has(self.context) && self.context == 'WAYPOINT') == has(self.waypoint)", "only support waypointMatch when context is WAYPOINT",
            n => Is(n, "context", "WAYPOINT") != Has(n, "waypoint")),
        new("cidrResolution", "!has(self.addresses) || !self.addresses.exists(a, a.contains('/')) || !has(self.resolution) || self.resolution == 'NONE' || self.resolution == 'STATIC'",
            "CIDR addresses are allowed only for NONE/STATIC resolution types",
            n => Items(n, "addresses").Any(a => Text(a).Contains('/')) && Has(n, "resolution") && !Is(n, "resolution", "NONE") && !Is(n, "resolution", "STATIC")),
        new("noneWithoutEndpoints", "!(has(self.endpoints) && (!has(self.resolution) || self.resolution == 'NONE'))", "NONE mode cannot set endpoints",
            n => Has(n, "endpoints") && (!Has(n, "resolution") || Is(n, "resolution", "NONE"))),
        new("roundRobinSingle", "!(has(self.resolution) && self.resolution == 'DNS_ROUND_ROBIN' && has(self.endpoints) && self.endpoints.size() > 1)",
            "DNS_ROUND_ROBIN mode cannot have multiple endpoints", n => Is(n, "resolution", "DNS_ROUND_ROBIN") && Items(n, "endpoints").Count > 1),
        new("serviceAccountsAlone",
            "!((has(self.serviceAccounts) || has(self.notServiceAccounts)) && (has(self.principals) || has(self.notPrincipals) || has(self.namespaces) || has(self.notNamespaces)))",
            "Cannot set serviceAccounts with namespaces or principals",
            n => (Has(n, "serviceAccounts") || Has(n, "notServiceAccounts")) && (Has(n, "principals") || Has(n, "notPrincipals") || Has(n, "namespaces") || Has(n, "notNamespaces"))),
        new("portLevelNeedsSelector", "!has(self.portLevelMtls) || (has(self.selector) && has(self.selector.matchLabels) && self.selector.matchLabels.size() > 0)",
            "portLevelMtls requires selector", n => Has(n, "portLevelMtls") && Field(Field(n, "selector"), "matchLabels") is not MapNode { Fields.Count: > 0 }),
        new("upsertNeedsValue", "!(has(self.operation) && self.operation == 'UPSERT') || (has(self.value) && self.value != '')", "value must be set when operation is UPSERT",
            n => Is(n, "operation", "UPSERT") && (Field(n, "value") is not { } v || Text(v).Length == 0)),
        new("removeWithoutValue", "!(has(self.operation) && self.operation == 'REMOVE' && has(self.value))", "value must not be set when operation is REMOVE",
            n => Is(n, "operation", "REMOVE") && Has(n, "value")),
        new("durationMin", "duration(self) >= duration('1ms')", "must be a valid duration greater than 1ms", n => GoDuration.TryParse(Text(n), out var d, out _) && d < GoDuration.Millisecond),
    }.ToDictionary(rule => rule.Name);

    public static CrdRule DurationMin { get; } = ByName["durationMin"];

    /// <summary>A rule by the name the tables use; <c>atMostOne</c> and <c>exactlyOne</c> take field names and a message.</summary>
    public static CrdRule Get(string name, IReadOnlyList<string> fields, string? message) => name switch
    {
        "atMostOne" => new(name, Sum(fields) + " < 2", message!, n => fields.Count(f => Has(n, f)) > 1),
        "exactlyOne" => new(name, Sum(fields) + " == 1", message!, n => fields.Count(f => Has(n, f)) != 1),
        _ => ByName.TryGetValue(name, out var rule) ? rule : throw new InvalidOperationException($"the schema tables name an unknown rule '{name}'"),
    };

    private static string Sum(IEnumerable<string> fields) => string.Join(" + ", fields.Select(f => $"(has(self.{f}) ? 1 : 0)"));

    private static string Text(Node node) => node is ScalarNode s ? s.Text : "";
    private static decimal? Number(Node node) => node is ScalarNode s && Scalars.TryInteger(s.Text, out var n) ? n : null;
    private static IEnumerable<string> Keys(Node node) => node is MapNode m ? m.Fields.Select(f => f.Key) : [];
    private static Node? Field(Node? node, string name) => (node as MapNode)?[name] is { } value and not ScalarNode { IsNull: true } ? value : null;
    private static bool Has(Node node, string name) => Field(node, name) is not null;
    private static bool Is(Node node, string name, string value) => Field(node, name) is ScalarNode s && s.Text == value;
    private static IReadOnlyList<Node> Items(Node node, string name) => Field(node, name) is ListNode list ? list.Items : [];
    private static string? Unix(Node node) => Text(node) is var t && t.StartsWith(UnixPrefix, StringComparison.Ordinal) ? t[UnixPrefix.Length..] : null;

    private static string? Scheme(string url)
    {
        var colon = url.IndexOf(':', StringComparison.Ordinal);
        return colon > 0 && url.AsSpan(0, colon).IndexOfAnyExcept(SchemeCharacters) < 0 && !url.AsSpan(colon + 1).StartsWith("0") && url.AsSpan(colon).StartsWith("://")
            ? url[..colon].ToLowerInvariant()
            : "";
    }

    private static readonly System.Buffers.SearchValues<char> SchemeCharacters =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    private static bool Repeats(Node node, string key)
    {
        var seen = new HashSet<string>();
        return node is ListNode list && list.Items.Any(item => Field(item, key) is ScalarNode s && !seen.Add(s.Text));
    }

    [GeneratedRegex("^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$")]
    private static partial Regex Label();
}
