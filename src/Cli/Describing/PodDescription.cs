using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Cli.Describing;

/// <summary>
/// What the mesh does with a pod or a service: ports, rules, routes, policies and ways in from outside, in istioctl's words and order.
/// Pure: a picture in, lines out.
/// </summary>
internal sealed class PodDescription(Picture picture, string home, TextWriter to, bool ignoresUnmeshed)
{
    private const string Rule = "--------------------";
    private const string Requirements = "https://istio.io/latest/docs/ops/deployment/application-requirements/";
    private const long ProxyUser = 1337;

    public void Pod(JsonObject pod)
    {
        var (space, labels) = (Picture.SpaceOf(pod), LabelsOf(pod));
        Own(pod);
        var services = picture.Services.Where(service => Picture.SpaceOf(service) == space && Selects(service, labels)).ToList();
        if (services.Count == 0 && !ignoresUnmeshed) to.WriteLine($"Warning: No Kubernetes Services select pod {NameOf(pod)} (see {Requirements} )");
        to.WriteLine(Rule);
        Services(pod, services, [labels]);
        to.WriteLine(Rule);
        Peers(space, labels);
        Ingress(services, [labels]);
    }

    /// <returns>False when no pod of the mesh stands behind it; all has been said then.</returns>
    public void Service(JsonObject service)
    {
        var space = Picture.SpaceOf(service);
        var selected = picture.Pods.Where(pod => Picture.SpaceOf(pod) == space && Selects(service, LabelsOf(pod))).ToList();
        var meshed = selected.Where(IsServing).ToList();
        if (selected.Count == 0)
        {
            to.WriteLine($"Service \"{NameOf(service)}\" has no pods.");
            return;
        }
        if (meshed.Count == 0)
        {
            to.WriteLine($"Service \"{NameOf(service)}\" has no Istio pods.  ({selected.Count} pods in service).");
            to.WriteLine("Use `meshctl kube-inject` or redeploy with Istio automatic sidecar injection.");
            return;
        }
        var labels = meshed.Select(LabelsOf).ToList();
        Services(meshed[0], [service], labels);
        Ingress([service], labels);
    }

    private void Own(JsonObject pod)
    {
        var containers = pod.At("spec", "containers").Objects().ToList();
        foreach (var container in containers)
            if (container["name"].Text() != "istio-proxy" && container.At("securityContext", "runAsUser").Integer() == ProxyUser)
                to.WriteLine("WARNING: User ID (UID) 1337 is reserved for the sidecar proxy.");
        var ports = containers.SelectMany(container => container["ports"].Objects().Select(port =>
            $"{port["containerPort"].Text()}{(port["protocol"].Text() is null or "TCP" ? "" : "/" + port["protocol"].Text())} ({container["name"].Text()})")).ToList();
        to.WriteLine($"Pod: {NameOf(pod)}");
        to.WriteLine($"   Pod Revision: {RevisionOf(pod)}");
        to.WriteLine(ports.Count > 0 ? $"   Pod Ports: {string.Join(", ", ports)}" : "   Pod does not expose ports");
        if (pod.At("status", "phase").Text() is { } phase and not "Running")
        {
            to.WriteLine($"   Pod is not Running ({phase})");
            return;
        }
        foreach (var (list, what) in ((string, string)[])[("containerStatuses", "Container"), ("initContainerStatuses", "Init Container")])
            foreach (var status in pod.At("status", list).Objects().Where(status => !status["ready"].IsTrue()))
                to.WriteLine($"WARNING: Pod {NameOf(pod)} {what} {status["name"].Text()} NOT READY");
        if (ignoresUnmeshed) return;
        if (!IsMeshed(pod))
        {
            to.WriteLine($"WARNING: {NameOf(pod)} is not part of mesh; no Istio sidecar");
            return;
        }
        if (pod.At("spec", "securityContext", "runAsUser").Integer() == ProxyUser) to.WriteLine("   WARNING: User ID (UID) 1337 is reserved for the sidecar proxy.");
        var labels = LabelsOf(pod);
        if (!Any(labels, "service.istio.io/canonical-name", "app.kubernetes.io/name", "app")) to.WriteLine($"Suggestion: add required service name label for Istio telemetry. See {Requirements}.");
        if (!Any(labels, "service.istio.io/canonical-revision", "app.kubernetes.io/version", "version")) to.WriteLine($"Suggestion: add required service revision label for Istio telemetry. See {Requirements}.");
    }

