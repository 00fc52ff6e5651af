using System.Net;
using Envoy.Config.Core.V3;
using Envoy.Config.Endpoint.V3;
using Envoy.Config.Route.V3;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Mesh.Proxy.Config;
using Mesh.Tests.Proxy.Security;
using Cluster = Mesh.Proxy.Config.Cluster;
using VirtualHost = Mesh.Proxy.Config.VirtualHost;
using Proto = Envoy.Config.Cluster.V3;

namespace Mesh.Tests.Proxy.Config;

public sealed class ConfigTests
{
    [Theory]
    [InlineData("/a|/b", "/b", true)]
    [InlineData("/a|/b", "/bc", false)]
    [InlineData("a.c", "a\nc", false)]
    [InlineData("(?i)ABC", "abc", true)]
    [InlineData(@"\d+", "12", true)]
    [InlineData(@"\d+", "\u0663", false)]
    [InlineData(@"[[:alpha:]]+", "abc", true)]
    [InlineData(@"(?P<n>x)y", "xy", true)]
    [InlineData(@"\Qa.b\E", "a.b", true)]
    [InlineData(@"\Qa.b\E", "axb", false)]
    [InlineData("a$", "a\n", false)]
    [InlineData("[a-z-[aeiou]]", "b", false)]
    public void Patterns_mean_what_they_mean_in_RE2(string pattern, string text, bool expected) => Assert.Equal(expected, StringMatch.Regex(pattern).IsMatch(text));

    [Fact]
    public void Bytes_that_are_no_text_match_no_pattern() => Assert.False(StringMatch.Regex(".*").IsMatch([0x61, 0xFF]));

    [Theory]
    [InlineData("(?=a)")]
    [InlineData(@"(a)\1")]
    [InlineData("(")]
    public void Patterns_without_a_linear_form_are_refused(string pattern) => Assert.ThrowsAny<ArgumentException>(() => LinearPattern.Compile(pattern));

    [Fact]
    public void A_pattern_of_1025_characters_is_refused() => Assert.Throws<ArgumentException>(() => LinearPattern.Compile(new string('a', 1025)));

    [Theory]
    [InlineData("10.0.0.0/8", "10.255.0.1", true)]
    [InlineData("10.0.0.0/8", "11.0.0.1", false)]
    [InlineData("10.0.0.1", "10.0.0.1", true)]
    [InlineData("0.0.0.0/0", "1.2.3.4", true)]
    [InlineData("0.0.0.0/0", "::1", false)]
    [InlineData("::/0", "::1", true)]
    [InlineData("2001:db8::/33", "2001:db8:8000::1", false)]
    [InlineData("10.0.0.0/8", "::ffff:10.1.1.1", true)]
    public void Ranges_hold_their_addresses(string range, string address, bool expected)
    {
        Assert.True(AddressRange.TryParse(range, out var parsed));
        Assert.Equal(expected, parsed.Contains(IPAddress.Parse(address)));
    }

    [Fact]
    public void A_refusal_names_resource_and_field()
    {
        var cluster = new Proto.Cluster { Name = "c", MaglevLbConfig = new() { TableSize = 10 }, LbPolicy = Proto.Cluster.Types.LbPolicy.Maglev };
        Assert.Equal("Cluster 'c': field table_size: 10 is not a prime number up to 5000011", Refusal(ResourceFromXds.ClusterType, "c", cluster));

        var routes = new RouteConfiguration { Name = "80", VirtualHosts = { new Envoy.Config.Route.V3.VirtualHost { Name = "v", Domains = { "*" }, Routes = { new Envoy.Config.Route.V3.Route { Match = new() { SafeRegex = new() { Regex = "(" } }, Route_ = new() { Cluster = "x" } } } } } };
        Assert.StartsWith("RouteConfiguration '80': field virtual_hosts[0].routes[0].match.safe_regex: ", Refusal(ResourceFromXds.RouteType, "80", routes));

        var range = new ClusterLoadAssignment { ClusterName = "c", Endpoints = { new LocalityLbEndpoints { LbEndpoints = { new LbEndpoint { Endpoint = new() { Address = new() { SocketAddress = new() { Address = "1.2.3.4", PortValue = 70000 } } } } } } } };
        Assert.Equal("ClusterLoadAssignment 'c': field endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value: 70000 is not a port", Refusal(ResourceFromXds.EndpointsType, "c", range));
        Assert.StartsWith("Cluster 'cut': cannot be decoded: ", ResourceFromXds.Decode(ResourceFromXds.ClusterType, "cut", ByteString.CopyFrom(0x0A, 0x20, 0x61)).Refusal);
        Assert.Contains("are not known", ResourceFromXds.Decode("type.googleapis.com/some.Thing", "x", ByteString.Empty).Refusal);
    }

    [Fact]
    public void A_stateful_session_is_refused_and_the_place_kept_for_one_is_not()
    {
        var filter = new Envoy.Extensions.Filters.Network.HttpConnectionManager.V3.HttpFilter { Name = "session", TypedConfig = Any.Pack(new Envoy.Extensions.Filters.Http.StatefulSession.V3.StatefulSession(), "type.googleapis.com") };
        Assert.IsType<NoOpFilter>(HttpFiltersFromXds.Read(filter));
        filter.TypedConfig = Any.Pack(new Envoy.Extensions.Filters.Http.StatefulSession.V3.StatefulSession { SessionState = new() { Name = "cookie" } }, "type.googleapis.com");
        Assert.Contains("session_state", Assert.Throws<ConfigRefusedException>(() => HttpFiltersFromXds.Read(filter)).ToString());
    }

