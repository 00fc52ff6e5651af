using System.Text.Json.Nodes;
using Grpc.Core;
using Grpc.Net.Client;
using Istio.V1.Auth;
using Mesh.ControlPlane.Ca;
using Mesh.Injector;
using Mesh.Kube;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>The control plane in a cluster: its certificate in the webhooks, its root in every namespace, injected pods, refused nonsense, tokens reviewed.</summary>
public sealed class ClusterTests
{
    private static readonly KubeKind DestinationRule = new("networking.istio.io", "v1", "destinationrules", "DestinationRule", true);

    [Fact]
    public async Task Webhooks_carry_the_root_and_pods_of_labelled_namespaces_get_their_proxy()
    {
        await using var rig = await ClusterRig.StartAsync();
        await rig.Until(() => Bundles(rig).All(b => b.Length > 0), "a certificate in every webhook");
        rig.Cluster.Put("{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}");

        var inside = await Pod(rig, "shop", "web");
        var outside = await Pod(rig, "default", "web");

        Assert.Contains("istio-proxy", Names(inside));
        Assert.Equal(["app"], Names(outside));
    }

    [Fact]
    public async Task Validation_becomes_binding_once_it_answers_and_refuses_by_name()
    {
        await using var rig = await ClusterRig.StartAsync();
        await rig.Until(() => rig.Cluster.All(KubeKinds.ValidatingWebhook).SelectMany(c => c["webhooks"].Objects()).All(w => w["failurePolicy"].Text() == "Fail"), "failurePolicy Fail");

        var bad = (JsonObject)JsonNode.Parse("""{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"d"},"spec":{"host":""}}""")!;
        var answer = await rig.Cluster.Api.CreateAsync(DestinationRule, "default", bad, default);

        Assert.Equal(400, answer.Status);
        Assert.Contains("denied the request", answer.Message);
    }

    [Fact]
    public async Task Every_namespace_gets_the_root_and_gets_it_back_when_somebody_takes_it()
    {
        await using var rig = await ClusterRig.StartAsync();
        await rig.Until(() => Root(rig, "default") is not null, "the root in default");
        Assert.Null(Root(rig, "kube-system"));

        rig.Cluster.Put("{apiVersion: v1, kind: Namespace, metadata: {name: late}}");
        await rig.Until(() => Root(rig, "late") is not null, "the root in a new namespace");
        rig.Cluster.Delete(KubeKinds.ConfigMap, "late", "istio-ca-root-cert");
        await rig.Until(() => Root(rig, "late") is not null, "the root again");
    }

    [Fact]
    public async Task A_certificate_is_for_whom_the_cluster_says_the_token_is()
    {
        await using var rig = await ClusterRig.StartAsync();
        rig.Cluster.Tokens["good"] = ("system:serviceaccount:shop:web", LocalTokens.Audience);
        rig.Cluster.Tokens["elsewhere"] = ("system:serviceaccount:shop:web", "https://kubernetes.default");
        using var channel = GrpcChannel.ForAddress(rig.Addresses["grpc"], new() { Credentials = ChannelCredentials.Insecure });
        var client = new IstioCertificateService.IstioCertificateServiceClient(channel);

        var answer = await client.CreateCertificateAsync(new() { Csr = Csr() }, Bearer("good"));
        using var leaf = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPem(answer.CertChain[0]);
        Assert.Contains("spiffe://cluster.local/ns/shop/sa/web", leaf.Extensions.Single(e => e.Oid!.Value == "2.5.29.17").Format(false));

        foreach (var token in (string[])["bad", "elsewhere"])
            Assert.Equal(StatusCode.Unauthenticated, (await Assert.ThrowsAsync<RpcException>(async () => await client.CreateCertificateAsync(new() { Csr = Csr() }, Bearer(token)))).StatusCode);
    }

