using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mesh.Injector;
using CallOfApp = Mesh.Tests.Proxy.Security.RandomAccess.CallOfApp;

namespace Mesh.Tests.Proxy.Security;

/// <summary>What AuthorizationPolicies say, read word for word from their YAML as Istio documents it; written apart from the code that it judges.</summary>
internal static partial class YamlOracle
{
    public const string TrustDomain = "mesh.test", Alias = "old.test";

    public static readonly string[] Outcomes = ["pass", "denied", "none allows", "nobody to ask", "ask"];

    private static readonly string[] OnlyHttp = ["hosts", "methods", "paths", "requestPrincipals", "request.headers", "request.auth"];

    /// <summary>One of <see cref="Outcomes"/>.</summary>
    public static string Decide(IReadOnlyList<JsonObject> all, CallOfApp call, string normalization)
    {
        var path = Normalized(call.Path, normalization);
        var mine = all.Where(IsForApp).ToList();

        var custom = mine.Where(policy => Action(policy) == "CUSTOM").ToList();
        var providers = custom.Select(policy => policy.At("spec", "provider", "name").Text()).Distinct().ToList();
        if (custom.Any(policy => Matches(policy, call, path)))
        {
            // Two providers are as good as none, and so is one over HTTP for a TCP connection.
            if (providers.Count > 1 || providers[0] != "ask" || call.IsTcp) return "nobody to ask";
            return "ask";
        }
        var enforced = mine.Where(policy => policy.At("metadata", "annotations", "istio.io/dry-run").Text() is null or "false").ToList();
        if (enforced.Any(policy => Action(policy) == "DENY" && Matches(policy, call, path))) return "denied";
        var allowing = enforced.Where(policy => Action(policy) == "ALLOW").ToList();
        return allowing.Count == 0 || allowing.Any(policy => Matches(policy, call, path)) ? "pass" : "none allows";
    }

    private static string Action(JsonObject policy) => policy.At("spec", "action").Text() ?? "ALLOW";

    // The app runs in "shop" with labels app=app, version=v1; "istio-system" speaks for all. What is attached to a Service is for waypoints.
    private static bool IsForApp(JsonObject policy)
    {
        if (policy.At("metadata", "namespace").Text() is not ("shop" or "istio-system") || policy.At("spec", "targetRefs") is not null) return false;
        return policy.At("spec", "selector", "matchLabels") is not JsonObject labels || labels.All(label => label.Key switch { "app" => label.Value.Text() == "app", "version" => label.Value.Text() == "v1", _ => false });
    }

    private static bool Matches(JsonObject policy, CallOfApp call, string path) => policy.At("spec", "rules").Objects().Any(rule =>
        !(call.IsTcp && Action(policy) == "ALLOW" && AsksForHttp(rule))
        && (rule["from"] is null || rule["from"].Objects().Any(from => (from["source"] as JsonObject)!.All(field => Holds(policy, field.Key, field.Value, call, path))))
        && (rule["to"] is null || rule["to"].Objects().Any(to => (to["operation"] as JsonObject)!.All(field => Holds(policy, field.Key, field.Value, call, path))))
        && (rule["when"] is null || rule["when"].Objects().All(when => HoldsWhen(policy, when, call, path))));

    private static bool AsksForHttp(JsonObject rule) =>
        rule["from"].Objects().SelectMany(from => (from["source"] as JsonObject)!.Select(field => Plain(field.Key)))
            .Concat(rule["to"].Objects().SelectMany(to => (to["operation"] as JsonObject)!.Select(field => Plain(field.Key))))
            .Concat(rule["when"].Objects().Select(when => when["key"].Text()!)).Any(IsHttp);

    private static bool IsHttp(string field) => OnlyHttp.Any(only => field.StartsWith(only, StringComparison.Ordinal));

    private static string Plain(string field) => field.StartsWith("not", StringComparison.Ordinal) ? char.ToLowerInvariant(field[3]) + field[4..] : field;

    private static bool Holds(JsonObject policy, string field, JsonNode? values, CallOfApp call, string path)
    {
        var plain = Plain(field);
        if (call.IsTcp && IsHttp(plain)) return true; // drops out of what is left: DENY, AUDIT, CUSTOM
        return values.Texts().Any(value => Is(policy, plain, value, call, path)) == (plain == field);
    }

    private static bool HoldsWhen(JsonObject policy, JsonObject when, CallOfApp call, string path)
    {
        var key = when["key"].Text()!;
        if (call.IsTcp && IsHttp(key)) return true;
        return (when["values"] is null || when["values"].Texts().Any(value => Is(policy, key, value, call, path))) && (when["notValues"] is null || !when["notValues"].Texts().Any(value => Is(policy, key, value, call, path)));
    }

