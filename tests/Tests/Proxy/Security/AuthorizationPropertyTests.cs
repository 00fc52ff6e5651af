using System.Collections.Immutable;
using System.Net;
using System.Text;
using Mesh.Http;
using Mesh.Proxy;
using Mesh.Proxy.Config;
using Mesh.Proxy.Security;

namespace Mesh.Tests.Proxy.Security;

/// <summary>
/// The compiled, indexed rules against a naive reading of the same rules, on random policies and requests. More and other
/// cases: see <see cref="Property"/>; a failure prints its seed.
/// </summary>
public sealed class AuthorizationPropertyTests
{
    private static readonly string[] Methods = ["GET", "POST", "DELETE", "PATCHY"];
    private static readonly string[] Paths = ["/", "/a", "/a/b", "/a/b/c", "/admin", "/admin/x", "/b", "/ab", "/%61", "//a"];
    private static readonly string[] Hosts = ["shop.example.com", "SHOP.example.com", "shop.example.com:80", "other", ""];
    private static readonly string[] Spaces = ["demo", "other", "shop-1"];
    private static readonly string[] Accounts = ["client", "backend", "default"];
    private static readonly string[] Headers = ["x-a", "x-b"];
    private static readonly string[] Values = ["1", "2", "1,2", "", "long value"];

    [Fact]
    public void Rules_decide_as_a_word_for_word_reading_does()
    {
        var (cases, seed) = (20_000 * Property.Times, (int)Property.Seed);
        const int requestsPerSet = 100;
        for (var set = 0; set < cases / requestsPerSet; set++)
        {
            var random = Seeded(seed + set);
            var policies = RandomPolicies(random);
            var rules = AuthorizationRules.Compile(policies);
            for (var i = 0; i < requestsPerSet; i++)
            {
                var call = RandomCall(random);
                var expected = policies.Policies.FirstOrDefault(policy => Oracle.Matches(policy, call))?.Name;
                var verdict = rules.Evaluate(call.Input);
                if (expected != verdict.Policy?.Name)
                    Assert.Fail($"seed {seed + set}, request {i} ({call}): expected {expected ?? "none"}, got {verdict.Policy?.Name ?? "none"}");
                Assert.Equal(policies.Action switch { AuthorizationAction.Allow => expected is not null, AuthorizationAction.Deny => expected is null, _ => true }, verdict.IsAllowed);
            }
        }
    }

    private static AuthorizationPolicies RandomPolicies(Random random)
    {
        var count = random.Next(5) == 0 ? random.Next(60, 200) : random.Next(0, 8);
        return new((AuthorizationAction)random.Next(3),
            [.. Enumerable.Range(0, count).Select(i => new AuthorizationPolicy($"p{i:D3}", RandomList(random, forWho: false), RandomList(random, forWho: true)))]);
    }

