using System.Globalization;
using System.Text;
using Envoy.Config.Route.V3;
using Envoy.Service.Discovery.V3;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Mesh.Xds;
using Client = Envoy.Service.Discovery.V3.AggregatedDiscoveryService.AggregatedDiscoveryServiceClient;

namespace Mesh.Tests.ControlPlane;

/// <summary>Large route tables: whole to a stock Envoy, host by host to a proxy that says it takes them so.</summary>
public sealed class VirtualHostTests
{
    private const int ServicesMany = 40;

    private static Envoy.Config.Core.V3.Node Node(bool takesHosts) => new()
    {
        Id = "sidecar~10.0.0.9~client.demo~demo.svc.cluster.local",
        Metadata = new() { Fields = { ["VHDS"] = Value.ForString(takesHosts ? "true" : "false") } },
    };

    [Fact]
    public async Task A_changed_route_sends_one_virtual_host_to_a_proxy_that_takes_them_one_by_one()
    {
        await using var rig = await ControlPlaneRig.StartAsync(("services.yaml", Services(ServicesMany)));
        using var channel = rig.Plain();
        using var call = new Client(channel).DeltaAggregatedResources();
        await call.RequestStream.WriteAsync(new() { TypeUrl = TypeUrl.Routes, Node = Node(takesHosts: true), ResourceNamesSubscribe = { "8080" } });
        var table = await NextAsync(call);
        await call.RequestStream.WriteAsync(new() { TypeUrl = TypeUrl.VirtualHost, ResourceNamesSubscribe = { "8080" } });
        var hosts = await NextAsync(call);

        await rig.WriteAsync("route.yaml", Route);
        await rig.FlushAsync();
        var change = await NextAsync(call);

        var head = RouteConfiguration.Parser.ParseFrom(Assert.Single(table.Resources).Resource_.Value);
        Assert.NotNull(head.Vhds?.ConfigSource?.Ads);
        Assert.Equal(["allow_any"], head.VirtualHosts.Select(host => host.Name));
        Assert.Equal(ServicesMany, hosts.Resources.Count);
        Assert.Equal((TypeUrl.VirtualHost, "8080/s7.demo.svc.cluster.local:8080"), (change.TypeUrl, Assert.Single(change.Resources).Name));
        Assert.InRange(change.CalculateSize(), 1, 3_000);
    }

    [Fact]
    public async Task A_proxy_that_does_not_say_so_gets_whole_tables()
    {
        await using var rig = await ControlPlaneRig.StartAsync(("services.yaml", Services(ServicesMany)));
        using var channel = rig.Plain();
        using var call = new Client(channel).DeltaAggregatedResources();
        await call.RequestStream.WriteAsync(new() { TypeUrl = TypeUrl.Routes, Node = Node(takesHosts: false), ResourceNamesSubscribe = { "8080" } });

        var table = RouteConfiguration.Parser.ParseFrom(Assert.Single((await NextAsync(call)).Resources).Resource_.Value);

        Assert.Null(table.Vhds);
        Assert.Equal(ServicesMany + 1, table.VirtualHosts.Count);
    }

    [Fact]
    public async Task A_small_table_is_sent_whole_and_becomes_large_and_small_again()
    {
        await using var rig = await ControlPlaneRig.StartAsync(("services.yaml", Services(2)));
        using var channel = rig.Plain();
        using var call = new Client(channel).DeltaAggregatedResources();
        await call.RequestStream.WriteAsync(new() { TypeUrl = TypeUrl.Routes, Node = Node(takesHosts: true), ResourceNamesSubscribe = { "8080" } });
        var small = await NextAsync(call);

        await rig.WriteAsync("services.yaml", Services(ServicesMany));
        await rig.FlushAsync();
        var large = await NextAsync(call);
        await call.RequestStream.WriteAsync(new() { TypeUrl = TypeUrl.VirtualHost, ResourceNamesSubscribe = { "8080" } });
        var hosts = await NextAsync(call);
        await rig.WriteAsync("services.yaml", Services(2));
        await rig.FlushAsync();
        var again = await NextAsync(call);
        var gone = await NextAsync(call);

        Assert.Equal([3, 1, 3], new[] { small, large, again }.Select(reply => RouteConfiguration.Parser.ParseFrom(reply.Resources[0].Resource_.Value).VirtualHosts.Count));
        Assert.Equal(ServicesMany, hosts.Resources.Count);
        // The whole table comes first: at no moment is a host without its routes.
        Assert.Equal((TypeUrl.Routes, TypeUrl.VirtualHost, ServicesMany), (again.TypeUrl, gone.TypeUrl, gone.RemovedResources.Count));
    }

    private const string Route = """
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: s7, namespace: demo}
        spec: {hosts: [s7], http: [{timeout: 3s, route: [{destination: {host: s7}}]}]}
        """;

    private static string Services(int count)
    {
        var text = new StringBuilder();
        for (var i = 0; i < count; i++)
            text.Append(CultureInfo.InvariantCulture, $"---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{i}, namespace: demo}}\nspec: {{clusterIP: 10.96.0.{i + 1}, ports: [{{name: http, port: 8080}}]}}\n");
        return text.ToString();
    }

    private static async Task<DeltaDiscoveryResponse> NextAsync(AsyncDuplexStreamingCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse> call)
    {
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        var reply = call.ResponseStream.Current;
        await call.RequestStream.WriteAsync(new() { TypeUrl = reply.TypeUrl, ResponseNonce = reply.Nonce });
        return reply;
    }
}
