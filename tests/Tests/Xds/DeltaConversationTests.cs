using CsCheck;
using Envoy.Service.Discovery.V3;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Mesh.Xds;

namespace Mesh.Tests.Xds;

/// <summary>Both ends of the delta protocol against each other, and against the rules of the protocol.</summary>
public sealed class DeltaConversationTests
{
    [Fact]
    public void A_first_request_that_names_nothing_means_everything_of_clusters_and_nothing_of_endpoints()
    {
        var clusters = new DeltaWatch(TypeUrl.Cluster);
        var endpoints = new DeltaWatch(TypeUrl.Endpoints);
        clusters.Take(new());
        endpoints.Take(new());

        Assert.Equal(["a", "b"], Names(clusters.Send(Set(TypeUrl.Cluster, ("a", "1"), ("b", "1")), "v1")));
        Assert.Equal([], Names(endpoints.Send(Set(TypeUrl.Endpoints, ("a", "1"), ("b", "1")), "v1")));
    }

    [Fact]
    public void A_first_request_is_answered_even_when_there_is_nothing_to_say()
    {
        var watch = new DeltaWatch(TypeUrl.Listener);
        watch.Take(new());

        Assert.NotNull(watch.Send(ResourceSet.Empty(TypeUrl.Listener), "v1"));
        Assert.Null(watch.Send(ResourceSet.Empty(TypeUrl.Listener), "v2"));
    }

    [Fact]
    public void Nothing_is_sent_before_it_was_asked_for()
    {
        Assert.Null(new DeltaWatch(TypeUrl.Cluster).Send(Set(TypeUrl.Cluster, ("a", "1")), "v1"));
    }

    [Fact]
    public void Only_what_changed_is_sent_and_what_is_gone_is_named()
    {
        var watch = new DeltaWatch(TypeUrl.Cluster);
        watch.Take(new());
        watch.Send(Set(TypeUrl.Cluster, ("a", "1"), ("b", "1"), ("c", "1")), "v1");

        var reply = watch.Send(Set(TypeUrl.Cluster, ("a", "1"), ("b", "2"), ("d", "1")), "v2");

        Assert.Equal(["b", "d"], Names(reply));
        Assert.Equal(["c"], reply!.Removed);
    }

    [Fact]
    public void A_name_that_does_not_exist_is_said_to_be_gone_and_sent_when_it_comes()
    {
        var watch = new DeltaWatch(TypeUrl.Routes);
        watch.Take(Ask("80"));

        Assert.Equal(["80"], watch.Send(ResourceSet.Empty(TypeUrl.Routes), "v1")!.Removed);
        Assert.Equal(["80"], Names(watch.Send(Set(TypeUrl.Routes, ("80", "1")), "v2")));
    }

    [Fact]
    public void Virtual_hosts_are_asked_for_by_their_table_and_sent_one_by_one()
    {
        var watch = new DeltaWatch(TypeUrl.VirtualHost);
        var client = new DeltaSubscription(TypeUrl.VirtualHost, wildcard: false);
        watch.Take(client.Want(new HashSet<string> { "80", "81" })!);

        var first = watch.Send(Set(TypeUrl.VirtualHost, ("80/a", "1"), ("80/b", "1"), ("90/c", "1")), "v1");
        var second = watch.Send(Set(TypeUrl.VirtualHost, ("80/a", "2"), ("90/c", "2"), ("81/d", "1")), "v2");

        Assert.Equal(["80/a", "80/b"], Names(first));
        Assert.Equal(["81"], first!.Removed); // an empty table is an answer, too
        Assert.Equal(["80/a", "81/d"], Names(second));
        Assert.Equal(["80/b"], second!.Removed);
    }

    [Fact]
    public void Of_the_virtual_hosts_that_a_returning_proxy_holds_only_those_that_changed_are_sent()
    {
        var client = new DeltaSubscription(TypeUrl.VirtualHost, wildcard: false);
        var before = new DeltaWatch(TypeUrl.VirtualHost);
        before.Take(client.Want(new HashSet<string> { "80" })!);
        var told = before.Send(Set(TypeUrl.VirtualHost, ("80/a", "1"), ("80/b", "1"), ("80/gone", "1")), "v1")!;
        client.Accept(DeltaDiscoveryResponse.Parser.ParseFrom(Bytes(told)));

        var after = new DeltaWatch(TypeUrl.VirtualHost);
        after.Take(client.Open(null));
        var reply = after.Send(Set(TypeUrl.VirtualHost, ("80/a", "1"), ("80/b", "2")), "v2")!;

        Assert.Equal(["80/b"], Names(reply));
        Assert.Equal(["80/gone"], reply.Removed);
        client.Want(new HashSet<string>());
        Assert.Empty(client.Held);
    }

