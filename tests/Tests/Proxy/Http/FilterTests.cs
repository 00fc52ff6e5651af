using System.Collections.Immutable;
using System.Text;
using Mesh.Net;
using Mesh.Proxy.Config;

namespace Mesh.Tests.Proxy.Http;

/// <summary>Filters and route actions, wire in and wire out.</summary>
public sealed class FilterTests
{
    [Fact]
    public void A_fault_answers_instead_of_the_server()
    {
        var answer = Call(new FaultFilter("fault", new() { AbortHttpStatus = 418, AbortShare = Fraction.All }), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 418 ", answer);
        Assert.EndsWith("\r\n\r\nfault filter abort", answer);
    }

    [Fact]
    public void A_header_of_the_caller_orders_no_fault() =>
        Assert.StartsWith("HTTP/1.1 200 ", Call(new FaultFilter("fault", new()), "GET / HTTP/1.1\r\nHost: a\r\nx-envoy-fault-abort-request: 503\r\n\r\n"));

    [Fact]
    public void A_request_no_policy_allows_gets_403_and_these_19_bytes()
    {
        var rules = new AuthorizationSettings { Rules = new(AuthorizationAction.Allow, []) };
        var answer = Call(new AuthorizationFilter("rbac", rules), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 403 Forbidden\r\n", answer);
        Assert.Contains("content-length: 19\r\n", answer);
        Assert.Contains("content-type: text/plain\r\n", answer);
        Assert.EndsWith("\r\n\r\nRBAC: access denied", answer);
    }

    [Fact]
    public void The_bucket_lets_so_many_through()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        var limit = new LocalRateLimitSettings { Bucket = new(2, 2, TimeSpan.FromHours(1)), Enabled = Fraction.All, Enforced = Fraction.All };
        rig.Serve(http: s => s with { Filters = [new LocalRateLimitFilter("limit", limit)] });

        var answers = Enumerable.Range(0, 3).Select(_ => rig.Call("GET / HTTP/1.1\r\nHost: a\r\n\r\n")).ToList();
        Assert.Equal(["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 429"], answers.Select(answer => answer[..12]));
        Assert.EndsWith("\r\n\r\nlocal_rate_limited", answers[2]);
    }

    [Fact]
    public void A_preflight_is_answered_for_an_allowed_origin_and_passed_on_for_another()
    {
        var cors = new CorsSettings { AllowOrigins = [StringMatch.Exact("https://shop.example.com")], AllowMethods = "GET,POST", MaxAge = "600", AllowCredentials = true };
        string Preflight(string origin) => Call(new CorsFilter("cors"), $"OPTIONS /o HTTP/1.1\r\nHost: a\r\norigin: {origin}\r\naccess-control-request-method: POST\r\n\r\n",
            overrides: ImmutableDictionary<string, FilterOverride>.Empty.Add("cors", new FilterOverride.Cors(cors)));

        var allowed = Preflight("https://shop.example.com");
        Assert.Contains("access-control-allow-origin: https://shop.example.com\r\n", allowed);
        Assert.Contains("access-control-allow-methods: GET,POST\r\n", allowed);
        Assert.Contains("access-control-allow-credentials: true\r\n", allowed);
        Assert.Contains("content-length: 0\r\n", allowed);
        Assert.DoesNotContain("OPTIONS /o", allowed);
        var other = Preflight("https://evil.example");
        Assert.Contains("OPTIONS /o", other);
        Assert.DoesNotContain("access-control", other.Split("\r\n\r\n")[0]);
    }

    [Fact]
    public void A_token_that_cannot_be_read_is_refused_and_none_at_all_passes()
    {
        var jwt = new JwtSettings
        {
            Providers = ImmutableDictionary<string, JwtProvider>.Empty.Add("p", new() { Name = "p", Issuer = "i", Keys = new("""{"keys":[]}""") }),
            Rules = [new(new() { Path = "/" }, new JwtRequirement.AnyOf([new JwtRequirement.Provider("p", []), new JwtRequirement.AllowMissing()]))],
        };
        var bad = Call(new JwtFilter("jwt", jwt), "GET /x HTTP/1.1\r\nHost: shop\r\nauthorization: Bearer nonsense\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 401 ", bad);
        Assert.Contains("www-authenticate: Bearer realm=\"http://shop/x\", error=\"invalid_token\"\r\n", bad);
        Assert.EndsWith("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections", bad);
        Assert.StartsWith("HTTP/1.1 200 ", Call(new JwtFilter("jwt", jwt), "GET /x HTTP/1.1\r\nHost: shop\r\n\r\n"));
    }

    [Fact]
    public void A_filter_that_never_came_lets_nobody_pass() =>
        Assert.StartsWith("HTTP/1.1 403 ", Call(new DiscoveredFilter("wanted", null, false), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));

    [Theory]
    [InlineData(true, false)] // at the edge
    [InlineData(false, true)] // at a sidecar, whose callers are the mesh's own
    public void A_stranger_does_not_say_what_path_was_asked_for(bool isEdge, bool passes)
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve(http: settings => settings with { UseRemoteAddress = isEdge });

        Assert.Equal(passes, rig.Call("GET /x HTTP/1.1\r\nHost: shop\r\nX-Envoy-Original-Path: /fake\r\n\r\n").Contains("x-envoy-original-path: /fake", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void A_route_rewrites_path_and_host_and_says_what_they_were()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve(route: forward => forward with { PrefixRewrite = "/new/", HostRewrite = "inside.example" });

        var answer = rig.Call("GET /old?q=1 HTTP/1.1\r\nHost: shop:80\r\n\r\n");
        Assert.Contains("GET /new/old?q=1 HTTP/1.1\r\nhost: inside.example\r\n", answer);
        Assert.Contains("x-envoy-original-path: /old?q=1\r\n", answer);
        Assert.Contains("x-envoy-original-host: shop:80\r\n", answer);
    }

    [Fact]
    public void An_authorizer_is_asked_and_its_denial_is_passed_on()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        var authorizer = new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 9191);
        rig.Server(async wire =>
        {
            while (await wire.ReadHeadAsync() is { Length: > 0 } head)
            {
                var isGood = head.Contains("x-pass: yes", StringComparison.OrdinalIgnoreCase);
                await wire.WriteAsync(isGood ? "HTTP/1.1 200 OK\r\nx-user: bob\r\ncontent-length: 0\r\n\r\n" : "HTTP/1.1 401 No\r\nx-why: token\r\ncontent-length: 3\r\n\r\nwhy");
            }
        }, authorizer);
        var settings = new ExternalAuthorizationSettings
        {
            Service = new("authz", TimeSpan.FromSeconds(1)), AllowedHeaders = [StringMatch.Exact("x-pass")], AllowedUpstreamHeaders = [StringMatch.Exact("x-user")],
        };
        rig.Serve(http: s => s with { Filters = [new ExternalAuthorizationFilter("ext", settings)] });
        rig.Use(rig.Snapshot with
        {
            Clusters = rig.Snapshot.Clusters.Add("authz", new()
            {
                Name = "authz", Endpoints = new() { Name = "authz", Localities = [new() { Endpoints = [new() { Address = SocketTarget.At(authorizer) }] }] },
            }),
        });

        var denied = rig.Call("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 401 ", denied);
        Assert.Contains("x-why: token\r\n", denied);
        Assert.EndsWith("\r\n\r\nwhy", denied);
        Assert.Contains("x-user: bob\r\n", rig.Call("GET /x HTTP/1.1\r\nHost: a\r\nx-pass: yes\r\n\r\n"));
    }

