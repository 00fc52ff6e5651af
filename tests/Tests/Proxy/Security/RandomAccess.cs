using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Http;
using Mesh.Net;
using Mesh.Proxy;
using Mesh.Proxy.Config;
using Mesh.Proxy.Security;

namespace Mesh.Tests.Proxy.Security;

/// <summary>AuthorizationPolicies and calls from few words, so that they often meet.</summary>
internal static class RandomAccess
{
    private static readonly string[] Segments = ["a", "admin", "b", "x.key"];
    private static readonly string[] OddSegments = ["", ".", "..", "%61", "%2E", "a%2Fb", "a%2fb", "a%5Cb", "\\", "A", "%20"];
    private static readonly string[] PathValues = ["/a", "/a/*", "/admin", "/admin/*", "*/b", "*.key", "*", "/a/b", "/", "/a/{*}", "/a/{*}/b", "/{**}", "/admin/{**}", "/{*}/x.key", "/a%2Fb", "//a", "/nope", "*nope", "{x}"];
    private static readonly string[] Methods = ["GET", "POST", "DELETE", "PURGE"];
    private static readonly string[] MethodValues = ["GET", "POST", "P*", "*E", "*", "get"];
    private static readonly string[] Hosts = ["shop.test", "SHOP.test", "shop.test:8080", "admin.shop.test", "other"];
    private static readonly string[] HostValues = ["shop.test", "shop.test:*", "*.shop.test", "*", "other", "Shop.Test", "shop*"];
    private static readonly string[] Spaces = ["shop", "demo", "demo-2"];
    private static readonly string[] SpaceValues = ["shop", "demo", "demo*", "*", "*2"];
    private static readonly string[] Accounts = ["web", "admin", "web-2"];
    private static readonly string[] Domains = ["mesh.test", "old.test", "foreign.test", "cluster.local"];
    private static readonly string[] Blocks = ["10.1.0.0/16", "10.1.2.3", "192.168.0.0/24", "0.0.0.0/0", "10.1.2.0/30", "fd00::/8", "10.1.2.300"];
    private static readonly string[] Addresses = ["10.1.2.3", "10.1.2.9", "192.168.0.7", "172.16.0.1", "fd00::1"];
    private static readonly string[] Values = ["one", "two", "onetwo", ""];
    private static readonly string[] HeaderValues = ["one", "two", "one*", "*two", "*"];
    private static readonly string[] Names = ["outbound_.8080_._.app.shop.svc.cluster.local", "", "shop.test"];
    private static readonly string[] Actions = ["ALLOW", "ALLOW", "ALLOW", "DENY", "DENY", "AUDIT", "CUSTOM"];

    public static IEnumerable<JsonObject> Policies(Random random)
    {
        var count = random.Next(8) == 0 ? random.Next(20, 80) : random.Next(0, 6);
        // Two names of providers at once are an error of their own; mostly it is one.
        var provider = random.Next(2) == 0 ? "ask" : "nobody";
        for (var i = 0; i < count; i++) yield return Policy(random, $"p{i:D2}", random.Next(20) == 0 ? "nobody" : provider);
    }

    public static CallOfApp Call(Random random)
    {
        var path = new StringBuilder();
        for (var n = random.Next(1, 4); n > 0; n--) path.Append('/').Append(random.Next(4) == 0 ? Pick(random, OddSegments) : Pick(random, Segments));
        if (random.Next(6) == 0) path.Append('/');
        var headers = new List<string>();
        for (var n = random.Next(3); n > 0; n--) headers.Add(Pick(random, Values));
        var peer = random.Next(4) == 0 ? null : $"{Pick(random, Domains)}/ns/{Pick(random, Spaces)}/sa/{Pick(random, Accounts)}";
        return new(random.Next(4) == 0, Pick(random, Methods), path.ToString(), random.Next(3) == 0 ? "?q=/admin" : "", Pick(random, Hosts), headers, peer, IPAddress.Parse(Pick(random, Addresses)),
            IPAddress.Parse(Pick(random, Addresses)), Pick(random, Names));
    }