    [Fact]
    public void A_filter_that_we_do_not_have_is_refused_by_name_unless_it_is_optional()
    {
        var filter = new Envoy.Extensions.Filters.Network.HttpConnectionManager.V3.HttpFilter { Name = "mine", TypedConfig = Any.Pack(new StringValue(), "type.googleapis.com") };
        Assert.Contains("filter type 'google.protobuf.StringValue' is not supported", Assert.Throws<ConfigRefusedException>(() => HttpFiltersFromXds.Read(filter)).Message);
        filter.IsOptional = true;
        Assert.IsType<NoOpFilter>(HttpFiltersFromXds.Read(filter));
    }

    [Fact]
    public void A_filter_written_as_a_plain_structure_is_read()
    {
        var value = new Struct { Fields = { ["stat_prefix"] = Value.ForString("x"), ["token_bucket"] = Value.ForStruct(new() { Fields = { ["max_tokens"] = Value.ForNumber(4), ["fill_interval"] = Value.ForString("60s") } }) } };
        var any = Any.Pack(new Udpa.Type.V1.TypedStruct { TypeUrl = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", Value = value });
        var limit = Assert.IsType<LocalRateLimitFilter>(HttpFiltersFromXds.Read("limit", any, optional: false)).Limit;
        Assert.Equal(new TokenBucket(4, 1, TimeSpan.FromMinutes(1)) with { }, limit.Bucket);
    }

    [Fact]
    public void What_is_new_waits_for_what_it_stands_on_and_the_old_serves_on()
    {
        var time = new ManualTime(new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        var builder = new SnapshotBuilder(time);
        builder.Put("a", Eds("a"));
        builder.Put("80", Table("a"));
        Assert.False(builder.TryBuild(out _) && builder.Current.Clusters.ContainsKey("a"));

        builder.Put("a", new ClusterEndpoints { Name = "a" });
        Assert.True(builder.TryBuild(out var first));
        Assert.True(first.Clusters.ContainsKey("a") && first.Routes.ContainsKey("80"));

        // A route to a cluster whose endpoints have not come keeps its former version, for a while.
        builder.Put("b", Eds("b"));
        builder.Put("80", Table("b"));
        builder.TryBuild(out var second);
        Assert.Same(first.Routes["80"], second.Routes["80"]);
        Assert.NotEmpty(builder.Waiting());
        time.Advance(SnapshotBuilder.WarmWaitMax);
        Assert.True(builder.TryBuild(out var third));
        Assert.NotSame(first.Routes["80"], third.Routes["80"]);
        Assert.Same(first.Clusters["a"], third.Clusters["a"]);
        Assert.Empty(builder.Waiting());
    }

    [Fact]
    public void A_table_whose_hosts_come_one_by_one_serves_when_they_have_come_and_changes_with_each_of_them()
    {
        var builder = new SnapshotBuilder(TimeProvider.System);
        builder.Put("a", new Cluster { Name = "a" });
        builder.Put("80", Table("a"));
        builder.TryBuild(out var inline);
        builder.Put("80", Table("a") with { VirtualHosts = [], HasHostsApart = true });
        builder.TryBuild(out var waiting);

        builder.Put("80/one", Host("one"));
        builder.Put("80/two", Host("two"));
        builder.TryBuild(out var whole);
        // Within one message a name may pass from one host to another.
        builder.Put("80/three", Host("three") with { Domains = ["one"] });
        builder.Remove(ResourceFromXds.VirtualHostType, "80/one");
        builder.TryBuild(out var passed);

        Assert.Same(inline.Routes["80"], waiting.Routes["80"]);
        Assert.Equal(["one", "two"], whole.Routes["80"].VirtualHosts.Select(host => host.Name));
        Assert.Equal([("three", "one"), ("two", "two")], passed.Routes["80"].VirtualHosts.Select(host => (host.Name, host.Domains[0])));
    }

    [Fact]
    public void A_table_that_has_no_hosts_is_whole_when_that_was_said()
    {
        var builder = new SnapshotBuilder(TimeProvider.System);
        builder.Put("80", Table("a") with { HasHostsApart = true });
        builder.TryBuild(out var before);
        builder.Remove(ResourceFromXds.VirtualHostType, "80");
        builder.TryBuild(out var after);

        Assert.Empty(before.Routes);
        Assert.Equal(["v"], after.Routes["80"].VirtualHosts.Select(host => host.Name));
    }

    private static VirtualHost Host(string name) => new() { Name = name, Domains = [name] };

    [Fact]
    public void Two_listeners_cannot_have_one_address()
    {
        var builder = new SnapshotBuilder(TimeProvider.System);
        Mesh.Proxy.Config.Listener At(string name) => new() { Name = name, Address = SocketTarget.At(new(IPAddress.Any, 80)), DefaultChain = new() };
        Assert.Null(builder.Put("one", At("one")));
        Assert.Equal("Listener 'two': field address: 0.0.0.0:80 is already taken by listener 'one'", builder.Put("two", At("two")));
        Assert.Null(builder.Put("one", At("one")));
    }

    private static Cluster Eds(string name) => new() { Name = name, Discovery = ClusterDiscovery.Eds, EndpointsName = name };

    private static RouteTable Table(string cluster) => new()
    {
        Name = "80",
        VirtualHosts = [new() { Name = "v", Domains = ["*"], Routes = [new() { Match = new() { Path = "/" }, Action = new Forward { Clusters = [new() { Name = cluster }] } }] }],
    };

    private static string? Refusal(string type, string name, IMessage message) => ResourceFromXds.Decode(type, name, message.ToByteString()).Refusal;
}