    private void Services(JsonObject pod, IReadOnlyList<JsonObject> services, IReadOnlyList<LabelSet> pods)
    {
        for (var i = 0; i < services.Count; i++)
        {
            if (i > 0) to.WriteLine(Rule);
            to.WriteLine($"Service: {NameOf(services[i])}");
            var ports = services[i].At("spec", "ports").Objects().ToList();
            foreach (var port in ports.Where(port => port["protocol"].Text() is null or "TCP")) to.WriteLine($"   {PortOf(pod, port)}");
            if (MeshServiceOf(services[i]) is not { } service) continue;

            var indent = ports.Count > 1 ? "   " : "";
            foreach (var port in service.Ports)
            {
                if (ports.Count > 1) to.WriteLine($"{port.Number}:");
                OnPort(pod, service, port, pods, indent, ports.Count > 1);
            }
        }
    }

    private void OnPort(JsonObject pod, MeshService service, ServicePort port, IReadOnlyList<LabelSet> pods, string indent, bool namesPort)
    {
        var (space, labels) = (Picture.SpaceOf(pod), LabelsOf(pod));
        var subsets = SubsetMatch.Of(picture.World.Registry.Rules.For(space, labels, service.Host, service.Namespace), pods);
        if (subsets.Rule is { } rule) Destination(rule, subsets, indent);
        if (RouteOf(space, labels, service, port) is { } route) Route(route, service, subsets, indent);

        if (!port.Protocol.IsHttpOrAuto()) return;
        var policies = picture.World.Policies.AccessFor(space, labels, []).SelectMany(policy => policy.Rules.Select((_, index) => $"ns[{policy.Namespace}]-policy[{policy.Name}]-rule[{index}]")).ToList();
        if (policies.Count > 0) to.WriteLine($"{(namesPort ? $"{port.Number} " : "")}RBAC policies: {string.Join(", ", policies)}");
    }

    private void Destination(MergedRule rule, SubsetMatch subsets, string indent)
    {
        to.WriteLine($"{indent}DestinationRule: {NameOf(rule.First)} for \"{rule.First.Host}\"");
        if (subsets.In.Count + subsets.Out.Count > 0)
        {
            if (subsets.In.Count == 0) to.WriteLine($"{indent}   WARNING POD DOES NOT MATCH ANY SUBSETS.  (Non matching subsets {string.Join(',', subsets.Out)})");
            to.WriteLine($"{indent}   Matching subsets: {string.Join(',', subsets.In)}");
            if (subsets.Out.Count > 0) to.WriteLine($"{indent}      (Non-matching subsets {string.Join(',', subsets.Out)})");
        }
        if (rule.Policy is not { } policy)
        {
            to.WriteLine($"{indent}   No Traffic Policy");
            return;
        }
        if (policy.Tls is { } tls) to.WriteLine($"{indent}   Traffic Policy TLS Mode: {Upper(tls.Mode)}");
        Short(policy, indent + "   ");
        if (policy.Ports.IsEmpty) return;
        to.WriteLine($"{indent}   Port Level Settings:");
        foreach (var (port, own) in policy.Ports)
        {
            to.WriteLine($"    {port}:");
            if (own.Tls is { } portTls) to.WriteLine($"{indent}      TLS Mode: {Upper(portTls.Mode)}");
            Short(own, indent + "      ");
        }
    }

    private void Short(TrafficPolicy policy, string indent)
    {
        var parts = new List<string>();
        if (policy.LoadBalancer is not null) parts.Add("load balancer");
        if (policy.ConnectionPool is not null) parts.Add("connection pool");
        if (policy.OutlierDetection is not null) parts.Add("outlier detection");
        if (parts.Count > 0) to.WriteLine($"{indent}Policies: {string.Join('/', parts)}");
    }

    private void Route(VirtualService vs, MeshService service, SubsetMatch subsets, string indent)
    {
        to.WriteLine($"{indent}VirtualService: {NameOf(vs)}");
        foreach (var line in new RouteDescription(vs, service, subsets, NameOf).Lines()) to.WriteLine($"{indent}   {line}");
    }