    private static JsonObject Policy(Random random, string name, string provider)
    {
        var action = Pick(random, Actions);
        var spec = new JsonObject();
        if (action != "ALLOW" || random.Next(2) == 0) spec["action"] = action;
        if (action == "CUSTOM") spec["provider"] = new JsonObject { ["name"] = provider };
        switch (random.Next(10))
        {
            case < 3: spec["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["app"] = random.Next(3) == 0 ? "else" : "app" } }; break;
            case 3: spec["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["app"] = "app", ["version"] = random.Next(2) == 0 ? "v1" : "v2" } }; break;
            case 4: spec["targetRefs"] = new JsonArray(new JsonObject { ["kind"] = "Service", ["group"] = "", ["name"] = "app" }); break;
        }
        if (random.Next(10) > 0) spec["rules"] = Many(random, 1, 3, () => Rule(random, action == "CUSTOM"));
        var metadata = new JsonObject { ["name"] = name, ["namespace"] = random.Next(10) switch { < 6 => "shop", < 9 => "istio-system", _ => "demo" } };
        if (action is "ALLOW" or "DENY" && random.Next(8) == 0) metadata["annotations"] = new JsonObject { ["istio.io/dry-run"] = Pick(random, ["true", "True", "1", "false"]) };
        return new() { ["apiVersion"] = "security.istio.io/v1", ["kind"] = "AuthorizationPolicy", ["metadata"] = metadata, ["spec"] = spec };
    }

    private static JsonObject Rule(Random random, bool isCustom)
    {
        var rule = new JsonObject();
        if (random.Next(2) == 0) rule["from"] = Many(random, 1, 2, () => new JsonObject { ["source"] = Source(random, isCustom) });
        if (random.Next(3) > 0) rule["to"] = Many(random, 1, 2, () => new JsonObject { ["operation"] = Operation(random) });
        if (random.Next(3) == 0) rule["when"] = Many(random, 1, 2, () => Condition(random, isCustom));
        return rule;
    }

    private static JsonObject Source(Random random, bool isCustom)
    {
        var source = new JsonObject();
        for (var n = random.Next(1, 3); n > 0; n--)
            switch (isCustom ? random.Next(2) : random.Next(7))
            {
                case 0: List(random, source, "ipBlocks", () => Pick(random, Blocks)); break;
                case 1: List(random, source, "remoteIpBlocks", () => Pick(random, Blocks)); break;
                case 2: List(random, source, "principals", () => Principal(random)); break;
                case 3: List(random, source, "namespaces", () => Pick(random, SpaceValues)); break;
                case 4: List(random, source, "serviceAccounts", () => random.Next(2) == 0 ? Pick(random, Accounts) : $"{Pick(random, Spaces)}/{Pick(random, Accounts)}"); break;
                case 5: List(random, source, "trustDomains", () => Pick(random, Domains)); break;
                default: List(random, source, "requestPrincipals", () => Pick(random, ["*", "https://issuer/alice"])); break;
            }
        return source;
    }

    private static string Principal(Random random) => random.Next(6) switch
    {
        0 => "*",
        1 => $"*/sa/{Pick(random, Accounts)}",
        2 => $"{Pick(random, Domains)}/ns/{Pick(random, Spaces)}/*",
        3 => $"{Pick(random, Domains)}/*",
        _ => $"{Pick(random, Domains)}/ns/{Pick(random, Spaces)}/sa/{Pick(random, Accounts)}",
    };

    private static JsonObject Operation(Random random)
    {
        var operation = new JsonObject();
        for (var n = random.Next(1, 3); n > 0; n--)
            switch (random.Next(5))
            {
                case 0: List(random, operation, "methods", () => Pick(random, MethodValues)); break;
                case 1: List(random, operation, "hosts", () => Pick(random, HostValues)); break;
                case 2: List(random, operation, "ports", () => Pick(random, ["8080", "9000", "1"])); break;
                default: List(random, operation, "paths", () => Pick(random, PathValues)); break;
            }
        return operation;
    }

    private static JsonObject Condition(Random random, bool isCustom)
    {
        var (key, value) = (isCustom ? random.Next(6) : random.Next(10)) switch
        {
            0 => ("request.headers[x-a]", (Func<string>)(() => Pick(random, HeaderValues))),
            1 => ("source.ip", () => Pick(random, Blocks)),
            2 => ("remote.ip", () => Pick(random, Blocks)),
            3 => ("destination.port", () => Pick(random, ["8080", "9000"])),
            4 => ("destination.ip", () => Pick(random, ["10.0.0.1", "10.0.0.0/24", "10.1.0.0/16"])),
            5 => ("connection.sni", () => Pick(random, ["outbound*", "shop.test", "*"])),
            6 => ("source.namespace", () => Pick(random, SpaceValues)),
            7 => ("source.principal", () => Principal(random)),
            8 => ("source.serviceAccount", () => $"{Pick(random, Spaces)}/{Pick(random, Accounts)}"),
            _ => ("request.auth.claims[group]", () => "x"),
        };
        var condition = new JsonObject { ["key"] = key };
        List(random, condition, "values", value);
        return condition;
    }

    /// <summary>A list, its <c>not</c> twin, or both.</summary>
    private static void List(Random random, JsonObject into, string field, Func<string> value)
    {
        var which = random.Next(5);
        if (which < 4) into[field] = Many(random, 1, 3, () => JsonValue.Create(value()));
        if (which > 2) into[$"not{char.ToUpperInvariant(field[0])}{field[1..]}"] = Many(random, 1, 2, () => JsonValue.Create(value()));
    }

    private static JsonArray Many(Random random, int least, int most, Func<JsonNode> one)
    {
        var all = new JsonArray();
        for (var n = random.Next(least, most + 1); n > 0; n--) all.Add(one());
        return all;
    }

    private static string Pick(Random random, string[] from) => from[random.Next(from.Length)];

    /// <param name="Peer">As policies write it, without <c>spiffe://</c>; null: plain text.</param>
    internal sealed record CallOfApp(bool IsTcp, string Method, string Path, string Query, string Host, IReadOnlyList<string> Header, string? Peer, IPAddress Direct, IPAddress Remote, string ServerName)
    {
        public static readonly IPAddress Destination = IPAddress.Parse("10.0.0.1");

        public int Port => IsTcp ? 9000 : 8080;

        /// <summary>Where no proxy tells of another, the client is who connects.</summary>
        public IPAddress RemoteClient => IsTcp ? Direct : Remote;

        public RequestHead Head()
        {
            var head = new RequestHead();
            head.SetMethod(Encoding.ASCII.GetBytes(Method));
            head.SetPath(Encoding.ASCII.GetBytes(Path + Query));
            head.SetAuthority(Encoding.ASCII.GetBytes(Host));
            foreach (var value in Header) head.Headers.Append("x-a"u8, Encoding.ASCII.GetBytes(value));
            return head;
        }

        public ClientConnection Client()
        {
            var source = new IPEndPoint(Direct, 4000);
            return new()
            {
                Listener = new() { Name = "inbound", Address = SocketTarget.At(source) },
                LocalSocket = source, Destination = new(Destination, Port), DirectSource = source, Source = source, ServerName = ServerName,
                Peer = Peer is null ? null : new() { SpiffeId = "spiffe://" + Peer, Uris = ["spiffe://" + Peer] },
            };
        }

        public override string ToString() => $"{(IsTcp ? "TCP" : $"{Method} {Path}{Query} host {Host} x-a [{string.Join('|', Header)}]")} from {Peer ?? "nobody"} at {Direct} for {Remote}, sni \"{ServerName}\"";
    }
}