    [Fact]
    public void A_name_asked_for_again_is_sent_again()
    {
        var watch = new DeltaWatch(TypeUrl.Endpoints);
        var set = Set(TypeUrl.Endpoints, ("a", "1"), ("b", "1"));
        watch.Take(Ask("a", "b"));
        watch.Send(set, "v1");

        Assert.Equal(DeltaRequestKind.Interest, watch.Take(Ask("a")));
        Assert.Equal(["a"], Names(watch.Send(set, "v1")));
    }

    [Fact]
    public void After_unsubscribing_a_name_its_changes_are_not_sent()
    {
        var watch = new DeltaWatch(TypeUrl.Endpoints);
        watch.Take(Ask("a", "b"));
        watch.Send(Set(TypeUrl.Endpoints, ("a", "1"), ("b", "1")), "v1");
        watch.Take(new() { ResourceNamesUnsubscribe = { "a" } });

        Assert.Null(watch.Send(Set(TypeUrl.Endpoints, ("a", "2"), ("b", "1")), "v2"));
    }

    [Fact]
    public void After_a_reconnect_only_what_the_client_does_not_have_is_sent()
    {
        var set = Set(TypeUrl.Cluster, ("a", "1"), ("b", "2"), ("c", "1"));
        var watch = new DeltaWatch(TypeUrl.Cluster);
        watch.Take(new()
        {
            InitialResourceVersions =
            {
                ["a"] = set.Find("a")!.Version,
                ["b"] = Set(TypeUrl.Cluster, ("b", "1")).Find("b")!.Version,
                ["gone"] = "7",
            },
        });

        var reply = watch.Send(set, "v9");

        Assert.Equal(["b", "c"], Names(reply));
        Assert.Equal(["gone"], reply!.Removed);
    }

    [Fact]
    public void A_refusal_is_kept_in_words_and_the_same_content_is_not_pressed_again()
    {
        var watch = new DeltaWatch(TypeUrl.Listener);
        var set = Set(TypeUrl.Listener, ("a", "1"));
        watch.Take(new());
        var reply = watch.Send(set, "v1")!;

        var kind = watch.Take(new() { ResponseNonce = reply.Nonce, ErrorDetail = new() { Code = 3, Message = "a: port 70000" } });

        Assert.Equal(DeltaRequestKind.Nack, kind);
        Assert.Equal("a: port 70000", watch.Error);
        Assert.True(watch.IsSettled);
        Assert.Null(watch.Send(set, "v1"));
        Assert.Equal(["a"], Names(watch.Send(Set(TypeUrl.Listener, ("a", "2")), "v2")));
    }

    [Fact]
    public void An_answer_to_an_older_response_changes_nothing()
    {
        var watch = new DeltaWatch(TypeUrl.Cluster);
        watch.Take(new());
        var older = watch.Send(Set(TypeUrl.Cluster, ("a", "1")), "v1")!;
        watch.Send(Set(TypeUrl.Cluster, ("a", "2")), "v2");

        Assert.Equal(DeltaRequestKind.Stale, watch.Take(new() { ResponseNonce = older.Nonce }));
        Assert.False(watch.IsSettled);
    }

    [Fact]
    public void A_star_asked_for_later_brings_everything()
    {
        var watch = new DeltaWatch(TypeUrl.Cluster);
        var set = Set(TypeUrl.Cluster, ("a", "1"), ("b", "1"));
        watch.Take(Ask("a"));
        Assert.Equal(["a"], Names(watch.Send(set, "v1")));

        watch.Take(Ask("*"));
        Assert.Equal(["a", "b"], Names(watch.Send(set, "v1")));
    }

