using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Downstream;
using Mesh.Proxy.Security;

namespace Mesh.Proxy.Admin;

/// <summary>
/// /authz: would this request be let in? Asked of the very objects that serve traffic: the listener, its filter chains, the compiled rules.
/// /authz/policies: which policies guard which port.
/// </summary>
internal static class AuthorizationPage
{
    /// <param name="query">port (of the application), source (SPIFFE id; empty: plain text), method, path, authority, ip, header (name:value, several with newlines)</param>
    public static AdminReply CanI(Snapshot snapshot, string instanceIp, IReadOnlyDictionary<string, string> query)
    {
        if (!int.TryParse(query.GetValueOrDefault("port"), out var port) || port is < 1 or > 65535) return new(400, "port: give the application's port, 1 to 65535\n");

        var source = query.GetValueOrDefault("source", "");
        var ip = IPAddress.TryParse(query.GetValueOrDefault("ip"), out var given) ? given : IPAddress.Parse("192.0.2.1");
        var client = Client(snapshot, IPAddress.Parse(instanceIp), port, source, ip);
        if (client is null) return Json(new() { ["allowed"] = true, ["reason"] = "no listener of this proxy guards that port: the connection passes through" });

        client.Chain = new FilterChainMatcher(client.Listener).Find(
            new(client.Destination, client.Source, client.DirectSource, "", client.IsTls ? "tls" : "raw_buffer", client.ApplicationProtocols));
        if (client.Chain is not { } chain)
            return Json(new() { ["allowed"] = false, ["reason"] = source.Length == 0 ? "only mutual TLS is accepted on this port (PeerAuthentication STRICT)" : "no filter chain takes this connection" });

        return Json(chain.Http is { } http ? AskHttp(http, client, query, ip) : AskTcp(chain, client));
    }

    public static AdminReply Policies(Snapshot snapshot)
    {
        var rows = new JsonArray();
        foreach (var listener in snapshot.Listeners.Values.Where(l => l.Direction == TrafficDirection.Inbound).OrderBy(l => l.Name, StringComparer.Ordinal))
            foreach (var chain in listener.Chains)
                foreach (var (action, policy) in Named(chain))
                    rows.Add((JsonNode)new JsonObject { ["listener"] = listener.Name, ["chain"] = chain.Name, ["port"] = chain.Match.DestinationPort, ["action"] = action, ["policy"] = policy });
        return new(200, rows.ToJsonString(), "application/json");
    }

    private static IEnumerable<(string Action, string Policy)> Named(FilterChain chain)
    {
        var settings = (chain.Http?.Filters ?? []).OfType<AuthorizationFilter>().Select(filter => filter.Rules)
            .Concat(chain.Filters.OfType<NetworkAuthorization>().Select(filter => filter.Rules));
        foreach (var rules in settings)
        {
            foreach (var policy in rules.Rules?.Policies ?? []) yield return (Word(rules.Rules!.Action), policy.Name);
            foreach (var policy in rules.Shadow?.Policies ?? []) yield return (rules.ShadowPrefix.Contains("ext_authz", StringComparison.Ordinal) ? "CUSTOM" : $"{Word(rules.Shadow!.Action)} (dry run)", policy.Name);
        }
    }

    private static JsonObject AskHttp(HttpConnectionSettings http, ClientConnection client, IReadOnlyDictionary<string, string> query, IPAddress ip)
    {
        var request = Request(query);
        var steps = new JsonArray();
        foreach (var filter in http.Filters.OfType<AuthorizationFilter>())
            if (Ask(filter.Rules, new AuthorizationInput(client, request, ip), steps) is { } refusal) return refusal;
        var needsToken = http.Filters.OfType<JwtFilter>().Any();
        return Allowed(steps, needsToken ? "tokens are checked too: rules about request.auth were asked without one" : null);
    }

