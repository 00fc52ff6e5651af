using System.Text.Json.Nodes;
using Envoy.Service.Discovery.V3;
using Grpc.Core;
using Mesh.Xds;
using Client = Envoy.Service.Discovery.V3.AggregatedDiscoveryService.AggregatedDiscoveryServiceClient;

namespace Mesh.Tests.ControlPlane;

/// <summary>The discovery service over a real connection, asked by the generated client.</summary>
public sealed class AdsServerTests
{
    private static readonly Envoy.Config.Core.V3.Node Proxy = new() { Id = "sidecar~10.0.0.9~client.demo~demo.svc.cluster.local" };

    private const string Service = """
        apiVersion: v1
        kind: Service
        metadata: {name: reviews, namespace: demo}
        spec:
          clusterIP: 10.96.0.7
          ports: [{name: http, port: 9080}]
        """;

    [Fact]
    public async Task A_proxy_is_told_of_a_service_when_its_file_appears()
    {
        await using var rig = await ControlPlaneRig.StartAsync();
        using var channel = rig.Plain();
        using var call = new Client(channel).DeltaAggregatedResources();
        await call.RequestStream.WriteAsync(new() { TypeUrl = TypeUrl.Cluster, Node = Proxy });
        var first = await Next(call);
        await call.RequestStream.WriteAsync(new() { TypeUrl = TypeUrl.Cluster, ResponseNonce = first.Nonce });

        await rig.WriteAsync("reviews.yaml", Service);
        await rig.FlushAsync();
        var second = await Next(call);

        Assert.DoesNotContain(first.Resources, r => r.Name.Contains("reviews"));
        Assert.Equal(["outbound|9080||reviews.demo.svc.cluster.local"], second.Resources.Select(r => r.Name));
    }

    [Fact]
    public async Task The_older_protocol_is_spoken_too()
    {
        await using var rig = await ControlPlaneRig.StartAsync(("reviews.yaml", Service));
        using var channel = rig.Plain();
        using var call = new Client(channel).StreamAggregatedResources();
        await call.RequestStream.WriteAsync(new() { TypeUrl = TypeUrl.Cluster, Node = Proxy });

        Assert.True(await call.ResponseStream.MoveNext(default));

        Assert.Contains(call.ResponseStream.Current.Resources, r => r.Unpack<Envoy.Config.Cluster.V3.Cluster>().Name == "outbound|9080||reviews.demo.svc.cluster.local");
    }

    [Fact]
    public async Task A_stream_without_a_node_is_told_what_is_missing()
    {
        await using var rig = await ControlPlaneRig.StartAsync();
        using var channel = rig.Plain();
        using var call = new Client(channel).DeltaAggregatedResources();
        await call.RequestStream.WriteAsync(new() { TypeUrl = TypeUrl.Cluster });

        var fault = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(default));

