using System.Collections.Immutable;
using System.Net;
using BenchmarkDotNet.Attributes;
using Mesh.Http;
using Mesh.Proxy;
using Mesh.Proxy.Config;
using Mesh.Proxy.Security;

namespace Mesh.Bench.Proxy;

/// <summary>What a decision costs when all policies but one are about other callers, paths and namespaces: it should not grow with their number.</summary>
public class AuthorizationBenchmarks
{
    private readonly ClientConnection client;
    private readonly RequestHead request = new();
    private readonly AuthorizationRules one = Rules(1), hundred = Rules(100), thousand = Rules(1000);

    public AuthorizationBenchmarks()
    {
        var source = new IPEndPoint(IPAddress.Parse("10.77.0.11"), 4000);
        client = new()
        {
            Listener = new() { Name = "inbound", Address = SocketTarget.At(source) },
            LocalSocket = source,
            Destination = new(IPAddress.Parse("10.77.0.12"), 8080),
            DirectSource = source,
            Source = source,
            Peer = new() { SpiffeId = "spiffe://cluster.local/ns/demo/sa/client", Uris = ["spiffe://cluster.local/ns/demo/sa/client"] },
        };
        request.SetMethod("GET"u8);
        request.SetPath("/api/v1/items/17"u8);
        request.SetAuthority("shop.demo.svc.cluster.local:8080"u8);
    }

    [Benchmark]
    public int OnePolicyThatCannotMatch() => Ask(one);

    [Benchmark]
    public int HundredPoliciesThatCannotMatch() => Ask(hundred);

    [Benchmark]
    public int ThousandPoliciesThatCannotMatch() => Ask(thousand);

    private int Ask(AuthorizationRules rules) => rules.Evaluate(new(client, request, client.Source.Address)).IsAllowed ? 1 : 0;

    // As Istio writes DENY rules: a method, a path, a principal or a namespace each.
    private static AuthorizationRules Rules(int count) => AuthorizationRules.Compile(new(AuthorizationAction.Deny, [.. Enumerable.Range(0, count).Select(Policy)]));

    private static AuthorizationPolicy Policy(int i)
    {
        ImmutableArray<AuthorizationRule> what = [AuthorizationRule.And(
            AuthorizationRule.Or(new AuthorizationRule(AuthorizationRuleKind.Header) { Header = new() { Name = ":method", Kind = HeaderMatchKind.Value, Value = StringMatch.Exact("POST") } }),
            AuthorizationRule.Or(new AuthorizationRule(AuthorizationRuleKind.Path) { Text = StringMatch.Prefix($"/team-{i}/admin") }))];
        ImmutableArray<AuthorizationRule> who = [AuthorizationRule.Or(i % 2 == 0
            ? new AuthorizationRule(AuthorizationRuleKind.Authenticated) { Text = StringMatch.Exact($"spiffe://cluster.local/ns/team-{i}/sa/app") }
            : new AuthorizationRule(AuthorizationRuleKind.Authenticated) { Text = StringMatch.Regex($".*/ns/team-{i}/.*") })];
        return new($"ns[team-{i}]-policy[p]-rule[0]", what, who);
    }
}
