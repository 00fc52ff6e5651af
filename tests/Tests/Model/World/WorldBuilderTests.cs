using Mesh.Model.Resources;
using Mesh.Model.World;
using Mesh.Model.Yaml;

namespace Mesh.Tests.Model.Worlds;

public sealed class WorldBuilderTests
{
    private const string Service = """
        apiVersion: v1
        kind: Service
        metadata: {name: reviews, namespace: shop}
        spec: {clusterIP: 10.96.0.1, selector: {app: reviews}, ports: [{name: http, port: 9080}]}
        """;

    private const string Pod = """
        apiVersion: v1
        kind: Pod
        metadata: {name: reviews-1, namespace: shop, labels: {app: reviews, security.istio.io/tlsMode: istio}}
        spec: {serviceAccountName: reviews, nodeName: n1}
        status: {podIP: 10.0.0.1, phase: Running}
        """;

    private const string Node = """
        apiVersion: v1
        kind: Node
        metadata: {name: n1, labels: {topology.kubernetes.io/region: r1, topology.kubernetes.io/zone: z1}}
        """;

    private readonly WorldBuilder builder = new();

    [Fact]
    public void Nothing_changed_gives_the_same_world()
    {
        Apply(Service);
        Assert.Same(builder.Build(), builder.Build());
    }

    [Fact]
    public void Invented_addresses_of_a_thousand_hosts_are_all_different_and_stay()
    {
        for (var i = 0; i < 1000; i++) Apply(Entry(i));
        var before = builder.Build().Registry.Services;
        Assert.Equal(1000, before.Select(service => service.AutoAddress).Distinct().Count());

        Apply(Entry(1000));
        Assert.Equal(before, builder.Build().Registry.Services.Take(1000));

        static string Entry(int number) => $$"""
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {name: e{{number}}, namespace: shop, creationTimestamp: "2024-01-01T00:{{number / 60:00}}:{{number % 60:00}}Z"}
            spec: {hosts: [h{{number}}.example.com], resolution: DNS, ports: [{number: 5432, name: tcp, protocol: TCP}]}
            """;
    }

    [Theory]
    [InlineData("serviceAccount: db", "", true)]
    [InlineData("serviceAccount: db", "security.istio.io/tlsMode: disabled", false)]
    [InlineData("labels: {security.istio.io/tlsMode: istio}", "", true)]
    [InlineData("labels: {security.istio.io/tlsMode: istio}", "security.istio.io/tlsMode: disabled", false)]
    [InlineData("weight: 1", "", false)]
    public void A_workload_with_an_account_speaks_mutual_tls_unless_a_label_says_otherwise(string spec, string labels, bool speaks)
    {
        Apply("""
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {name: db, namespace: shop}
            spec: {hosts: [db.shop.internal], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], workloadSelector: {labels: {app: db}}}
            """);
        Apply($$"""
            apiVersion: networking.istio.io/v1
            kind: WorkloadEntry
            metadata: {name: db-1, namespace: shop, labels: {app: db, istio-locality: r1.z2{{(labels.Length > 0 ? ", " + labels : "")}} } }
            spec: {address: 10.0.0.9, {{spec}}}
            """);

        var world = builder.Build();
        var endpoint = Assert.Single(world.EndpointsOf(world.Registry.Services[0]).For(80));
        Assert.Equal((speaks, "r1/z2"), (endpoint.SpeaksMutualTls, endpoint.Locality.ToString()));
    }

    [Fact]
    public void An_endpoint_that_comes_leaves_the_registry_alone()
    {
        Apply(Service, Pod, Slice("10.0.0.1"));
        var before = builder.Build();

        Apply(Slice("10.0.0.1", "10.0.0.2"));
        var after = builder.Build();

        Assert.NotSame(before, after);
        Assert.Same(before.Registry, after.Registry);
        Assert.Same(before.Policies, after.Policies);
        Assert.Equal(2, EndpointsOf(after).Length);
    }

    [Fact]
    public void A_slice_written_again_without_change_keeps_the_endpoints()
    {
        Apply(Service, Pod, Slice("10.0.0.1"));
        var before = builder.Build();

        Apply(Slice("10.0.0.1"));

        Assert.Same(before.Endpoints, builder.Build().Endpoints);
    }

    [Fact]
    public void An_endpoint_takes_labels_account_and_place_from_its_pod_and_node()
    {
        Apply(Service, Slice("10.0.0.1"));
        Assert.Equal("", EndpointsOf(builder.Build())[0].ServiceAccount);

        Apply(Pod, Node);

        var endpoint = Assert.Single(EndpointsOf(builder.Build()));
        Assert.Equal(("reviews", "r1/z1", true), (endpoint.ServiceAccount, endpoint.Locality.ToString(), endpoint.SpeaksMutualTls));
    }

    [Fact]
    public void Endpoints_that_are_not_ready_get_no_traffic()
    {
        Apply(Service, Slice("10.0.0.1").Replace("ready: true", "ready: false", StringComparison.Ordinal));
        Assert.Empty(EndpointsOf(builder.Build()));
    }

    [Fact]
    public void A_service_that_goes_takes_its_endpoints_along()
    {
        Apply(Service, Slice("10.0.0.1"));
        builder.Build();

        builder.Remove(new("", "Service", "shop", "reviews"));

        Assert.Empty(builder.Build().Endpoints);
    }

    [Fact]
    public void The_place_of_accounts_tells_what_endpoints_can_change()
    {
        Apply(Service, Pod, Slice("10.0.0.1"));
        var before = builder.Build();

        Apply(Slice("10.0.0.1", "10.0.0.9"));
        var same = builder.Build();
        Apply(Pod.Replace("serviceAccountName: reviews", "serviceAccountName: other", StringComparison.Ordinal));
        var changed = builder.Build();

        Assert.Same(before.EndpointIdentity, same.EndpointIdentity);
        Assert.NotSame(same.EndpointIdentity, changed.EndpointIdentity);
    }

    [Fact]
    public void A_heartbeat_of_a_node_changes_nothing()
    {
        Apply(Service, Pod, Node, Slice("10.0.0.1"));
        var before = builder.Build();

        Apply(Node);

        Assert.Same(before, builder.Build());
    }

    private System.Collections.Immutable.ImmutableArray<Endpoint> EndpointsOf(World world) => world.EndpointsOf(world.Registry.Services[0]).For(9080);

    private static string Slice(params string[] addresses) =>
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: reviews-1, namespace: shop, labels: {kubernetes.io/service-name: reviews}}\n"
        + "addressType: IPv4\nports: [{name: http, port: 9080, protocol: TCP}]\nendpoints:\n"
        + string.Concat(addresses.Select(address => $"- {{addresses: [{address}], conditions: {{ready: true}}{(address == "10.0.0.1" ? ", targetRef: {kind: Pod, name: reviews-1}" : "")}}}\n"));

    private void Apply(params string[] documents)
    {
        foreach (var node in documents.SelectMany(text => YamlReader.Read(text, "test", out _)))
            builder.Apply(ResourceReader.Read(node, out var issues) ?? throw new InvalidDataException(string.Join("; ", issues)));
    }
}