        Assert.Equal(StatusCode.InvalidArgument, fault.StatusCode);
        Assert.Contains("node", fault.Status.Detail);
    }

    [Fact]
    public async Task A_false_token_opens_nothing_and_a_true_one_only_its_own_namespace()
    {
        await using var rig = await ControlPlaneRig.StartAsync();
        using var channel = rig.Plain();

        Assert.Equal(StatusCode.Unauthenticated, await StatusOf(channel, "Bearer x.y.z"));
        Assert.Equal(StatusCode.PermissionDenied, await StatusOf(channel, $"Bearer {rig.Token("other", "client")}"));
        Assert.Equal(StatusCode.OK, await StatusOf(channel, $"Bearer {rig.Token("demo", "client")}"));
    }

    [Fact]
    public async Task What_a_proxy_refuses_is_shown_with_its_words()
    {
        await using var rig = await ControlPlaneRig.StartAsync();
        using var channel = rig.Plain();
        using var call = new Client(channel).DeltaAggregatedResources();
        await call.RequestStream.WriteAsync(new() { TypeUrl = TypeUrl.Listener, Node = Proxy });
        var reply = await Next(call);
        await call.RequestStream.WriteAsync(new()
        {
            TypeUrl = TypeUrl.Listener,
            ResponseNonce = reply.Nonce,
            ErrorDetail = new() { Code = 3, Message = "0.0.0.0_80: no such filter" },
        });
        // Answered in order: when this comes, the refusal was read.
        await call.RequestStream.WriteAsync(new() { TypeUrl = TypeUrl.Cluster });
        await Next(call);

        Assert.Contains("no such filter", await rig.Http.GetStringAsync("/debug/syncz"));
    }

    [Fact]
    public async Task A_bad_resource_is_refused_alone_with_its_place_and_its_former_version_stays()
    {
        await using var rig = await ControlPlaneRig.StartAsync(("reviews.yaml", Service));

        await rig.WriteAsync("reviews.yaml", Service.Replace("port: 9080", "port: many"));
        await rig.WriteAsync("ratings.yaml", Service.Replace("reviews", "ratings"));
        var answer = await rig.FlushAsync();
        var services = await rig.Http.GetStringAsync("/debug/registryz");

        Assert.Contains("\"reviews.yaml\"", answer);
        Assert.Contains("spec.ports[0].port", answer);
        Assert.Contains("\"line\": 6", answer);
        Assert.Contains("reviews.demo", services);
        Assert.Contains("ratings.demo", services);
    }

    [Fact]
    public async Task A_file_that_is_no_yaml_keeps_what_was_read_of_it_before()
    {
        await using var rig = await ControlPlaneRig.StartAsync(("reviews.yaml", Service));

        await rig.WriteAsync("reviews.yaml", "kind: [");
        var answer = await rig.FlushAsync();

        Assert.Contains("reviews.yaml", answer);
        Assert.Contains("reviews.demo", await rig.Http.GetStringAsync("/debug/registryz"));
    }

    [Fact]
    public async Task The_pages_of_istiod_are_there()
    {
        await using var rig = await ControlPlaneRig.StartAsync(("reviews.yaml", Service));

        Assert.Equal("", await rig.Http.GetStringAsync("/ready"));
        foreach (var page in (string[])["syncz", "adsz", "connections", "configz", "endpointz", "registryz", "list"])
            Assert.StartsWith(page is "adsz" or "connections" ? "{" : "[", await rig.Http.GetStringAsync($"/debug/{page}"));
        Assert.Contains("pilot_services 1", await rig.Http.GetStringAsync("/metrics"));

        // What the list names is there, and the page for people leads to it.
        var index = await rig.Http.GetStringAsync("/debug");
        foreach (var page in JsonNode.Parse(await rig.Http.GetStringAsync("/debug/list"))!.AsArray().Select(name => name!.GetValue<string>()))
        {
            using var answer = await rig.Http.GetAsync(page);
            Assert.True(answer.IsSuccessStatusCode || answer.StatusCode == System.Net.HttpStatusCode.BadRequest, $"{page}: {answer.StatusCode}");
            Assert.Contains($"href=\"{page}\"", index);
        }
        Assert.Contains("\"Service\": 1", await rig.Http.GetStringAsync("/debug/resourcesz"));
    }

    private static async Task<StatusCode> StatusOf(Grpc.Net.Client.GrpcChannel channel, string authorization)
    {
        using var call = new Client(channel).DeltaAggregatedResources(new Metadata { { "authorization", authorization } });
        try
        {
            await call.RequestStream.WriteAsync(new() { TypeUrl = TypeUrl.Cluster, Node = Proxy });
            await call.ResponseStream.MoveNext(default);
            return StatusCode.OK;
        }
        catch (RpcException e)
        {
            return e.StatusCode;
        }
    }

    private static async Task<DeltaDiscoveryResponse> Next(AsyncDuplexStreamingCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse> call)
    {
        Assert.True(await call.ResponseStream.MoveNext(default));
        return call.ResponseStream.Current;
    }
}