    /// <summary>The VirtualService that callers in this namespace follow to the service: the one whose host is the most specific.</summary>
    private VirtualService? RouteOf(string space, LabelSet labels, MeshService service, ServicePort port)
    {
        var registry = picture.World.Registry;
        var scope = registry.ScopeOf(space, registry.SidecarFor(space, labels));
        return scope.Egress.SelectMany(egress => egress.VirtualServices)
            .Where(vs => port.Protocol.IsHttpOrAuto() ? vs.Http.Length > 0 : vs.Tcp.Length > 0)
            .SelectMany(vs => vs.Hosts.Where(host => Hostnames.IsWithin(service.Host, host)).Select(host => (Host: host, Route: vs)))
            .OrderBy(found => found.Host, Comparer<string>.Create(Hostnames.BySpecificity)).Select(found => found.Route).FirstOrDefault();
    }

    private void Peers(string space, LabelSet labels)
    {
        var policies = picture.World.Policies;
        var mode = policies.ModeFor(space, labels);
        to.WriteLine("Effective PeerAuthentication:");
        to.WriteLine($"   Workload mTLS mode: {mode.Mode.ToString().ToUpperInvariant()}");
        if (mode.Ports.Count > 0)
        {
            to.WriteLine("   Port Level mTLS mode:");
            foreach (var (port, own) in mode.Ports) to.WriteLine($"      {port}: {own.ToString().ToUpperInvariant()}");
        }
        var applied = policies.Peers.In(policies.RootNamespace).Concat(space == policies.RootNamespace ? [] : policies.Peers.In(space))
            .Where(peer => peer.Selector.Selects(labels)).Select(peer => $"{peer.Name}.{peer.Namespace}").ToList();
        if (applied.Count == 0) return;
        to.WriteLine("Applied PeerAuthentication:");
        to.WriteLine($"   {string.Join(", ", applied)}");
    }

    private void Ingress(IReadOnlyList<JsonObject> services, IReadOnlyList<LabelSet> pods)
    {
        var gateways = picture.Pods.Where(pod => LabelsOf(pod)["istio"] == "ingressgateway" && pod.At("status", "phase").Text() is (null or "Running")).ToList();
        if (gateways.Count == 0)
        {
            to.WriteLine("Skipping Gateway information (no ingress gateway pods)");
            return;
        }
        var doors = picture.Services.Select(service => (Service: service, Pods: gateways.Where(pod => Picture.SpaceOf(pod) == Picture.SpaceOf(service) && Selects(service, LabelsOf(pod))).ToList()))
            .Where(door => door.Pods.Count > 0).ToList();
        if (doors.Count == 0) to.WriteLine("Skipping Gateway information (no ingress gateway service)");

        var told = new HashSet<string>();
        foreach (var service in services.Select(MeshServiceOf).OfType<MeshService>())
            foreach (var vs in picture.World.Registry.VirtualServices.Where(vs => vs.Http.Any(rule => rule.Route.Any(share => share.Destination.Host == service.Host))))
                foreach (var name in vs.Gateways.Where(name => name != "mesh" && told.Add($"{name} {vs.Meta.Key}")))
                {
                    if (picture.World.Registry.Gateways.FirstOrDefault(gateway => $"{gateway.Namespace}/{gateway.Name}" == name) is not { } gateway) continue;
                    var open = doors.Where(door => door.Pods.Any(pod => gateway.Selector.Selects(LabelsOf(pod)))).OrderBy(door => AddressOf(door.Service, door.Pods[0]), StringComparer.Ordinal).ToList();
                    if (open.Count == 0) continue;
                    to.WriteLine(Rule);
                    foreach (var door in open) Door(door.Service, door.Pods[0]);
                    Route(vs, service, SubsetMatch.Of(picture.World.Registry.Rules.For(gateway.Namespace, LabelSet.Empty, service.Host, service.Namespace), pods), "");
                }
    }

    private void Door(JsonObject service, JsonObject pod)
    {
        foreach (var port in service.At("spec", "ports").Objects().Where(port => port["protocol"].Text() is null or "TCP" && port["name"].Text() is "http" or "http2"))
        {
            if (TargetOf(pod, port) is null) continue;
            to.WriteLine($"Exposed on Ingress Gateway http://{AddressOf(service, pod)}{(port["port"].Text() == "80" ? "" : ":" + port["port"].Text())}");
        }
    }

