using Envoy.Config.Cluster.V3;
using Envoy.Config.Endpoint.V3;
using Envoy.Config.Listener.V3;
using Envoy.Config.Route.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Envoy.Service.Discovery.V3;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Mesh.Xds;
using Client = Envoy.Service.Discovery.V3.AggregatedDiscoveryService.AggregatedDiscoveryServiceClient;

namespace Mesh.Tests.ControlPlane;

/// <summary>What a gRPC client without a proxy asks, in its order: listener, routes, clusters, endpoints.</summary>
public sealed class ProxylessTests
{
    private const string Yaml = """
        apiVersion: v1
        kind: Service
        metadata: {name: reviews, namespace: demo}
        spec:
          clusterIP: 10.96.0.7
          ports: [{name: grpc, port: 9080}]
        ---
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: reviews-1, namespace: demo, labels: {kubernetes.io/service-name: reviews}}
        addressType: IPv4
        ports: [{name: grpc, port: 9080}]
        endpoints:
        - {addresses: [10.0.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: reviews-v1, namespace: demo}}
        - {addresses: [10.0.0.2], conditions: {ready: true}, targetRef: {kind: Pod, name: reviews-v2, namespace: demo}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: reviews-v1, namespace: demo, labels: {version: v1}}
        spec: {containers: [{name: a, image: a}]}
        status: {phase: Running, podIP: 10.0.0.1}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: reviews-v2, namespace: demo, labels: {version: v2}}
        spec: {containers: [{name: a, image: a}]}
        status: {phase: Running, podIP: 10.0.0.2}
        ---
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: reviews, namespace: demo}
        spec:
          host: reviews
          subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
        ---
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: reviews, namespace: demo}
        spec:
          hosts: [reviews]
          http:
          - route:
            - {destination: {host: reviews, subset: v1}, weight: 80}
            - {destination: {host: reviews, subset: v2}, weight: 20}
        """;

    [Fact]
    public async Task A_client_without_a_proxy_finds_weights_and_endpoints_by_the_name_it_dials()
    {
        await using var rig = await ControlPlaneRig.StartAsync(("reviews.yaml", Yaml));
        using var channel = rig.Plain();
        using var call = new Client(channel).StreamAggregatedResources();

        var listener = await Ask<Listener>(call, TypeUrl.Listener, "reviews.demo.svc.cluster.local:9080");
        var manager = listener.ApiListener.ApiListener_.Unpack<HttpConnectionManager>();
        var table = await Ask<RouteConfiguration>(call, TypeUrl.Routes, manager.Rds.RouteConfigName);
        var weighted = table.VirtualHosts.Single().Routes.Single().Route_.WeightedClusters.Clusters;
        var cluster = await Ask<Cluster>(call, TypeUrl.Cluster, weighted[0].Name);
        var endpoints = await Ask<ClusterLoadAssignment>(call, TypeUrl.Endpoints, cluster.EdsClusterConfig.ServiceName is { Length: > 0 } named ? named : cluster.Name);

        Assert.Equal([80u, 20u], weighted.Select(w => w.Weight ?? 0));
        Assert.Equal(Cluster.Types.LbPolicy.RoundRobin, cluster.LbPolicy);
        Assert.Null(cluster.TransportSocket);
        Assert.Equal(["10.0.0.1"], endpoints.Endpoints.SelectMany(l => l.LbEndpoints).Select(e => e.Endpoint.Address.SocketAddress.Address));
    }

    [Fact]
    public async Task A_name_that_nobody_serves_is_not_answered_with_something_else()
    {
        await using var rig = await ControlPlaneRig.StartAsync(("reviews.yaml", Yaml));
        using var channel = rig.Plain();
        using var call = new Client(channel).StreamAggregatedResources();
        await call.RequestStream.WriteAsync(new() { TypeUrl = TypeUrl.Listener, Node = Node(), ResourceNames = { "nobody.demo:80" } });

        Assert.True(await call.ResponseStream.MoveNext(default));
        Assert.Empty(call.ResponseStream.Current.Resources);
    }

    private static async Task<T> Ask<T>(AsyncDuplexStreamingCall<DiscoveryRequest, DiscoveryResponse> call, string type, string name) where T : IMessage<T>, new()
    {
        await call.RequestStream.WriteAsync(new() { TypeUrl = type, Node = Node(), ResourceNames = { name } });
        Assert.True(await call.ResponseStream.MoveNext(default));
        Assert.Equal(type, call.ResponseStream.Current.TypeUrl);
        return call.ResponseStream.Current.Resources.Single().Unpack<T>();
    }

    private static Envoy.Config.Core.V3.Node Node() => new()
    {
        Id = "sidecar~10.0.0.9~client.demo~demo.svc.cluster.local",
        Metadata = new() { Fields = { ["GENERATOR"] = Value.ForString("grpc") } },
    };
}