    private static JsonObject AskTcp(FilterChain chain, ClientConnection client)
    {
        var steps = new JsonArray();
        foreach (var filter in chain.Filters.OfType<NetworkAuthorization>())
            if (Ask(filter.Rules, new AuthorizationInput(client), steps) is { } refusal) return refusal;
        return Allowed(steps, null);
    }

    /// <returns>The refusal, or null to go on.</returns>
    private static JsonObject? Ask(AuthorizationSettings settings, in AuthorizationInput input, JsonArray steps)
    {
        if (settings.Shadow is { } shadow && AuthorizationRules.Compile(shadow).Evaluate(input).Policy is { } wouldMatch)
            steps.Add((JsonNode)new JsonObject { ["action"] = settings.ShadowPrefix.Contains("ext_authz", StringComparison.Ordinal) ? "CUSTOM" : "dry run", ["policy"] = wouldMatch.Name });
        if (settings.Rules is not { } rules) return null;

        var verdict = AuthorizationRules.Compile(rules).Evaluate(input);
        steps.Add((JsonNode)new JsonObject { ["action"] = Word(rules.Action), ["policy"] = verdict.Policy?.Name ?? "none matched" });
        return verdict.IsAllowed ? null : new()
        {
            ["allowed"] = false,
            ["policy"] = verdict.Policy?.Name,
            ["reason"] = verdict.Policy is { } policy ? $"policy {policy.Name} denies it" : "there are ALLOW policies for this workload, and none of them matches",
            ["steps"] = steps,
        };
    }

    private static JsonObject Allowed(JsonArray steps, string? note) => new()
    {
        ["allowed"] = true,
        ["policy"] = steps.LastOrDefault(step => step?["action"]?.ToString() == "ALLOW")?["policy"]?.DeepClone(),
        ["reason"] = steps.Count == 0 ? "no policy guards this port" : "every policy lets it pass",
        ["note"] = note,
        ["steps"] = steps,
    };

    /// <returns>Null when no inbound listener concerns the port.</returns>
    private static ClientConnection? Client(Snapshot snapshot, IPAddress own, int port, string source, IPAddress ip)
    {
        var inbound = snapshot.Listeners.Values.Where(l => l.Direction == TrafficDirection.Inbound).ToList();
        var listener = inbound.FirstOrDefault(l => l.Name == "virtualInbound") ?? inbound.FirstOrDefault(l => l.Address.Ip?.Port == port);
        if (listener is null) return null;

        var mutual = source.Length > 0;
        return new()
        {
            Listener = listener,
            LocalSocket = new(own, port),
            Destination = new(own, port),
            IsRedirected = listener.UseOriginalDestination,
            DirectSource = new(ip, 40_000),
            Source = new(ip, 40_000),
            IsTls = mutual,
            ApplicationProtocols = mutual ? ["istio-http/1.1", "istio"] : ["http/1.1"],
            Peer = mutual ? new PeerIdentity { SpiffeId = source, Uris = [source] } : null,
        };
    }

    private static RequestHead Request(IReadOnlyDictionary<string, string> query)
    {
        var request = new RequestHead { Scheme = HttpScheme.Http };
        request.SetMethod(Encoding.Latin1.GetBytes(query.GetValueOrDefault("method", "GET")));
        request.SetPath(Encoding.Latin1.GetBytes(query.GetValueOrDefault("path", "/")));
        request.SetAuthority(Encoding.Latin1.GetBytes(query.GetValueOrDefault("authority", "")));
        foreach (var line in query.GetValueOrDefault("header", "").Split('\n', StringSplitOptions.RemoveEmptyEntries))
            if (line.Split(':', 2) is [var name, var value]) request.Headers.Append(Encoding.Latin1.GetBytes(name.Trim().ToLowerInvariant()), Encoding.Latin1.GetBytes(value.Trim()));
        return request;
    }

    private static string Word(AuthorizationAction action) => action switch { AuthorizationAction.Deny => "DENY", AuthorizationAction.Log => "AUDIT", _ => "ALLOW" };

    private static AdminReply Json(JsonObject answer) => new(200, answer.ToJsonString(), "application/json");
}