    [Fact]
    public void An_authorizer_hears_what_Envoy_tells_and_of_its_denial_only_listed_fields_go_back()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        var (authorizer, asked) = (new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 8181), "");
        rig.Server(async wire =>
        {
            while (await wire.ReadHeadAsync() is { Length: > 0 } head)
            {
                asked = head;
                await wire.WriteAsync("HTTP/1.1 403 No\r\nx-why: token\r\nx-more: 1\r\nset-cookie: a=b\r\nlocation: /login\r\nwww-authenticate: Basic\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
            }
        }, authorizer);
        var settings = new ExternalAuthorizationSettings
        {
            Service = new("authz", TimeSpan.FromSeconds(3)), AllowedClientHeaders = [StringMatch.Exact("x-why")],
        };
        rig.Serve(http: s => s with { Filters = [new ExternalAuthorizationFilter("ext", settings)] });
        rig.Use(rig.Snapshot with
        {
            Clusters = rig.Snapshot.Clusters.Add("authz", new()
            {
                Name = "authz", Endpoints = new() { Name = "authz", Localities = [new() { Endpoints = [new() { Address = SocketTarget.At(authorizer) }] }] },
            }),
        });

        var denied = rig.Call("GET /x?y HTTP/1.1\r\nHost: a\r\nx-secret: 1\r\nauthorization: Basic eA==\r\n\r\n");
        Assert.StartsWith("GET /x?y HTTP/1.1\r\nhost: a\r\n", asked);
        foreach (var field in (string[])["content-length: 0", "x-envoy-internal: true", "x-envoy-expected-rq-timeout-ms: 3000", "authorization: Basic eA=="]) Assert.Contains($"\r\n{field}\r\n", asked);
        Assert.DoesNotContain("x-secret", asked);
        foreach (var field in (string[])["x-why: token", "location: /login", "www-authenticate: Basic", "content-type: text/plain"]) Assert.Contains($"\r\n{field}\r\n", denied);
        foreach (var field in (string[])["x-more", "set-cookie"]) Assert.DoesNotContain(field, denied);
    }

    [Fact]
    public void An_authorizer_that_cannot_be_reached_permits_nothing()
    {
        var settings = new ExternalAuthorizationSettings { Service = new("nowhere", TimeSpan.FromSeconds(1)) };
        Assert.StartsWith("HTTP/1.1 403 ", Call(new ExternalAuthorizationFilter("ext", settings), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        Assert.StartsWith("HTTP/1.1 200 ", Call(new ExternalAuthorizationFilter("ext", settings with { FailOpen = true }), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    }

    [Fact]
    public void A_rate_limit_service_is_asked_with_the_descriptors_of_the_route_and_its_refusal_is_passed_on()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        var service = new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 8181);
        var asked = new List<string>();
        rig.Server(async wire =>
        {
            while (await wire.ReadHeadAsync() is { Length: > 0 } head)
            {
                var length = head.Split('\n').First(line => line.StartsWith("content-length:", StringComparison.OrdinalIgnoreCase)).Split(':')[1];
                asked.Add(await wire.ReadAsync(int.Parse(length, System.Globalization.CultureInfo.InvariantCulture)));
                var verdict = asked[^1].Contains("greedy", StringComparison.Ordinal) ? (char)2 : (char)1;
                await wire.WriteAsync($"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 0\r\ncontent-length: 7\r\n\r\n\0\0\0\0\u0002\b{verdict}");
            }
        }, service);
        Limited(rig, new() { Domain = "shop", Timeout = TimeSpan.FromSeconds(1), Service = new("rls", TimeSpan.FromSeconds(1)) });
        rig.Use(rig.Snapshot with
        {
            Clusters = rig.Snapshot.Clusters.Add("rls", new()
            {
                Name = "rls", Endpoints = new() { Name = "rls", Localities = [new() { Endpoints = [new() { Address = SocketTarget.At(service) }] }] },
            }),
        });

        Assert.StartsWith("HTTP/1.1 200 ", rig.Call("GET / HTTP/1.1\r\nHost: a\r\nx-user: modest\r\n\r\n"));
        var refused = rig.Call("GET / HTTP/1.1\r\nHost: a\r\nx-user: greedy\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 429 ", refused);
        Assert.Contains("x-envoy-ratelimited: true\r\n", refused);
        // Without the header there is no description of the request, and nothing to ask.
        Assert.StartsWith("HTTP/1.1 200 ", rig.Call("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        Assert.Equal(2, asked.Count);
        Assert.Contains("shop", asked[0]);
        Assert.Contains("user", asked[0]);
    }

    [Theory]
    [InlineData(false, "HTTP/1.1 200 ", 1), InlineData(true, "HTTP/1.1 500 ", 1)]
    public void A_rate_limit_service_that_cannot_be_reached_is_what_the_failure_mode_says(bool deny, string answer, long errors)
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        Limited(rig, new() { Domain = "shop", FailureModeDeny = deny, Service = new("nowhere", TimeSpan.FromSeconds(1)) });

        Assert.StartsWith(answer, rig.Call("GET / HTTP/1.1\r\nHost: a\r\nx-user: u\r\n\r\n"));
        Assert.Equal(errors, rig.Worker.Counters.RateLimitErrors);
    }

    private static void Limited(ProxyRig rig, GlobalRateLimitSettings settings) => rig.Serve(
        route => route with { RateLimits = [new(0, "", [new(RateLimitActionKind.RequestHeader) { Key = "user", Value = "x-user" }])] },
        http: s => s with { Filters = [new GlobalRateLimitFilter("limit", settings)] });

    [Fact]
    public void A_mirror_gets_a_copy_and_changes_nothing()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        var (shadow, seen) = (new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 9292), new List<string>());
        rig.Server(async wire =>
        {
            while (await wire.ReadHeadAsync() is { Length: > 0 } head)
            {
                seen.Add(head + await wire.ReadAsync(head.Contains("content-length: 4", StringComparison.OrdinalIgnoreCase) ? 4 : 0));
                await wire.WriteAsync("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n");
            }
        }, shadow);
        rig.Serve(route: forward => forward with { Mirrors = [new("shadow", Fraction.All)] });
        rig.Use(rig.Snapshot with
        {
            Clusters = rig.Snapshot.Clusters.Add("shadow", new()
            {
                Name = "shadow", Endpoints = new() { Name = "shadow", Localities = [new() { Endpoints = [new() { Address = SocketTarget.At(shadow) }] }] },
            }),
        });

        Assert.StartsWith("HTTP/1.1 200 ", rig.Call("POST /x HTTP/1.1\r\nHost: shop:80\r\ncontent-length: 4\r\n\r\nbody"));
        var copy = Assert.Single(seen);
        Assert.Contains("host: shop-shadow:80\r\n", copy);
        Assert.EndsWith("body", copy);
    }

    private static string Call(HttpFilterSettings filter, string request, ImmutableDictionary<string, FilterOverride>? overrides = null)
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve(http: s => s with { Filters = [filter] });
        if (overrides is not null)
        {
            var table = rig.Snapshot.Routes["80"];
            rig.Use(rig.Snapshot with { Routes = rig.Snapshot.Routes.SetItem("80", table with { VirtualHosts = [table.VirtualHosts[0] with { FilterOverrides = overrides }] }) });
        }
        return rig.Call(request);
    }
}
