using Mesh.Tests.ControlPlane.Kube;
using Mesh.Tests.Tidy;

namespace Mesh.Tests.Cli;

/// <summary>meshctl describe says in istioctl's words what the mesh does with a pod or a service.</summary>
public sealed class DescribeTests : IDisposable
{
    private const string Backend = """
        apiVersion: v1
        kind: Pod
        metadata: {name: backend-v1-1, namespace: demo, labels: {app: backend, version: v1}, annotations: {istio.io/rev: default}}
        spec: {serviceAccountName: backend, containers: [{name: app, ports: [{containerPort: 8080, protocol: TCP}, {containerPort: 53, protocol: UDP}]}, {name: istio-proxy, ports: [{containerPort: 15090, protocol: TCP}]}]}
        status: {phase: Running, containerStatuses: [{name: app, ready: true}, {name: istio-proxy, ready: true}]}
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("mesh-describe-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task A_pod_of_the_demo_is_told_with_its_ports_rule_route_and_mode()
    {
        Write(Backend);

        Assert.Equal("""
            Pod: backend-v1-1.demo
               Pod Revision: default
               Pod Ports: 8080 (app), 53/UDP (app), 15090 (istio-proxy)
            --------------------
            Service: backend.demo
               Port: http 8080/HTTP targets pod port 8080
            DestinationRule: backend.demo for "backend"
               Matching subsets: v1
                  (Non-matching subsets v2)
               No Traffic Policy
            VirtualService: backend.demo
               Route to host "backend" subset "v1" with weight 80%
            --------------------
            Effective PeerAuthentication:
               Workload mTLS mode: STRICT
            Applied PeerAuthentication:
               default.demo
            Skipping Gateway information (no ingress gateway pods)

            """, await Describe("pod", "backend-v1-1.demo"));
    }

    [Fact]
    public async Task A_process_of_this_machine_is_told_as_the_pod_that_it_would_be()
    {
        Write("{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: backend-v1, namespace: demo}, spec: {address: 127.77.0.12, serviceAccount: backend, labels: {app: backend, version: v1}, ports: {http: 8000}}}");

        Assert.StartsWith("""
            Pod: backend-v1.demo
               Pod Revision: default
               Pod Ports: 8000 (process)
            --------------------
            Service: backend.demo
            """, await Describe("pod", "backend-v1.demo"));
    }

    [Fact]
    public async Task Names_of_ones_own_namespace_are_short_and_policies_are_listed_by_rule()
    {
        Write(Backend, "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: callers, namespace: demo}, spec: {rules: [{}, {to: [{operation: {methods: [GET]}}]}]}}");

        var text = await Describe("svc", "backend", "-n", "demo");

        Assert.StartsWith("Service: backend\n", text);
        Assert.Contains("RBAC policies: ns[demo]-policy[callers]-rule[0], ns[demo]-policy[callers]-rule[1]\n", text);
        Assert.DoesNotContain("PeerAuthentication", text);
    }

    [Fact]
    public async Task Conditions_faults_and_routes_that_lead_elsewhere_are_named()
    {
        Write(
            Backend.Replace("version: v1", "version: v9", StringComparison.Ordinal),
            """
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {name: backend, namespace: demo}
            spec:
              hosts: [backend]
              http:
              - {match: [{uri: {prefix: /slow}, headers: {user: {exact: jo}}}], fault: {delay: {fixedDelay: 2s, percentage: {value: 50}}}, route: [{destination: {host: backend}}]}
              - {route: [{destination: {host: backend, subset: v1}, weight: 100}]}
              - {route: [{destination: {host: backend, subset: nosuch}}]}
            """);

        var text = await Describe("pod", "backend-v1-1.demo");

        Assert.Contains("   WARNING POD DOES NOT MATCH ANY SUBSETS.  (Non matching subsets v1,v2)\n   Matching subsets: \n      (Non-matching subsets v1,v2)\n", text);
        Assert.Contains("VirtualService: backend.demo\n   Fault injection delay 2s for 50%, Match: /slow* when headers are user=jo\n   2 additional destination(s) that will not reach this pod\n", text);
    }

    [Fact]
    public async Task A_way_in_through_the_ingress_gateway_has_its_address()
    {
        Write(Backend, """
            apiVersion: v1
            kind: Pod
            metadata: {name: gw-1, namespace: istio-system, labels: {istio: ingressgateway}}
            spec: {containers: [{name: istio-proxy}]}
            status: {phase: Running, hostIP: 10.0.0.7}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: istio-ingressgateway, namespace: istio-system}
            spec: {selector: {istio: ingressgateway}, ports: [{name: http2, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]}
            ---
            apiVersion: networking.istio.io/v1
            kind: Gateway
            metadata: {name: edge, namespace: demo}
            spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
            ---
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {name: outside, namespace: demo}
            spec: {hosts: ['*'], gateways: [edge], http: [{match: [{uri: {exact: /}}], route: [{destination: {host: backend}}]}]}
            """);

        Assert.EndsWith("--------------------\nExposed on Ingress Gateway http://10.0.0.7\nVirtualService: outside.demo\n   Match: /\n", await Describe("pod", "backend-v1-1.demo"));
    }

    [Theory]
    [InlineData("describe pod", "Error: expecting pod name\n")]
    [InlineData("x describe pod nosuch.demo", "Error: pods \"nosuch\" not found in namespace demo\n")]
    [InlineData("x describe nosuch", "Error: unknown resource type \"nosuch\"\n")]
    public async Task What_is_not_there_is_said(string words, string error)
    {
        Write(Backend);
        var result = await ManifestTests.Run([.. words.Split(' '), .. words.Contains("pod", StringComparison.Ordinal) ? (string[])["-f", folder] : []]);

        Assert.Equal((1, error), (result.Exit, result.Error));
    }

    [Fact]
    public async Task A_cluster_is_asked_when_no_file_is_given()
    {
        await using var cluster = await FakeCluster.StartAsync();
        var kubeconfig = cluster.WriteKubeconfig(Path.Combine(folder, "config"));
        cluster.Put("{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default}, spec: {selector: {app: web}, ports: [{port: 80}]}}");
        cluster.Put("{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: default, labels: {app: web}}, spec: {containers: [{name: app}]}, status: {phase: Running}}");

        var (exit, text, _) = await ManifestTests.Run(["describe", "pod", "web-1", "--kubeconfig", kubeconfig]);
        Assert.Equal(0, exit);
        Assert.Contains("WARNING: web-1 is not part of mesh; no Istio sidecar\n", text);
        Assert.Contains("   Port:  80/auto-detect targets pod port 80\n", text);

        (_, text, _) = await ManifestTests.Run(["describe", "service", "web", "--kubeconfig", kubeconfig]);
        Assert.Contains("Service \"web\" has no Istio pods.  (1 pods in service).\n", text);
    }

    private void Write(params string[] documents)
    {
        foreach (var sample in Directory.EnumerateFiles(Path.Combine(Source.Root, "samples/demo"), "*.yaml")) File.Copy(sample, Path.Combine(folder, Path.GetFileName(sample)), true);
        File.WriteAllText(Path.Combine(folder, "99-more.yaml"), string.Join("\n---\n", documents));
    }

    private async Task<string> Describe(params string[] words)
    {
        var (exit, output, error) = await ManifestTests.Run(["describe", .. words, "-f", folder]);
        Assert.True(exit == 0, error);
        return output;
    }
}
