using Envoy.Service.Discovery.V3;
using Mesh.Xds;
using static Mesh.Tests.Xds.DeltaConversationTests;

namespace Mesh.Tests.Xds;

public sealed class SotwWatchTests
{
    [Fact]
    public void Listeners_asked_for_by_name_are_all_repeated_when_one_changes()
    {
        var watch = new SotwWatch(TypeUrl.Listener);
        watch.Take(Ask("a", "b"));
        var first = watch.Send(Set(TypeUrl.Listener, ("a", "1"), ("b", "1"), ("c", "1")), "v1")!;
        Assert.Equal(["a", "b"], Names(first));
        Assert.Equal(DeltaRequestKind.Ack, watch.Take(Ask(first, "a", "b")));

        Assert.Null(watch.Send(Set(TypeUrl.Listener, ("a", "1"), ("b", "1"), ("c", "2")), "v2"));
        Assert.Equal(["a", "b"], Names(watch.Send(Set(TypeUrl.Listener, ("a", "1"), ("b", "2"), ("c", "2")), "v3")));
    }

    [Fact]
    public void A_listener_that_is_gone_is_told_by_its_absence()
    {
        var watch = new SotwWatch(TypeUrl.Listener);
        watch.Take(Ask("a", "b"));
        watch.Send(Set(TypeUrl.Listener, ("a", "1"), ("b", "1")), "v1");

        Assert.Equal(["a"], Names(watch.Send(Set(TypeUrl.Listener, ("a", "1")), "v2")));
    }

    [Fact]
    public void Of_endpoints_only_what_changed_is_sent()
    {
        var watch = new SotwWatch(TypeUrl.Endpoints);
        watch.Take(Ask("a", "b"));
        watch.Send(Set(TypeUrl.Endpoints, ("a", "1"), ("b", "1")), "v1");

        Assert.Equal(["b"], Names(watch.Send(Set(TypeUrl.Endpoints, ("a", "1"), ("b", "2")), "v2")));
    }

    [Fact]
    public void A_request_with_more_names_is_answered_and_one_with_an_old_nonce_is_not_heard()
    {
        var watch = new SotwWatch(TypeUrl.Endpoints);
        var set = Set(TypeUrl.Endpoints, ("a", "1"), ("b", "1"));
        watch.Take(Ask("a"));
        var first = watch.Send(set, "v1")!;

        Assert.Equal(DeltaRequestKind.Interest, watch.Take(Ask(first, "a", "b")));
        Assert.Equal(["b"], Names(watch.Send(set, "v1")));
        Assert.Equal(DeltaRequestKind.Stale, watch.Take(Ask(first, "a")));
        Assert.Null(watch.Send(set, "v1"));
    }

    [Fact]
    public void A_refusal_is_kept_in_words()
    {
        var watch = new SotwWatch(TypeUrl.Cluster);
        watch.Take(new());
        var first = watch.Send(Set(TypeUrl.Cluster, ("a", "1")), "v1")!;

        var request = Ask(first);
        request.ErrorDetail = new() { Message = "a: no such policy" };

        Assert.Equal(DeltaRequestKind.Nack, watch.Take(request));
        Assert.Equal("a: no such policy", watch.Error);
    }

    private static DiscoveryRequest Ask(params string[] names) => new() { ResourceNames = { names } };

    private static DiscoveryRequest Ask(DiscoveryReply after, params string[] names) =>
        new() { ResourceNames = { names }, ResponseNonce = after.Nonce, VersionInfo = after.Version };
}