    private static string AddressOf(JsonObject service, JsonObject pod) =>
        service.At("status", "loadBalancer", "ingress").Objects().Select(one => one["ip"].Text() ?? one["hostname"].Text()).FirstOrDefault(ip => ip is { Length: > 0 })
        ?? (pod.At("status", "hostIP").Text() is { Length: > 0 } host ? host : "unknown");

    private string PortOf(JsonObject pod, JsonObject port) => TargetOf(pod, port) is { } target
        ? $"Port: {port["name"].Text()} {port["port"].Text()}/{ProtocolOf(port)} targets pod port {target}"
        : $"no suitable port for manifest: {pod.At("metadata", "uid").Text()}";

    private static string? TargetOf(JsonObject pod, JsonObject port)
    {
        var target = port["targetPort"].Text() is { Length: > 0 } named ? named : port["port"].Text();
        if (int.TryParse(target, NumberStyles.None, CultureInfo.InvariantCulture, out _)) return target;
        return pod.At("spec", "containers").Objects().SelectMany(container => container["ports"].Objects())
            .FirstOrDefault(own => own["name"].Text() == target && (own["protocol"].Text() ?? "TCP") == (port["protocol"].Text() ?? "TCP"))?["containerPort"].Text();
    }

    private static string ProtocolOf(JsonObject port)
    {
        if (string.IsNullOrEmpty(port["name"].Text()) && port["appProtocol"].Text() is null) return "auto-detect";
        var protocol = AppProtocols.Of(new(port["name"].Text() ?? "", (int)(port["port"].Integer() ?? 0), "", port["protocol"].Text() ?? "TCP", port["appProtocol"].Text() ?? "", 0));
        return protocol switch
        {
            AppProtocol.GrpcWeb => "GRPC-Web",
            AppProtocol.Mongo => "Mongo",
            AppProtocol.Mysql => "MySQL",
            AppProtocol.Redis => "Redis",
            AppProtocol.Auto => "UnsupportedProtocol",
            _ => protocol.ToString().ToUpperInvariant(),
        };
    }

    private MeshService? MeshServiceOf(JsonObject service)
    {
        var (space, name) = (Picture.SpaceOf(service), service.At("metadata", "name").Text());
        return picture.World.Registry.Services.FirstOrDefault(one => one.IsKubernetes && one.Namespace == space && one.Name == name);
    }

    private bool IsServing(JsonObject pod)
    {
        if (pod.At("status", "phase").Text() is { } phase and not "Running")
        {
            to.WriteLine($"   Pod is not Running ({phase})");
            return false;
        }
        if (!IsMeshed(pod))
        {
            to.WriteLine($"Pod {NameOf(pod)}: no container \"istio-proxy\" in pod");
            return false;
        }
        // From files alone nobody knows; what is written is taken as it is meant.
        var status = pod.At("status", "containerStatuses").Named("istio-proxy") ?? pod.At("status", "initContainerStatuses").Named("istio-proxy");
        if (status is null || status["ready"].IsTrue()) return true;
        to.WriteLine($"WARNING: Pod {NameOf(pod)} Container istio-proxy NOT READY");
        return false;
    }

    private static bool IsMeshed(JsonObject pod) => pod.At("spec", "containers").Named("istio-proxy") is not null || pod.At("spec", "initContainers").Named("istio-proxy") is not null;

    private static string RevisionOf(JsonObject pod) => pod.At("metadata", "annotations", "istio.io/rev").Text() ?? InjectionStatus.Of(pod)?.Revision ?? "";

    private static LabelSet LabelsOf(JsonObject item) => LabelSet.Of(item.At("metadata", "labels").Strings());

    private static bool Selects(JsonObject service, LabelSet labels) =>
        service.At("spec", "selector").Strings() is { Count: > 0 } selector && LabelSet.Of(selector).Selects(labels);

    private static bool Any(LabelSet labels, params string[] keys) => keys.Any(key => labels[key] is { Length: > 0 });

    private static string Upper(ClientTlsMode mode) => mode == ClientTlsMode.IstioMutual ? "ISTIO_MUTUAL" : mode.ToString().ToUpperInvariant();

    private string NameOf(JsonObject item) => Named(item.At("metadata", "name").Text() ?? "", Picture.SpaceOf(item));

    private string NameOf(Resource resource) => Named(resource.Name, resource.Namespace);

    private string Named(string name, string space) => space == home ? name : $"{name}.{space}";
}
