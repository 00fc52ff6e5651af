namespace Mesh.Tests.Cli;

/// <summary>meshctl describe egress tells before a call how it would leave the mesh, or what refuses it.</summary>
public sealed class DescribeEgressTests : IDisposable
{
    private const string Entry = """
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: api, namespace: shop}
        spec: {hosts: [api.example.com], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}]}
        """;

    private const string Gateway = """
        apiVersion: v1
        kind: Service
        metadata: {name: istio-egressgateway, namespace: istio-system}
        spec: {selector: {istio: egressgateway}, ports: [{name: http2, port: 80}, {name: https, port: 443}]}
        ---
        apiVersion: networking.istio.io/v1
        kind: Gateway
        metadata: {name: out, namespace: shop}
        spec: {selector: {istio: egressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [api.example.com]}]}
        ---
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: out, namespace: shop}
        spec:
          hosts: [api.example.com]
          gateways: [mesh, out]
          http:
          - {match: [{gateways: [mesh], port: 80}], route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 80}}}]}
          - {match: [{gateways: [out], port: 80}], route: [{destination: {host: api.example.com, port: {number: 443}}}]}
        ---
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: api, namespace: shop}
        spec: {host: api.example.com, trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE, sni: api.example.com}}]}}
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("mesh-egress-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task A_name_of_a_ServiceEntry_leaves_from_the_sidecar()
    {
        Assert.Equal("""
            Calls to api.example.com from workloads of namespace shop
            ServiceEntry: shop/api
               The application's own TLS is passed on: rules see its SNI, and no request in it
            Port 443 (TLS):
               sidecar -> api.example.com:443, as the caller sent it
               Leaves the mesh to the addresses that DNS gives for api.example.com:443

            """, await Describe([Entry], "api.example.com:443"));
    }

    [Fact]
    public async Task The_way_through_an_egress_gateway_that_makes_TLS_is_told_hop_by_hop()
    {
        Assert.Equal("""
            Calls to api.example.com from workloads of namespace shop
            ServiceEntry: shop/api
               The application's own TLS is passed on: rules see its SNI, and no request in it
            Port 80 (HTTP):
               sidecar, by VirtualService shop/out http[0] -> istio-egressgateway.istio-system.svc.cluster.local:80, mutual TLS of the mesh where the endpoint has a proxy
               istio-egressgateway.istio-system.svc.cluster.local, Gateway shop/out, by VirtualService shop/out http[1] -> api.example.com:443, TLS made here (DestinationRule shop/api: SIMPLE), SNI api.example.com, verified by the system's roots
               Leaves the mesh to the addresses that DNS gives for api.example.com:443

            """, await Describe([Entry, Gateway], "api.example.com:80"));
    }

    [Fact]
    public async Task A_name_that_nobody_knows_is_refused_where_only_the_registry_may_be_called()
    {
        const string Sidecar = "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: default, namespace: shop}, spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}";

        var text = await Describe([Sidecar], "other.example.com");

        Assert.Contains("ServiceEntry: none\nPort 80 (HTTP):\n   Refused: nothing in the registry has this name, and outboundTrafficPolicy of Sidecar shop/default is REGISTRY_ONLY.", text);
        Assert.Contains("mesh_egress_refused_total{host=\"other.example.com\"}", text);
    }

    [Fact]
    public async Task Without_that_it_leaves_as_the_caller_sent_it() =>
        Assert.Contains("Leaves the mesh as the caller sent it, to the address that the caller chose: api.example.com has no port 8443 in the registry, and outboundTrafficPolicy of MeshConfig is ALLOW_ANY", await Describe([Entry], "api.example.com:8443"));

    [Theory]
    [InlineData("api.example.com:http", "Error: \"api.example.com:http\": a port is a number from 1 to 65535\n")]
    [InlineData("https://api.example.com", "Error: \"https://api.example.com\": a port is a number from 1 to 65535\n")]
    [InlineData("api.example.com/x", "Error: \"api.example.com/x\": expecting a host name, without scheme and path\n")]
    public async Task What_is_no_host_is_said(string host, string error)
    {
        var result = await ManifestTests.Run(["describe", "egress", host, "-f", folder]);

        Assert.Equal((1, error), (result.Exit, result.Error));
    }

    private async Task<string> Describe(string[] files, string host)
    {
        for (var i = 0; i < files.Length; i++) await File.WriteAllTextAsync(Path.Combine(folder, $"{i}.yaml"), files[i]);
        var (exit, text, error) = await ManifestTests.Run(["describe", "egress", host, "-n", "shop", "-f", folder]);
        Assert.Equal((0, ""), (exit, error));
        return text;
    }
}
