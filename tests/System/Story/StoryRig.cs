using System.Net;
using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Yaml;
using Mesh.SystemTests.Iptables;
using Mesh.Tests.ControlPlane.Kube;

namespace Mesh.SystemTests.Story;

/// <summary>A cluster double with the demo profile and the demo's services, a control plane, and one node for its pods.</summary>
internal sealed class StoryRig : IAsyncDisposable
{
    public const string FrontendUrl = "http://10.96.78.1:8080/", BackendUrl = "http://10.96.78.2:8080/";

    private readonly string node;
    private Kubelet kubelet = null!;

    private StoryRig(string node) => this.node = node;

    public ClusterRig Cluster { get; private set; } = null!;
    public Kubelet Kubelet => kubelet;
    private IPEndPoint Plane => new(IPAddress.Parse(node), 15012);

    /// <param name="node">Its address; its pods are its neighbours.</param>
    /// <param name="without">Parts of the demo that are left out, by the beginnings of their files' names.</param>
    public static async Task<StoryRig> StartAsync(string bridge, string node, params string[] without)
    {
        if (NetworkSpace.Missing is { } missing) Assert.Skip(missing);

        var story = new StoryRig(node);
        Kubelet.MakeBridge(bridge, node);
        story.Cluster = await ClusterRig.StartAsync("demo", story.Plane);
        story.kubelet = new(story.Cluster, bridge, node);
        var cluster = story.Cluster;
        await cluster.Until(() => cluster.Cluster.All(KubeKinds.MutatingWebhook).SelectMany(c => c["webhooks"].Objects()).All(w => w.At("clientConfig", "caBundle").Text() is { Length: > 0 }), "webhooks with their certificate");
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Iptables.Programs.Root, "samples/demo"), "*.yaml").Order(StringComparer.Ordinal))
            if (!without.Any(part => Path.GetFileName(file).StartsWith(part, StringComparison.Ordinal))) cluster.Cluster.Put(await File.ReadAllTextAsync(file));
        await cluster.Until(() => cluster.Cluster.Get(KubeKinds.ConfigMap, "demo", "istio-ca-root-cert") is not null, "the mesh's root in the namespace");
        story.kubelet.Host("backend", new Uri(BackendUrl).Host);
        return story;
    }

    public Task StopPlaneAsync() => Cluster.StopIstiodAsync();

    public Task StartPlaneAsync() => Cluster.StartIstiodAsync(Plane);

    /// <param name="annotations">Of the pod, as a YAML map.</param>
    /// <param name="last">Of the pod's address.</param>
    public async Task<RunningPod> StartPodAsync(string app, string version, int last, string annotations = "{}")
    {
        var wanted = (JsonObject)YamlJson.Read($$$"""
            {apiVersion: v1, kind: Pod, metadata: {generateName: {{{app}}}-{{{version}}}-, labels: {app: {{{app}}}, version: {{{version}}}}, annotations: {{{annotations}}}},
             spec: {serviceAccountName: {{{app}}}, containers: [{name: app, image: {{{app}}}, ports: [{containerPort: 8080}], livenessProbe: {httpGet: {path: /healthz, port: 8080} } }] } }
            """)!;
        var answer = await Cluster.Cluster.Api.CreateAsync(KubeKinds.Pod, "demo", wanted, default);
        Assert.True(answer.IsFine, answer.ToString());
        string[] calls = app == "frontend" ? ["--calls", "http://backend:8080/"] : [];
        var pod = answer.Body!;
        var running = await kubelet.StartAsync(pod, $"{node[..node.LastIndexOf('.')]}.{last}", new Dictionary<string, (string, string[])>
        {
            ["app"] = (Program("mesh-service", "samples/Service"), ["--name", app, "--version", version, "--listen", "0.0.0.0:8080", .. calls]),
            ["istio-init"] = (Program("mesh-proxy", "src/Proxy"), []),
            ["istio-proxy"] = (Program("mesh-proxy", "src/Proxy"), []),
        });
        pod["status"] = YamlJson.Read($"{{phase: Running, podIP: {running.Address}, podIPs: [{{ip: {running.Address}}}], conditions: [{{type: Ready, status: 'True'}}]}}");
        Cluster.Cluster.Put(pod);
        return running;
    }

    /// <summary>Which pods stand behind a Service now.</summary>
    public void Slice(string service, params RunningPod[] pods)
    {
        var slice = (JsonObject)YamlJson.Read($"{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: {service}-1, namespace: demo, labels: {{kubernetes.io/service-name: {service}}}}}, addressType: IPv4, ports: [{{name: http, port: 8080, protocol: TCP}}]}}")!;
        slice["endpoints"] = new JsonArray([.. pods.Select(pod => YamlJson.Read($"{{addresses: [{pod.Address}], conditions: {{ready: true}}, targetRef: {{kind: Pod, namespace: demo, name: {pod.Name}}}}}"))]);
        Cluster.Cluster.Put(slice);
    }

    public async ValueTask DisposeAsync()
    {
        kubelet?.Dispose();
        if (Cluster is not null) await Cluster.DisposeAsync();
    }

    /// <summary>Native as tools/build publishes it, else as it was built for debugging.</summary>
    private static string Program(string name, string project)
    {
        var native = Path.Combine(Iptables.Programs.Root, "artifacts/bin", name);
        if (!File.Exists(native)) return Path.Combine(Iptables.Programs.Root, project, "bin/Debug/net10.0", name);
        return new FileInfo(native).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? native;
    }
}
