using System.Text.Json.Nodes;
using Envoy.Config.Cluster.V3;
using Envoy.Config.Endpoint.V3;
using Envoy.Config.Listener.V3;
using Envoy.Config.Route.V3;
using Envoy.Service.Discovery.V3;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Mesh.ControlPlane.Ca;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Yaml;
using Mesh.Proxy;
using Mesh.Proxy.Control;
using Mesh.Tests.Tidy;
using Mesh.Xds;
using Client = Envoy.Service.Discovery.V3.AggregatedDiscoveryService.AggregatedDiscoveryServiceClient;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>
/// The whole story in a cluster double: install the demo profile, label a namespace, start frontend and two backends, demand mutual TLS, split 80/20.
/// Each proxy introduces itself exactly as its injected pod tells it to.
/// </summary>
public sealed class StoryTests
{
    [Fact]
    public async Task From_installation_to_a_weighted_split_under_mutual_tls()
    {
        await using var rig = await ClusterRig.StartAsync("demo");
        await rig.Until(() => rig.Cluster.All(KubeKinds.MutatingWebhook).SelectMany(c => c["webhooks"].Objects()).All(w => w.At("clientConfig", "caBundle").Text() is { Length: > 0 }), "webhooks with their certificate");
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Source.Root, "samples/demo"), "*.yaml").Order(StringComparer.Ordinal)) rig.Cluster.Put(await File.ReadAllTextAsync(file));
        await rig.Until(() => rig.Cluster.All(KubeKinds.ConfigMap).Any(c => c.At("metadata", "name").Text() == "istio-ca-root-cert" && c.At("metadata", "namespace").Text() == "demo"), "the mesh's root in the namespace");
        var frontend = await StartAsync(rig, "frontend", "v1", "10.244.0.1");
        var first = await StartAsync(rig, "backend", "v1", "10.244.0.2");
        await StartAsync(rig, "backend", "v2", "10.244.0.3");
        var (sound, report, _) = await rig.MeshctlAsync("check");
        Assert.True(sound == 0, report);
        Slice(rig, "frontend", "10.244.0.1");
        Slice(rig, "backend", "10.244.0.2", "10.244.0.3");

        using var caller = new Proxy(rig, frontend);
        using var callee = new Proxy(rig, first);
        await caller.Until(async () => (await caller.SplitAsync()).SequenceEqual(["v1 80 [10.244.0.2]", "v2 20 [10.244.0.3]"]), "80/20 to one pod each");
        Assert.True(await callee.IsStrictAsync(8080), "the backend's port 8080 takes plain text");
        Assert.Equal("TLS", await caller.TransportAsync("outbound|8080|v1|backend.demo.svc.cluster.local"));

        var split = await File.ReadAllTextAsync(Path.Combine(Source.Root, "samples/demo/03-canary.yaml"));
        rig.Cluster.Put(split.Replace("weight: 80", "weight: 50", StringComparison.Ordinal).Replace("weight: 20", "weight: 50", StringComparison.Ordinal));
        await caller.Until(async () => (await caller.SplitAsync()).SequenceEqual(["v1 50 [10.244.0.2]", "v2 50 [10.244.0.3]"]), "50/50");

        // The API server goes away: the configuration stays.
        rig.Cluster.Fault = _ => 503;
        rig.Cluster.EndWatches();
        var asked = rig.Cluster.Requests.Count;
        await rig.Until(() => rig.Cluster.Requests.Count > asked + 60, "questions that are refused");
        Assert.Equal(["v1 50 [10.244.0.2]", "v2 50 [10.244.0.3]"], await caller.SplitAsync());

        // It comes back: what changed meanwhile is taken up.
        rig.Cluster.Put(split);
        rig.Cluster.Fault = _ => null;
        await caller.Until(async () => (await caller.SplitAsync())[0].StartsWith("v1 80", StringComparison.Ordinal), "80/20 again");
    }

    /// <summary>What a ReplicaSet and a kubelet do: a pod through admission, an address, and readiness.</summary>
    private static async Task<JsonObject> StartAsync(ClusterRig rig, string app, string version, string address)
    {
        var wanted = (JsonObject)YamlJson.Read($"{{apiVersion: v1, kind: Pod, metadata: {{generateName: {app}-{version}-, labels: {{app: {app}, version: {version}}}}}, spec: {{serviceAccountName: {app}, containers: [{{name: app, image: {app}, ports: [{{containerPort: 8080}}]}}]}}}}")!;
        var answer = await rig.Cluster.Api.CreateAsync(KubeKinds.Pod, "demo", wanted, default);
        Assert.True(answer.IsFine, answer.ToString());
        var pod = answer.Body!;
        Assert.NotNull(Container(pod));
        pod["status"] = YamlJson.Read($"{{phase: Running, podIP: {address}, podIPs: [{{ip: {address}}}], conditions: [{{type: Ready, status: 'True'}}]}}");
        return rig.Cluster.Put(pod);
    }

    private static void Slice(ClusterRig rig, string service, params string[] addresses)
    {
        var slice = (JsonObject)YamlJson.Read($"{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: {service}-1, namespace: demo, labels: {{kubernetes.io/service-name: {service}}}}}, addressType: IPv4, ports: [{{name: http, port: 8080, protocol: TCP}}]}}")!;
        slice["endpoints"] = new JsonArray([.. addresses.Select(a =>
        {
            var pod = rig.Cluster.All(KubeKinds.Pod).First(p => p.At("status", "podIP").Text() == a).At("metadata", "name").Text();
            return YamlJson.Read($"{{addresses: [{a}], conditions: {{ready: true}}, targetRef: {{kind: Pod, namespace: demo, name: {pod}}}}}");
        })]);
        rig.Cluster.Put(slice);
    }

    private static JsonObject? Container(JsonObject pod) => pod.At("spec", "initContainers").Named("istio-proxy") ?? pod.At("spec", "containers").Named("istio-proxy");

    /// <summary>A proxy as far as the control plane sees it: started with the arguments, variables and files of its pod.</summary>
    private sealed class Proxy : IDisposable
    {
        private readonly GrpcChannel channel;
        private readonly Envoy.Config.Core.V3.Node node;
        private readonly Metadata headers;

        public Proxy(ClusterRig rig, JsonObject pod)
        {
            var account = pod.At("spec", "serviceAccountName").Text();
            var environment = new ContainerEnvironment(pod, Container(pod)!);
            var arguments = Container(pod)!["args"].Texts().Select(environment.Expand).ToList();
            var labels = string.Join('\n', pod.At("metadata", "labels").Strings().Select(l => $"{l.Key}=\"{l.Value}\""));
            node = ControlNode.Create(Bootstrap.Read(arguments, environment.Values, path => path == "/etc/istio/pod/labels" ? labels : null));
            rig.Cluster.Tokens[$"token of {node.Id}"] = ($"system:serviceaccount:demo:{account}", LocalTokens.Audience);
            headers = new() { { "authorization", $"Bearer token of {node.Id}" } };
            channel = GrpcChannel.ForAddress(rig.Addresses["grpc"], new() { Credentials = ChannelCredentials.Insecure });
        }

        public async Task Until(Func<Task<bool>> isSo, string what)
        {
            // Each question is a stream of its own, answered with what is in force at that moment.
            var started = TimeProvider.System.GetTimestamp();
            while (TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromMinutes(2))
                if (await isSo()) return;
            Assert.Fail($"never: {what}; now {string.Join(", ", await SplitAsync())}");
        }

        /// <summary>The backend's subsets: weight and addresses.</summary>
        public async Task<IReadOnlyList<string>> SplitAsync()
        {
            var routes = await AskAsync<RouteConfiguration>(TypeUrl.Routes, "8080");
            var clusters = routes.SelectMany(r => r.VirtualHosts).FirstOrDefault(h => h.Domains.Contains("backend.demo.svc.cluster.local"))?.Routes.FirstOrDefault()?.Route_?.WeightedClusters?.Clusters;
            var lines = new List<string>();
            foreach (var cluster in clusters ?? [])
            {
                var endpoints = await AskAsync<ClusterLoadAssignment>(TypeUrl.Endpoints, cluster.Name);
                lines.Add($"{cluster.Name.Split('|')[2]} {cluster.Weight} [{string.Join(",", endpoints.SelectMany(e => e.Endpoints).SelectMany(e => e.LbEndpoints).Select(e => e.Endpoint.Address.SocketAddress.Address))}]");
            }
            return lines;
        }

        /// <summary>Does every chain for the port ask for TLS?</summary>
        public async Task<bool> IsStrictAsync(uint port)
        {
            var inbound = (await AskAsync<Listener>(TypeUrl.Listener)).Single(l => l.Name == "virtualInbound");
            var chains = inbound.FilterChains.Where(c => c.FilterChainMatch?.DestinationPort == port).ToList();
            return chains.Count > 0 && chains.All(c => c.TransportSocket is not null && c.FilterChainMatch.TransportProtocol == "tls");
        }

        public async Task<string> TransportAsync(string name)
        {
            var cluster = (await AskAsync<Cluster>(TypeUrl.Cluster)).Single(c => c.Name == name);
            return cluster.TransportSocketMatches.FirstOrDefault(m => m.TransportSocket.Name.Contains("tls", StringComparison.Ordinal)) is not null || cluster.TransportSocket?.Name.Contains("tls", StringComparison.Ordinal) == true ? "TLS" : "plain";
        }

        public void Dispose() => channel.Dispose();

        private async Task<IReadOnlyList<T>> AskAsync<T>(string type, params string[] names)
            where T : IMessage<T>, new()
        {
            using var call = new Client(channel).StreamAggregatedResources(headers);
            var request = new DiscoveryRequest { TypeUrl = type, Node = node };
            request.ResourceNames.AddRange(names);
            await call.RequestStream.WriteAsync(request);
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            return await call.ResponseStream.MoveNext(patience.Token) ? [.. call.ResponseStream.Current.Resources.Select(r => r.Unpack<T>())] : [];
        }
    }
}
