using Mesh.Model.Translate;
using Mesh.Model.World;
using Mesh.Tests.Cases;

namespace Mesh.Tests.Model.Translations;

/// <summary>A change touches only what it must, and equal inputs give equal bytes.</summary>
public sealed class TranslatorTests
{
    private static readonly string[] Topology = ["service a 80:http v1=10.0.0.1 v2=10.0.0.2", "service b 80:http v1=10.0.1.1", "service c 90:tcp v1=10.0.2.1"];

    private readonly CaseWorld world = new(Topology);

    [Fact]
    public void The_same_input_gives_the_same_bytes()
    {
        var (one, two) = (world.ForCaller(), new CaseWorld(Topology).ForCaller());
        Assert.True(one.Clusters.HasContentOf(two.Clusters.All) && one.Endpoints.HasContentOf(two.Endpoints.All));
        Assert.True(one.Listeners.HasContentOf(two.Listeners.All) && one.Routes.HasContentOf(two.Routes.All));
    }

    [Fact]
    public void One_endpoint_more_changes_one_resource()
    {
        var before = world.ForCaller();
        world.Apply("""
            apiVersion: discovery.k8s.io/v1
            kind: EndpointSlice
            metadata: {name: b-1, namespace: default, labels: {kubernetes.io/service-name: b}}
            addressType: IPv4
            ports: [{name: http, port: 80}]
            endpoints: [{addresses: [10.0.1.1], targetRef: {kind: Pod, name: b-v1}}, {addresses: [10.0.1.2]}]
            """);
        var after = world.ForCaller();

        Assert.Equal("outbound|80||b.default.svc.cluster.local", Assert.Single(after.Endpoints.Since(before.Endpoints).Changed).Name);
        Assert.Same(before.Clusters, after.Clusters);
        Assert.Same(before.Listeners, after.Listeners);
        Assert.Same(before.Routes, after.Routes);
    }

    [Fact]
    public void One_rule_changes_the_table_of_its_port_and_nothing_else()
    {
        var before = world.ForCaller();
        world.Apply("""
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {name: a, namespace: default}
            spec: {hosts: [a], http: [{timeout: 1s, route: [{destination: {host: a}}]}]}
            """);
        var after = world.ForCaller();

        Assert.Equal("80", Assert.Single(after.Routes.Since(before.Routes).Changed).Name);
        Assert.Same(before.Clusters, after.Clusters);
        Assert.Same(before.Endpoints, after.Endpoints);
        Assert.Same(before.Listeners, after.Listeners);
    }

    [Fact]
    public void What_is_taken_back_is_told_as_removed()
    {
        world.Apply(Subset);
        var before = world.ForCaller();
        world.Apply(Subset.Replace("subsets: [{name: v1, labels: {version: v1}}]", "subsets: []", StringComparison.Ordinal));

        var changes = world.ForCaller().Clusters.Since(before.Clusters);

        Assert.Equal("outbound|80|v1|a.default.svc.cluster.local", Assert.Single(changes.Removed));
    }

    [Fact]
    public void A_node_id_of_another_form_is_no_proxy_of_ours()
    {
        Assert.Null(ProxyNode.Parse("who-knows", "", Locality.None, null));
        Assert.Equal("web", ProxyNode.Parse("sidecar~1.2.3.4~web.shop~shop.svc.cluster.local", "", Locality.None, null)?.Name);
    }

    private const string Subset = """
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: a, namespace: default}
        spec:
          host: a
          subsets: [{name: v1, labels: {version: v1}}]
        """;
}