    [Fact]
    public async Task A_second_replica_takes_the_same_authority_and_does_not_lead()
    {
        await using var rig = await ClusterRig.StartAsync();
        await rig.Until(() => rig.Cluster.Get(KubeKinds.Lease, "istio-system", "istio-leader") is not null, "a lease");
        var lease = rig.Cluster.Get(KubeKinds.Lease, "istio-system", "istio-leader")!;
        var led = false;
        using var stop = new CancellationTokenSource();
        var time = new StoppedTime();
        var asking = new Mesh.ControlPlane.Kube.LeaderLease(rig.Cluster.Api, "istio-system", "istio-leader", "istiod-2", TimeSpan.FromSeconds(1), time, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance)
            .RunAsync(_ => { led = true; return Task.CompletedTask; }, stop.Token);
        await time.Waits.WaitAsync(TimeSpan.FromSeconds(60)); // it has asked once, and waits for a time that does not pass here
        await stop.CancelAsync();
        await asking;

        Assert.Equal("istiod-1", lease.At("spec", "holderIdentity").Text());
        Assert.False(led);
        Assert.NotNull(rig.Cluster.Get(KubeKinds.Secret, "istio-system", "istio-ca-secret"));
    }

    [Fact]
    public async Task Authors_of_gateways_and_routes_are_told_what_became_of_them_beside_what_others_said()
    {
        await using var rig = await ClusterRig.StartAsync();
        GatewayApi(rig);
        rig.Cluster.Put("{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge, namespace: default, generation: 3}, spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}}");
        rig.Cluster.Put("""
            {apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: web, namespace: default, generation: 1}, spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: nowhere, port: 80}]}]},
             status: {parents: [{controllerName: example.com/other, parentRef: {name: theirs}, conditions: []}]}}
            """);

        await rig.Until(() => Condition(Status(rig, "gateways", "edge"), "Accepted") == "True", "an accepted gateway");
        await rig.Until(() => Status(rig, "httproutes", "web").At("parents").Objects().Count() == 2, "both parents of the route");
        var listener = Status(rig, "gateways", "edge").At("listeners").Objects().Single();
        var parents = Status(rig, "httproutes", "web").At("parents").Objects().ToList();

        Assert.Equal(("http", 1), (listener["name"].Text(), listener["attachedRoutes"].Integer()));
        Assert.Equal(["example.com/other", "istio.io/gateway-controller"], parents.Select(p => p["controllerName"].Text()));
        Assert.Equal(("True", "False"), (Condition(parents[1], "Accepted"), Condition(parents[1], "ResolvedRefs")));
        await rig.Until(() => Condition(rig.Cluster.Get(Api("gatewayclasses"), "", "istio").At("status"), "Accepted") == "True", "an accepted class");
    }

    [Fact]
    public async Task Authors_of_what_is_in_force_in_part_only_are_told_which_part_is_not()
    {
        await using var rig = await ClusterRig.StartAsync();
        rig.Cluster.Put("""
            {apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system}, data: {mesh: "extensionProviders: [{name: sky, skywalking: {service: sky.default.svc.cluster.local, port: 11800}}]"}}
            """);
        rig.Cluster.Put("{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: spans, namespace: default, generation: 2}, spec: {tracing: [{randomSamplingPercentage: 5}, {providers: [{name: sky}]}]}}");
        await rig.Until(() => Condition(Status(), "Accepted") == "False", "a refused provider");
        var condition = Status().At("conditions").Objects().Single();

        Assert.Equal(("NotSupported", "2"), (condition["reason"].Text(), condition["observedGeneration"]?.ToString()));
        Assert.Equal("spec.tracing[1].providers[0].name: provider 'sky' is of type skywalking, which proxies do not write to; supported here: zipkin, opentelemetry", condition["message"].Text());

        rig.Cluster.Put("{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: spans, namespace: default, generation: 3}, spec: {tracing: [{randomSamplingPercentage: 5}]}}");
        await rig.Until(() => Condition(Status(), "Accepted") == "True", "all of it in force");

        JsonNode? Status() => rig.Cluster.Get(new("telemetry.istio.io", "v1", "telemetries", "Telemetry", true), "default", "spans").At("status");
    }

