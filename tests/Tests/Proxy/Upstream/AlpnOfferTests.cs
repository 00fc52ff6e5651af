using System.Collections.Immutable;
using Mesh.Model.Translate;
using Mesh.Proxy.Config;
using Mesh.Proxy.Upstream;

namespace Mesh.Tests.Proxy.Upstream;

/// <summary>What a sidecar offers by ALPN: the other side, which may be Istio's, chooses its filter chain by it (Istio: filter istio.alpn; filter_chain_match of inbound listeners).</summary>
public sealed class AlpnOfferTests
{
    private static readonly ImmutableArray<string> OfCluster = ["istio-peer-exchange", "istio"];

    private static readonly ImmutableArray<AlpnOverride> FromControlPlane = ((AlpnFilter)HttpFiltersFromXds.Read(IstioFilters.AlpnFilter)).Overrides;

    [Theory]
    [InlineData("Http10", "istio-http/1.0 istio http/1.0")]
    [InlineData("Http11", "istio-http/1.1 istio http/1.1")]
    [InlineData("Http2", "istio-h2 istio h2")]
    public void What_the_control_plane_says_for_the_protocol_spoken_is_offered(string spoken, string expected)
    {
        var offer = ConnectionPool.Offer(OfCluster, FromControlPlane, Enum.Parse<SpokenHttp>(spoken), mayBeMesh: false);

        Assert.Equal(expected, string.Join(' ', offer));
    }

    [Fact]
    public void Where_nothing_is_said_for_it_the_clusters_own_names_are() =>
        Assert.Equal(OfCluster, ConnectionPool.Offer(OfCluster, [], SpokenHttp.Http11, mayBeMesh: false));

    [Fact]
    public void Our_own_protocol_goes_first() =>
        Assert.Equal(["mesh-h2", "istio-http/1.1", "istio", "http/1.1"], ConnectionPool.Offer(OfCluster, FromControlPlane, SpokenHttp.Http11, mayBeMesh: true));

    [Fact]
    public void Where_neither_says_anything_what_will_be_spoken_is_offered() =>
        Assert.Equal(["h2"], ConnectionPool.Offer([], [], SpokenHttp.Http2, mayBeMesh: false));
}