    private static bool Is(JsonObject policy, string what, string value, CallOfApp call, string path)
    {
        var parts = call.Peer?.Split('/'); // domain, ns, name, sa, name
        return what switch
        {
            "methods" => Text(call.Method, value),
            "hosts" => Text(call.Host.ToLowerInvariant(), value.ToLowerInvariant()),
            "paths" => value.Contains('{', StringComparison.Ordinal) ? Template(path, value) : Text(path, value),
            "ports" or "destination.port" => value == $"{call.Port}",
            "destination.ip" => Within(CallOfApp.Destination, value),
            "ipBlocks" or "source.ip" => Within(call.Direct, value),
            "remoteIpBlocks" or "remote.ip" => Within(call.RemoteClient, value),
            "connection.sni" => Text(call.ServerName, value),
            "request.headers[x-a]" => call.Header.Any(one => value == "*" || Text(one, value)),
            "requestPrincipals" or "request.auth.claims[group]" => false, // nobody brings a token
            "principals" or "source.principal" => parts is not null && Aliases(value).Any(one => Text(call.Peer!, one)),
            "namespaces" or "source.namespace" => parts is not null && Pattern(parts[2], value),
            "serviceAccounts" or "source.serviceAccount" => parts is not null && (value.Contains('/', StringComparison.Ordinal) ? value : $"{policy.At("metadata", "namespace").Text()}/{value}") == $"{parts[2]}/{parts[4]}",
            "trustDomains" => parts is not null && (value is TrustDomain or Alias ? parts[0] is TrustDomain or Alias : Pattern(parts[0], value)),
            _ => throw new InvalidOperationException(what),
        };
    }

    /// <summary>A principal of one of the mesh's own domains is meant in all of them; cluster.local stands for them too.</summary>
    private static IEnumerable<string> Aliases(string principal)
    {
        var slash = principal.IndexOf('/', StringComparison.Ordinal);
        // A domain is named by a whole identity only: four parts and a star behind them name none.
        if (principal.Split('/').Length != 5 || principal[0] == '*' || principal[..slash] is not (TrustDomain or Alias or "cluster.local")) return [principal];
        return [TrustDomain + principal[slash..], Alias + principal[slash..]];
    }

    private static bool Text(string actual, string wanted) =>
        wanted == "*" ? actual.Length > 0
        : wanted.StartsWith('*') ? actual.EndsWith(wanted[1..], StringComparison.Ordinal)
        : wanted.EndsWith('*') ? actual.StartsWith(wanted[..^1], StringComparison.Ordinal)
        : actual == wanted;

    private static bool Pattern(string actual, string wanted) => Regex.IsMatch(actual, "^" + Regex.Escape(wanted).Replace("\\*", "[^/]*", StringComparison.Ordinal) + "$");

    private static bool Template(string path, string template)
    {
        var pattern = new StringBuilder("^");
        foreach (var part in Operator().Split(template)) pattern.Append(part switch { "{*}" => "[^/]+", "{**}" => ".*", _ => Regex.Escape(part) });
        return Regex.IsMatch(path, pattern.Append('$').ToString());
    }

    private static bool Within(IPAddress address, string block) => block.Contains('/', StringComparison.Ordinal) ? IPNetwork.Parse(block).Contains(address) : IPAddress.Parse(block).Equals(address);

    /// <summary>The path as the mesh's mode spells it; unset is BASE.</summary>
    public static string Normalized(string path, string mode)
    {
        if (mode == "NONE") return path;
        if (mode == "DECODE_AND_MERGE_SLASHES") path = path.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase).Replace("%5C", "\\", StringComparison.OrdinalIgnoreCase);
        path = Escape().Replace(path.Replace('\\', '/'), match => Convert.ToChar(Convert.ToInt32(match.Value[1..], 16)) is var c && (char.IsAsciiLetterOrDigit(c) || "-._~".Contains(c, StringComparison.Ordinal)) ? $"{c}" : match.Value);
        var kept = new List<string>();
        var segments = path.Split('/')[1..];
        for (var i = 0; i < segments.Length; i++)
        {
            var isLast = i == segments.Length - 1;
            if (segments[i] == ".." && kept.Count > 0) kept.RemoveAt(kept.Count - 1);
            if (segments[i] is "." or "..")
            {
                if (isLast) kept.Add("");
            }
            else kept.Add(segments[i]);
        }
        path = "/" + string.Join('/', kept);
        return mode is "MERGE_SLASHES" or "DECODE_AND_MERGE_SLASHES" ? Slashes().Replace(path, "/") : path;
    }

    [GeneratedRegex("(\\{\\*\\*?\\})")]
    private static partial Regex Operator();

    [GeneratedRegex("%[0-9A-Fa-f]{2}")]
    private static partial Regex Escape();

    [GeneratedRegex("/+")]
    private static partial Regex Slashes();
}