    private static ImmutableArray<AuthorizationRule> RandomList(Random random, bool forWho) =>
        [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => RandomRule(random, forWho, 0))];

    private static AuthorizationRule RandomRule(Random random, bool forWho, int depth)
    {
        if (depth < 3 && random.Next(10) < 5)
        {
            var inner = Enumerable.Range(0, random.Next(1, 4)).Select(_ => RandomRule(random, forWho, depth + 1)).ToImmutableArray();
            return random.Next(5) switch
            {
                0 or 1 => AuthorizationRule.And(inner),
                2 or 3 => AuthorizationRule.Or(inner),
                _ => AuthorizationRule.Not(inner[0]),
            };
        }
        return forWho ? RandomWho(random) : RandomWhat(random);
    }

    private static AuthorizationRule RandomWhat(Random random) => random.Next(9) switch
    {
        0 => AuthorizationRule.Any,
        1 => HeaderRule(":method", StringMatch.Exact(Pick(random, Methods))),
        2 => HeaderRule(":authority", new StringMatch((StringMatchKind)random.Next(3), Pick(random, Hosts), ignoreCase: random.Next(2) == 0)),
        3 => new(AuthorizationRuleKind.Path) { Text = new StringMatch((StringMatchKind)random.Next(3), Pick(random, Paths)) },
        4 => new(AuthorizationRuleKind.DestinationPort) { Ports = PortOf(random) },
        5 => HeaderRule(Pick(random, Headers), StringMatch.Exact(Pick(random, Values))),
        6 => new(AuthorizationRuleKind.Header) { Header = new() { Name = Pick(random, Headers), PresentWanted = random.Next(2) == 0, Invert = random.Next(2) == 0 } },
        7 => new(AuthorizationRuleKind.DestinationIp) { Range = new(IPAddress.Parse("10.0.0.0"), random.Next(2) == 0 ? 8 : 32) },
        _ => new(AuthorizationRuleKind.ServerName) { Text = StringMatch.Suffix("example.com") },
    };

    private static AuthorizationRule RandomWho(Random random) => random.Next(7) switch
    {
        0 => AuthorizationRule.Any,
        1 => new(AuthorizationRuleKind.Authenticated),
        2 => new(AuthorizationRuleKind.Authenticated) { Text = StringMatch.Exact(IdOf(random)) },
        3 => new(AuthorizationRuleKind.Authenticated) { Text = StringMatch.Regex($".*/ns/{Pick(random, Spaces)}/.*") },
        4 => new(AuthorizationRuleKind.FilterState) { Key = "io.istio.peer_principal", Text = random.Next(2) == 0 ? StringMatch.Exact(IdOf(random)) : StringMatch.Prefix("spiffe://cluster.local/") },
        5 => new(AuthorizationRuleKind.DirectRemoteIp) { Range = new(IPAddress.Parse("10.77.0.0"), random.Next(16, 33)) },
        _ => new(AuthorizationRuleKind.RemoteIp) { Range = new(IPAddress.Parse("192.168.0.0"), 16) },
    };

    private static PortRange PortOf(Random random)
    {
        var port = random.Next(8080, 8084);
        return new(port, port + 1);
    }

    private static AuthorizationRule HeaderRule(string name, StringMatch value) =>
        new(AuthorizationRuleKind.Header) { Header = new() { Name = name, Kind = HeaderMatchKind.Value, Value = value } };

    private static Call RandomCall(Random random)
    {
        var head = new RequestHead();
        head.SetMethod(Encoding.ASCII.GetBytes(Pick(random, Methods)));
        head.SetPath(Encoding.ASCII.GetBytes(Pick(random, Paths) + (random.Next(3) == 0 ? "?q=1" : "")));
        head.SetAuthority(Encoding.ASCII.GetBytes(Pick(random, Hosts)));
        foreach (var name in Headers)
            for (var n = random.Next(3); n > 0; n--) head.Headers.Append(Encoding.ASCII.GetBytes(name), Encoding.ASCII.GetBytes(Pick(random, Values)));
        var source = new IPEndPoint(IPAddress.Parse(random.Next(2) == 0 ? "10.77.0.11" : "10.78.1.1"), 4000);
        var peer = random.Next(3) == 0 ? null : IdOf(random);
        var client = new ClientConnection
        {
            Listener = new() { Name = "inbound", Address = SocketTarget.At(source) },
            LocalSocket = source,
            Destination = new(IPAddress.Parse(random.Next(2) == 0 ? "10.0.0.1" : "10.0.0.0"), random.Next(8080, 8084)),
            DirectSource = source,
            Source = source,
            ServerName = random.Next(2) == 0 ? "shop.example.com" : "",
            Peer = peer is null ? null : new() { SpiffeId = peer, Uris = [peer] },
        };
        return new(client, head, IPAddress.Parse(random.Next(2) == 0 ? "192.168.1.1" : "10.77.0.11"));
    }

    private static string IdOf(Random random) => $"spiffe://cluster.local/ns/{Pick(random, Spaces)}/sa/{Pick(random, Accounts)}";

    private static string Pick(Random random, string[] from) => from[random.Next(from.Length)];

    private static Random Seeded(int seed) => new(seed);

    internal sealed record Call(ClientConnection Client, RequestHead Head, IPAddress Remote)
    {
        public AuthorizationInput Input => new(Client, Head, Remote);

        public override string ToString() => $"{Head} {Head.Headers.ToString().ReplaceLineEndings(" ")} to {Client.Destination} from {Client.Peer?.SpiffeId ?? "nobody"} at {Remote}";
    }

    /// <summary>The rules read with strings and without cleverness.</summary>
    internal static class Oracle
    {
        public static bool Matches(AuthorizationPolicy policy, Call call) =>
            policy.Permissions.Any(rule => Holds(rule, call)) && policy.Principals.Any(rule => Holds(rule, call));

        private static bool Holds(AuthorizationRule rule, Call call) => rule.Kind switch
        {
            AuthorizationRuleKind.Any => true,
            AuthorizationRuleKind.And => rule.Inner.All(inner => Holds(inner, call)),
            AuthorizationRuleKind.Or => rule.Inner.Any(inner => Holds(inner, call)),
            AuthorizationRuleKind.Not => !Holds(rule.Inner[0], call),
            AuthorizationRuleKind.Header => Header(rule.Header!, call),
            AuthorizationRuleKind.Path => Text(rule.Text!, Ascii(call.Head.PathOnly)),
            AuthorizationRuleKind.DestinationPort => call.Client.Destination.Port == rule.Ports.Start,
            AuthorizationRuleKind.DestinationIp => Within(rule.Range, call.Client.Destination.Address),
            AuthorizationRuleKind.ServerName => Text(rule.Text!, call.Client.ServerName),
            AuthorizationRuleKind.Authenticated => call.Client.Peer is { } peer && (rule.Text is null || Text(rule.Text, peer.SpiffeId)),
            AuthorizationRuleKind.FilterState => call.Client.Peer is { } peer && Text(rule.Text!, peer.SpiffeId),
            AuthorizationRuleKind.DirectRemoteIp => Within(rule.Range, call.Client.DirectSource.Address),
            AuthorizationRuleKind.RemoteIp => Within(rule.Range, call.Remote),
            _ => throw new InvalidOperationException(),
        };

        private static bool Header(HeaderMatch match, Call call)
        {
            string[] values = match.Name switch
            {
                ":method" => [Ascii(call.Head.MethodName)],
                ":authority" => call.Head.Authority.Length == 0 ? [] : [Ascii(call.Head.Authority)],
                _ => Fields(call.Head.Headers, match.Name),
            };
            if (match.Kind == HeaderMatchKind.Present) return (values.Length > 0 == match.PresentWanted) != match.Invert;
            return values.Any(value => Text(match.Value!, value));
        }

        private static string[] Fields(Headers headers, string name)
        {
            var values = new List<string>();
            foreach (var value in headers.Values(HeaderName.TryParse(name)!)) values.Add(Ascii(value));
            return [.. values];
        }

        private static bool Text(StringMatch match, string value)
        {
            var comparison = match.IgnoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
            return match.Kind switch
            {
                StringMatchKind.Exact => value.Equals(match.Text, comparison),
                StringMatchKind.Prefix => value.StartsWith(match.Text, comparison),
                StringMatchKind.Suffix => value.EndsWith(match.Text, comparison),
                _ => System.Text.RegularExpressions.Regex.IsMatch(value, $@"\A(?:{match.Text})\z"),
            };
        }

        private static bool Within(AddressRange range, IPAddress address) => IPNetwork.Parse(range.ToString()).Contains(address);

        private static string Ascii(ReadOnlySpan<byte> bytes) => Encoding.ASCII.GetString(bytes);
    }
}