    [Fact]
    public async Task A_gateway_without_a_place_of_its_own_gets_one_that_goes_with_it()
    {
        await using var rig = await ClusterRig.StartAsync();
        GatewayApi(rig);
        rig.Cluster.Put("{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge, namespace: default}, spec: {gatewayClassName: istio, infrastructure: {labels: {team: web}}, listeners: [{name: http, port: 80, protocol: HTTP}, {name: a, port: 443, protocol: HTTPS, hostname: a.example}, {name: b, port: 443, protocol: HTTPS, hostname: b.example}]}}");
        rig.Cluster.Put("{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: manual, namespace: default}, spec: {gatewayClassName: istio, addresses: [{type: Hostname, value: istio-ingressgateway.istio-system.svc.cluster.local}], listeners: [{name: http, port: 80, protocol: HTTP}]}}");

        await rig.Until(() => rig.Cluster.Get(KubeKinds.Service, "default", "edge-istio") is not null, "a Service");
        var service = rig.Cluster.Get(KubeKinds.Service, "default", "edge-istio")!;
        var deployment = rig.Cluster.Get(KubeKinds.Deployment, "default", "edge-istio")!;
        var template = deployment.At("spec", "template");

        Assert.Equal(["status-port 15021", "http 80", "a 443"], service.At("spec", "ports").Objects().Select(p => $"{p["name"].Text()} {p["port"].Integer()}"));
        Assert.Equal(("edge", "web"), (template.At("metadata", "labels", "gateway.networking.k8s.io/gateway-name").Text(), template.At("metadata", "labels", "team").Text()));
        Assert.Equal("Gateway", deployment.At("metadata", "ownerReferences").Objects().Single()["kind"].Text());
        Assert.Null(rig.Cluster.Get(KubeKinds.Deployment, "default", "manual-istio"));

        // A pod of it, as its ReplicaSet makes it, becomes a gateway's proxy.
        var pod = new JsonObject { ["apiVersion"] = "v1", ["kind"] = "Pod", ["metadata"] = template.At("metadata")!.DeepClone(), ["spec"] = template.At("spec")!.DeepClone() };
        pod["metadata"]!["name"] = "edge-istio-1";
        await rig.Until(() => Bundles(rig).All(b => b.Length > 0), "a certificate in every webhook");
        var made = await rig.Cluster.Api.CreateAsync(KubeKinds.Pod, "default", pod, default);
        Assert.Equal(["proxy", "router"], made.Body.At("spec", "containers").Objects().Single()["args"].Texts().Take(2));
    }

    [Fact]
    public async Task ConfigMaps_of_its_class_and_of_its_own_say_how_a_gateways_objects_differ()
    {
        await using var rig = await ClusterRig.StartAsync();
        GatewayApi(rig);
        rig.Cluster.Put("""
            {apiVersion: v1, kind: ConfigMap, metadata: {name: defaults, namespace: istio-system, labels: {gateway.istio.io/defaults-for-class: istio}}, data: {
              deployment: "spec: {template: {spec: {containers: [{name: istio-proxy, resources: {requests: {cpu: 100m, memory: 64Mi}}}]}}}",
              horizontalPodAutoscaler: "spec: {minReplicas: 2, maxReplicas: 5}", podDisruptionBudget: "spec: {minAvailable: 1}"}}
            """);
        rig.Cluster.Put("""
            {apiVersion: v1, kind: ConfigMap, metadata: {name: own, namespace: default}, data: {
              deployment: "{metadata: {name: stolen, labels: {tier: edge}}, spec: {template: {spec: {containers: [{name: istio-proxy, resources: {requests: {cpu: 500m}}}]}}}}",
              service: "spec: {type: ClusterIP, ports: [{port: 80, nodePort: 30080}]}", serviceAccount: "metadata: {annotations: {role: reader}}"}}
            """);
        rig.Cluster.Put("{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge, namespace: default}, spec: {gatewayClassName: istio, infrastructure: {annotations: {team: web}, parametersRef: {group: '', kind: ConfigMap, name: own}}, listeners: [{name: http, port: 80, protocol: HTTP}]}}");
        JsonObject? Made(KubeKind kind) => rig.Cluster.Get(kind, "default", "edge-istio");

        await rig.Until(() => Made(KubeKinds.PodDisruptionBudget) is not null, "what was asked for last");

        var (deployment, service) = (Made(KubeKinds.Deployment)!, Made(KubeKinds.Service)!);
        Assert.Equal(("500m", "64Mi", "auto"), (Requests("cpu"), Requests("memory"), deployment.At("spec", "template", "spec", "containers").Objects().Single()["image"].Text()));
        Assert.Equal(("edge-istio", "edge", "web"), (deployment.At("metadata", "name").Text(), deployment.At("metadata", "labels", "tier").Text(), deployment.At("spec", "template", "metadata", "annotations", "team").Text()));
        Assert.Equal(("ClusterIP", "15021 , 80 30080"), (service.At("spec", "type").Text(), string.Join(", ", service.At("spec", "ports").Objects().Select(port => $"{port["port"].Integer()} {port["nodePort"].Integer()}"))));
        Assert.Equal("reader", Made(KubeKinds.ServiceAccount).At("metadata", "annotations", "role").Text());
        Assert.Equal((2, 5, "edge-istio"), (Made(KubeKinds.HorizontalPodAutoscaler).At("spec", "minReplicas").Integer(), Made(KubeKinds.HorizontalPodAutoscaler).At("spec", "maxReplicas").Integer(), Made(KubeKinds.HorizontalPodAutoscaler).At("spec", "scaleTargetRef", "name").Text()));
        Assert.Equal((1, "edge"), (Made(KubeKinds.PodDisruptionBudget).At("spec", "minAvailable").Integer(), Made(KubeKinds.PodDisruptionBudget).At("spec", "selector", "matchLabels", "gateway.networking.k8s.io/gateway-name").Text()));

        // Not asked for any more: gone. What cannot be read: said, and what is in place stays.
        rig.Cluster.Put("{apiVersion: v1, kind: ConfigMap, metadata: {name: defaults, namespace: istio-system, labels: {gateway.istio.io/defaults-for-class: istio}}, data: {podDisruptionBudget: 'spec: {minAvailable: 1}'}}");
        await rig.Until(() => Made(KubeKinds.HorizontalPodAutoscaler) is null, "no autoscaler");
        rig.Cluster.Put("{apiVersion: v1, kind: ConfigMap, metadata: {name: own, namespace: default}, data: {service: two}}");
        await rig.Until(() => Condition(Status(rig, "gateways", "edge"), "Accepted") == "False", "the refusal");
        var accepted = Status(rig, "gateways", "edge").At("conditions").Objects().Single(c => c["type"].Text() == "Accepted");
        Assert.Equal(("InvalidParameters", "ConfigMap default/own, key service: a patch is a YAML map, such as \"spec: {replicas: 2}\""), (accepted["reason"].Text(), accepted["message"].Text()));
        Assert.Equal("ClusterIP", Made(KubeKinds.Service).At("spec", "type").Text());

        string? Requests(string what) => deployment.At("spec", "template", "spec", "containers").Objects().Single().At("resources", "requests", what).Text();
    }