    [Fact]
    public void The_bytes_of_a_reply_are_what_protobuf_would_have_written()
    {
        var set = Set(TypeUrl.Cluster, ("a", "1"), ("ünïcode", new string('x', 300)));
        var reply = new DiscoveryReply(TypeUrl.Cluster, "2f", "2026/1", [.. set.All], ["gone"], IsDelta: true);
        var sotw = reply with { IsDelta = false, Removed = [] };

        var delta = DeltaDiscoveryResponse.Parser.ParseFrom(Bytes(reply));
        var whole = DiscoveryResponse.Parser.ParseFrom(Bytes(sotw));

        Assert.Equal(("2f", "2026/1", TypeUrl.Cluster), (delta.Nonce, delta.SystemVersionInfo, delta.TypeUrl));
        Assert.Equal(["gone"], delta.RemovedResources);
        Assert.Equal(["a", "ünïcode"], delta.Resources.Select(r => r.Name));
        Assert.Equal(new string('x', 300), delta.Resources[1].Resource_.Unpack<StringValue>().Value);
        Assert.Equal(delta.Resources.Select(r => r.Resource_), whole.Resources);
        Assert.Equal(("2f", "2026/1", TypeUrl.Cluster), (whole.Nonce, whole.VersionInfo, whole.TypeUrl));
    }

    [Fact]
    public void In_any_order_of_changes_requests_refusals_and_reconnects_the_client_ends_with_what_it_wants()
    {
        var name = Gen.Int[0, 4].Select(i => "abcde"[i].ToString());
        var world = Gen.Select(name, Gen.Int[1, 3]).List[0, 6];
        var wish = name.HashSet[0, 4];
        var step = Gen.OneOf<object>(
            world.Select(w => (object)w), wish.Select(w => (object)w), Gen.Int[0, 2].Select(i => (object)Acts[i]));

        Gen.Select(Gen.Bool, step.List[1, 25]).Holds((wildcard, steps) =>
        {
            var type = wildcard ? TypeUrl.Cluster : TypeUrl.Endpoints;
            var client = new DeltaSubscription(type, wildcard);
            var set = ResourceSet.Empty(type);
            var watch = Connect(client, type);
            Deliver(client, watch, set);
            foreach (var one in steps)
            {
                if (one is List<(string, int)> w) set = Set(type, [.. w.Select(p => (p.Item1, p.Item2.ToString()))]);
                else if (one is HashSet<string> wanted && client.Want(wanted) is { } request) watch.Take(request);
                else if (one is "reconnect") watch = Connect(client, type);
                Deliver(client, watch, set, refuse: one is "refuse");
                if (one is "refuse") watch = Connect(client, type);
            }
            Deliver(client, watch, set);

            var expected = set.All.Where(r => wildcard || client.Wanted.Contains(r.Name)).ToDictionary(r => r.Name, r => r.Version);
            Assert.Equal(expected.OrderBy(p => p.Key), client.Held.OrderBy(p => p.Key));
            Assert.True(watch.IsSettled);
        }, cases: 100);
    }

    private static readonly string[] Acts = ["refuse", "reconnect", "stay"];

    private static DeltaWatch Connect(DeltaSubscription client, string type)
    {
        var watch = new DeltaWatch(type);
        watch.Take(client.Open(null));
        return watch;
    }

    private static void Deliver(DeltaSubscription client, DeltaWatch watch, ResourceSet set, bool refuse = false)
    {
        if (watch.Send(set, "v") is not { } reply) return;
        var response = DeltaDiscoveryResponse.Parser.ParseFrom(Bytes(reply));
        watch.Take(refuse ? client.Refuse(response, "no") : client.Accept(response));
    }

    internal static byte[] Bytes(DiscoveryReply reply)
    {
        var writer = new System.Buffers.ArrayBufferWriter<byte>();
        reply.WriteTo(writer);
        Assert.Equal(writer.WrittenCount, reply.CalculateSize());
        return writer.WrittenSpan.ToArray();
    }

    internal static ResourceSet Set(string type, params (string Name, string Content)[] resources) =>
        ResourceSet.Of(type, resources.Select(r => NamedResource.Of(r.Name, new StringValue { Value = r.Content })));

    internal static string[] Names(DiscoveryReply? reply) => [.. reply!.Resources.Select(r => r.Name).Order()];

    private static DeltaDiscoveryRequest Ask(params string[] names) => new() { ResourceNamesSubscribe = { names } };
}
