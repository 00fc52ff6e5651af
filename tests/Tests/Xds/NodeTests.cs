using Google.Protobuf;
using Mesh.Xds;

namespace Mesh.Tests.Xds;

public sealed class NodeTests
{
    [Fact]
    public void Istios_node_is_read_into_plain_values()
    {
        var proto = JsonParser.Default.Parse<Envoy.Config.Core.V3.Node>("""
            {"id": "sidecar~10.77.0.11~client.demo~demo.svc.cluster.local", "cluster": "client.demo",
             "locality": {"region": "r1", "zone": "z1"}, "userAgentName": "envoy",
             "metadata": {"NAME": "client", "NAMESPACE": "demo", "LABELS": {"app": "client", "version": "v1"}, "INSTANCE_IPS": "10.77.0.11, fd00::1",
              "DNS_CAPTURE": true, "PROXY_CONFIG": {"concurrency": 2}, "ENVOY_STATUS_PORT": 15021}}
            """);

        var node = Node.From(proto);

        Assert.Equal(NodeKind.Sidecar, node.Kind);
        Assert.Equal(("client", "demo", "10.77.0.11", "client.demo"), (node.Name, node.Namespace, node.IpAddress, node.PodDotNamespace));
        Assert.Equal(new NodeLocality("r1", "z1", ""), node.Locality);
        Assert.Equal("v1", node.Labels["version"]);
        Assert.Equal(["10.77.0.11", "fd00::1"], node.InstanceIps);
        Assert.True(node.DnsCapture);
        Assert.Equal(15021, node.Number("ENVOY_STATUS_PORT"));
        Assert.Contains("concurrency", node.ProxyConfigJson);
    }

    [Theory]
    [InlineData("")]
    [InlineData("no tildes")]
    [InlineData("sidecar~1.2.3.4~x")]
    public void An_odd_id_is_no_error(string id)
    {
        var node = Node.From(new() { Id = id });

        Assert.Equal(NodeKind.Other, node.Kind);
        Assert.Equal("", node.Namespace);
    }

    [Fact]
    public void Written_and_read_again_a_node_is_the_same()
    {
        var node = new Node
        {
            Id = "router~10.0.0.1~gw.istio-system~istio-system.svc.cluster.local",
            Kind = NodeKind.Router,
            Name = "gw",
            Namespace = "istio-system",
            InstanceIps = ["10.0.0.1"],
            Labels = new Dictionary<string, string> { ["istio"] = "ingressgateway" },
            ProxyConfigJson = """{"concurrency":2}""",
        };

        var again = Node.From(node.ToProto());

        Assert.Equal(node.Kind, again.Kind);
        Assert.Equal("10.0.0.1", again.IpAddress);
        Assert.Equal(node.Labels, again.Labels);
        Assert.Equal("istio-system", again.Namespace);
        Assert.Contains("concurrency", again.ProxyConfigJson);
    }
}

public sealed class XdsFilesTests
{
    [Fact]
    public void Every_file_of_messages_is_listed()
    {
        var all = typeof(XdsFiles).Assembly.GetTypes()
            .Where(t => t.Name.EndsWith("Reflection", StringComparison.Ordinal))
            .Select(t => t.GetProperty("Descriptor")?.GetValue(null)).OfType<Google.Protobuf.Reflection.FileDescriptor>();

        Assert.Empty(all.Select(f => f.Name).Except(XdsFiles.All().Select(f => f.Name)));
    }
}