    [Fact]
    public async Task The_ports_of_a_ListenerSet_are_open_in_front_of_its_gateway()
    {
        await using var rig = await ClusterRig.StartAsync();
        Define(rig, ("listenersets", "ListenerSet"));
        rig.Cluster.Put("{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge, namespace: default}, spec: {gatewayClassName: istio, allowedListeners: {namespaces: {from: Same}}, listeners: [{name: http, port: 80, protocol: HTTP}]}}");
        rig.Cluster.Put("{apiVersion: gateway.networking.k8s.io/v1, kind: ListenerSet, metadata: {name: more, namespace: default}, spec: {parentRef: {name: edge}, listeners: [{name: alt, port: 8080, protocol: HTTP}]}}");

        IEnumerable<long?> Ports() => rig.Cluster.Get(KubeKinds.Service, "default", "edge-istio").At("spec", "ports").Objects().Select(p => (long?)p["port"].Integer());
        await rig.Until(() => Ports().SequenceEqual([15021, 80, 8080]), "the ports of both");
    }

    [Fact]
    public async Task A_Gateway_API_that_is_installed_later_gets_its_class_at_once()
    {
        // Only a change of the definitions can wake it: by itself it would look again after an hour.
        await using var rig = await ClusterRig.StartAsync(change: options => options with { Kube = options.Kube! with { Times = options.Kube.Times with { AbsentRetry = TimeSpan.FromHours(1) } } });
        Define(rig);

        await rig.Until(() => Condition(rig.Cluster.Get(Api("gatewayclasses"), "", "istio").At("status"), "Accepted") == "True", "an accepted class");
        rig.Cluster.Put("{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge, namespace: default, generation: 1}, spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}}");
        await rig.Until(() => Condition(Status(rig, "gateways", "edge"), "Accepted") == "True", "an accepted gateway");
    }

