using System.Text;
using Mesh.Model.Resources;
using Mesh.Model.Translate;
using Mesh.Model.World;
using Mesh.Model.Yaml;
using Mesh.Proxy.Config;
using Mesh.Sim.Net;
using Mesh.Tests.Proxy.Security;
using Mesh.Xds;
using ResourceReader = Mesh.Model.Resources.ResourceReader;
using SnapshotBuilder = Mesh.Proxy.Config.SnapshotBuilder;

namespace Mesh.Tests.Cases;

/// <summary>One gateway with a thousand TLS hosts, each with a certificate, a route and a Gateway of its own.</summary>
public sealed class GatewayScaleTests
{
    private const int Hosts = 1_000;

    private static readonly string[] Types = [TypeUrl.Cluster, TypeUrl.Endpoints, TypeUrl.Listener, TypeUrl.Routes, TypeUrl.Secret];

    private static readonly ProxyNode Ingress = ProxyNode.Parse(
        "router~10.9.0.9~ingress.istio-system~istio-system.svc.cluster.local", "", Mesh.Model.World.Locality.None,
        YamlReader.Read("{NAMESPACE: istio-system, SERVICE_ACCOUNT: ingress, LABELS: {istio: ingressgateway}}", "node", out _).Single())!;

    private static readonly SimAuthority Root = SimAuthority.Root();
    private static readonly SimIdentity First = Root.Workload(), Another = Root.Workload();

    private readonly WorldBuilder world = new(MeshConfig.Default);
    private readonly Translator translator = new();
    private readonly ManualTime time = new(new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
    private readonly SnapshotBuilder proxy;
    private readonly Dictionary<string, DeltaWatch> watches = Types.ToDictionary(type => type, type => new DeltaWatch(type));

    public GatewayScaleTests()
    {
        proxy = new(time);
        Apply("{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: shop, namespace: istio-system}, spec: {hosts: [shop.test], location: MESH_EXTERNAL, resolution: STATIC, "
            + "ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 10.1.0.1}]}}");
        for (var i = 0; i < Hosts; i++) AddHost($"h{i}");
        foreach (var (type, watch) in watches)
            watch.Take(new() { TypeUrl = type, ResourceNamesSubscribe = { "*" } });
    }

    [Fact]
    public void One_host_more_is_sent_as_its_certificate_its_routes_and_the_listener_and_leaves_the_other_hosts_chains_as_they_are()
    {
        Push();
        Assert.True(proxy.TryBuild(out var before));

        AddHost("one-more");
        var sent = Push();
        Assert.True(proxy.TryBuild(out var after));

        Assert.Equal(["0.0.0.0_443", "https.443.https.one-more.istio-system", "kubernetes://one-more"], sent);
        var (old, young) = (Assert.Single(before.Listeners.Values), Assert.Single(after.Listeners.Values));
        Assert.Equal(Hosts + 1, young.Chains.Length);
        Assert.Equal(Hosts, young.Chains.Intersect(old.Chains, ReferenceEqualityComparer.Instance).Count());
        Assert.True(young.DiffersInChainsOnly(old));
    }

    [Fact]
    public void A_new_certificate_is_sent_alone()
    {
        Push();
        Secret("h7", Another);

        Assert.Equal(["kubernetes://h7"], Push());
    }

    [Fact]
    public void A_new_route_is_sent_alone()
    {
        Push();
        Route("h7", "/only");

        Assert.Equal(["https.443.https.h7.istio-system"], Push());
    }

    [Fact]
    public void A_host_whose_certificate_is_missing_holds_up_nobody_elses_change()
    {
        Push();
        Assert.True(proxy.TryBuild(out _));
        AddHost("waits", withSecret: false);
        Push();
        proxy.TryBuild(out var served);
        Assert.Equal(Hosts, Assert.Single(served.Listeners.Values).Chains.Length);
        time.Advance(SnapshotBuilder.WarmWaitMax); // it goes in without
        Assert.True(proxy.TryBuild(out _));

        AddHost("quick");
        Push();

        Assert.True(proxy.TryBuild(out served));
        Assert.Equal(Hosts + 2, Assert.Single(served.Listeners.Values).Chains.Length);
    }

    /// <returns>The names of what was sent, in order.</returns>
    private List<string> Push()
    {
        var sent = new List<string>();
        var configuration = translator.For(world.Build(), Ingress);
        foreach (var type in Types)
        {
            if (watches[type].Send(configuration.Of(type), "") is not { } reply) continue;
            foreach (var resource in reply.Resources)
            {
                sent.Add(resource.Name);
                var (record, refusal) = ResourceFromXds.Decode(resource.TypeUrl, resource.Name, resource.Body);
                Assert.Null(refusal);
                Assert.Null(proxy.Put(resource.Name, record!));
            }
            Assert.Empty(reply.Removed);
        }
        sent.Sort(StringComparer.Ordinal);
        return sent;
    }

    private void AddHost(string name, bool withSecret = true)
    {
        Apply($"{{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {{name: {name}, namespace: istio-system}}, spec: {{selector: {{istio: ingressgateway}}, "
            + $"servers: [{{port: {{number: 443, name: https, protocol: HTTPS}}, hosts: [{name}.test], tls: {{mode: SIMPLE, credentialName: {name}}}}}]}}}}");
        Route(name, "/");
        if (withSecret) Secret(name, First);
    }

    private void Route(string name, string prefix) => Apply(
        $"{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: {name}, namespace: istio-system}}, spec: {{hosts: [{name}.test], gateways: [{name}], "
        + $"http: [{{match: [{{uri: {{prefix: {prefix}}}}}], route: [{{destination: {{host: shop.test, port: {{number: 80}}}}}}]}}]}}}}");

    private void Secret(string name, SimIdentity what) => Apply(
        $"{{apiVersion: v1, kind: Secret, metadata: {{name: {name}, namespace: istio-system}}, stringData: {{tls.crt: {Quoted(what.Tls.ChainPem)}, tls.key: {Quoted(what.Tls.KeyPem)}}}}}");

    private static string Quoted(ReadOnlyMemory<byte> pem) => $"\"{Encoding.ASCII.GetString(pem.Span).Replace("\n", "\\n", StringComparison.Ordinal)}\"";

    private void Apply(string yaml)
    {
        var resource = ResourceReader.Read(YamlReader.Read(yaml, "scale", out _).Single(), out var issues);
        Assert.Empty(issues);
        world.Apply(resource!);
    }
}