    [Fact]
    public async Task An_authority_is_read_from_a_ConfigMap_of_the_policys_namespace()
    {
        await using var rig = await ClusterRig.StartAsync();
        Define(rig, ("backendtlspolicies", "BackendTLSPolicy"));
        rig.Cluster.Put("{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default}, spec: {selector: {app: web}, ports: [{port: 443}]}}");
        rig.Cluster.Put("{apiVersion: gateway.networking.k8s.io/v1, kind: BackendTLSPolicy, metadata: {name: web, namespace: default, generation: 1}, spec: {targetRefs: [{group: '', kind: Service, name: web}], validation: {hostname: web.example, caCertificateRefs: [{group: '', kind: ConfigMap, name: roots}]}}}");
        string? Accepted() => Condition(Status(rig, "backendtlspolicies", "web").At("ancestors").Objects().FirstOrDefault(), "Accepted");
        await rig.Until(() => Accepted() == "False", "a policy without authority");

        var root = rig.Cluster.Get(KubeKinds.ConfigMap, "istio-system", "istio-ca-root-cert").At("data", "root-cert.pem").Text()!;
        rig.Cluster.Put(new JsonObject
        {
            ["apiVersion"] = "v1", ["kind"] = "ConfigMap", ["metadata"] = new JsonObject { ["name"] = "roots", ["namespace"] = "default" }, ["data"] = new JsonObject { ["ca.crt"] = root },
        });
        await rig.Until(() => Accepted() == "True", "the authority");
    }

    private static void Define(ClusterRig rig, params ReadOnlySpan<(string Plural, string Kind)> more)
    {
        foreach (var (plural, kind) in (ReadOnlySpan<(string, string)>)[("gatewayclasses", "GatewayClass"), ("gateways", "Gateway"), ("httproutes", "HTTPRoute"), .. more])
            rig.Cluster.Put($"{{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: {plural}.gateway.networking.k8s.io}}, spec: {{group: gateway.networking.k8s.io, scope: Namespaced, names: {{plural: {plural}, kind: {kind}}}, versions: [{{name: v1}}]}}}}");
    }

    private static void GatewayApi(ClusterRig rig)
    {
        Define(rig);
        rig.Cluster.Put("{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: istio}, spec: {controllerName: istio.io/gateway-controller}}");
    }

    private static KubeKind Api(string plural) => new("gateway.networking.k8s.io", "v1", plural, "", plural != "gatewayclasses");
    private static JsonNode? Status(ClusterRig rig, string plural, string name) => rig.Cluster.Get(Api(plural), "default", name).At("status");
    private static string? Condition(JsonNode? status, string type) => status.At("conditions").Objects().FirstOrDefault(c => c["type"].Text() == type)?["status"].Text();

    private static async Task<JsonObject> Pod(ClusterRig rig, string space, string name)
    {
        var pod = (JsonObject)JsonNode.Parse($$$"""{"apiVersion":"v1","kind":"Pod","metadata":{"name":"{{{name}}}","labels":{"app":"web"}},"spec":{"containers":[{"name":"app","image":"web"}]}}""")!;
        var answer = await rig.Cluster.Api.CreateAsync(KubeKinds.Pod, space, pod, default);
        Assert.True(answer.IsFine, answer.ToString());
        return answer.Body!;
    }

    private static List<string?> Names(JsonObject pod) => [.. pod.At("spec", "initContainers").Objects().Concat(pod.At("spec", "containers").Objects()).Select(c => c["name"].Text())];
    private static string? Root(ClusterRig rig, string space) => rig.Cluster.Get(KubeKinds.ConfigMap, space, "istio-ca-root-cert").At("data", "root-cert.pem").Text();
    private static IEnumerable<string> Bundles(ClusterRig rig) =>
        rig.Cluster.All(KubeKinds.MutatingWebhook).Concat(rig.Cluster.All(KubeKinds.ValidatingWebhook)).SelectMany(c => c["webhooks"].Objects()).Select(w => w.At("clientConfig", "caBundle").Text() ?? "");

    private static Metadata Bearer(string token) => new() { { "authorization", $"Bearer {token}" } };

    private static string Csr()
    {
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        return new System.Security.Cryptography.X509Certificates.CertificateRequest("", key, System.Security.Cryptography.HashAlgorithmName.SHA256).CreateSigningRequestPem();
    }

    /// <summary>A clock that stands still, and tells when somebody begins to wait for it: how long another's lease lasts does not depend on how busy the machine is.</summary>
    private sealed class StoppedTime : TimeProvider
    {
        private readonly TaskCompletionSource waits = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Waits => waits.Task;

        public override DateTimeOffset GetUtcNow() => new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override long GetTimestamp() => 0;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            waits.TrySetResult();
            return System.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }
}
