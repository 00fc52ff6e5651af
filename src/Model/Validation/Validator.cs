using Mesh.Model.Schema;
using Mesh.Model.Validation.Rules;
using Mesh.Model.Yaml;

namespace Mesh.Model.Validation;

/// <summary>The validating webhook's question, without the webhook. Pure; bounded by the reader's own limits.</summary>
public static class Validator
{
    private static readonly Dictionary<string, Action<Resource, Message, Report>> Rules = new()
    {
        ["VirtualService"] = VirtualServices.Check,
        ["DestinationRule"] = DestinationRules.Check,
        ["Gateway"] = Gateways.Check,
        ["ServiceEntry"] = ServiceEntries.Check,
        ["Sidecar"] = Sidecars.Check,
        ["WorkloadEntry"] = Workloads.CheckEntry,
        ["WorkloadGroup"] = Workloads.CheckGroup,
        ["EnvoyFilter"] = EnvoyFilters.Check,
        ["ProxyConfig"] = ProxyConfigs.Check,
        ["AuthorizationPolicy"] = AuthorizationPolicies.Check,
        ["PeerAuthentication"] = Authentication.CheckPeer,
        ["RequestAuthentication"] = Authentication.CheckRequest,
        ["Telemetry"] = Telemetries.Check,
        ["WasmPlugin"] = Extensions.CheckWasm,
        ["TrafficExtension"] = Extensions.CheckTraffic,
        ["RateLimit"] = RateLimits.Check,
    };

    private static readonly string[] InternalAnnotations = ["internal.istio.io/parent-namespace", "internal.istio.io/parents"];
    private static readonly string[] TopLevelFields = ["apiVersion", "kind", "metadata", "spec", "status"];

    /// <summary>
    /// What a cluster would say to a CREATE: first the API server (schema, ranges, CEL), then the webhook (Istio's semantic checks).
    /// Kinds we do not know are accepted. Use it where no API server stands in front: folder source, tests, `run`.
    /// </summary>
    public static Verdict Check(Node resource)
    {
        if (resource is not MapNode map || KindOf(map) is not { } kind) return Verdict.Accepted;

        var schema = CrdCheck.Check(kind, map);
        if (!schema.IsAllowed) return schema;

        var admission = CheckAdmission(resource);
        return schema.Warnings.Count == 0 ? admission : admission with { Warnings = [.. schema.Warnings, .. admission.Warnings] };
    }

    /// <summary>The webhook's own part only, for a resource that the API server has let through.</summary>
    public static Verdict CheckAdmission(Node resource) => Examine(resource, unknownFieldsAreErrors: false, defaultNamespace: "default").Verdict;

    /// <summary>The whole answer of the validating webhook to a CREATE or UPDATE, ready to be sent.</summary>
    public static AdmissionAnswer Admit(Node resource)
    {
        if (resource is not MapNode map) return AdmissionAnswer.Refused("cannot decode configuration: not an object");

        var examined = Examine(map, unknownFieldsAreErrors: false, defaultNamespace: "");
        if (examined.Kind is null)
        {
            var named = new Resource(map);
            return AdmissionAnswer.Refused($"unrecognized type {named.Group}/{named.Version}, Kind={named.Kind}");
        }
        if (examined.Verdict.IsAllowed) return new(true, "", [.. examined.Verdict.Warnings.Select(w => w.Message)]);

        var errors = examined.Verdict.Errors;
        var stray = errors.Where(IsStrayField).ToList();
        if (stray.Count > 0 && stray.Count == errors.Count) return AdmissionAnswer.Refused($"{stray[0].Message} on {examined.Resource!.Kind} resource {examined.Resource.Namespace}/{examined.Resource.Name}");
        var said = errors.Where(e => !IsStrayField(e)).Select(e => e.Message).ToList();
        return AdmissionAnswer.Refused($"{(examined.IsUnreadable ? "error decoding configuration" : "configuration is invalid")}: {GoErrors.Join(said)}");

        bool IsStrayField(Finding finding) => !examined.IsUnreadable && finding.Message.StartsWith("unknown field ", StringComparison.Ordinal);
    }

    /// <summary>All there is to know about one resource; the CLI and analysis tell decoding errors from others.</summary>
    public static Examination Examine(Node resource, bool unknownFieldsAreErrors, string defaultNamespace)
    {
        if (resource is not MapNode map || KindOf(map) is not { } kind) return Examination.OfUnknownKind;

        var named = new Resource(map);
        if (named.Namespace.Length == 0 && !kind.IsClusterWide) named = new(map) { Namespace = defaultNamespace };

        var reader = new MessageReader(unknownFieldsAreErrors);
        var spec = reader.Read(kind.Spec, named.Spec);
        if (reader.Errors.Count > 0) return new(kind, named, true, new(reader.Errors, []));

        var report = new Report(named.Spec ?? map);
        foreach (var (name, value) in map.Fields)
            if (!TopLevelFields.Contains(name)) report.Error($"unknown field \"{name}\"", value);
        if (report.Errors.Count > 0 && unknownFieldsAreErrors) return new(kind, named, false, report.Verdict);

        CheckSpec(named, spec, report);
        return new(kind, named, false, report.Verdict);
    }

    /// <summary>The mesh's own configuration, as the ConfigMap's <c>mesh</c> key holds it: unknown fields are errors, as in Istio.</summary>
    public static Verdict CheckMeshConfig(Node config) => CheckConfig("istio.mesh.v1alpha1.MeshConfig", config, MeshConfigs.Check);

    /// <summary>The proxies' defaults: <c>defaultConfig</c>, or the annotation <c>proxy.istio.io/config</c> of a pod.</summary>
    public static Verdict CheckProxyConfig(Node config) => CheckConfig("istio.mesh.v1alpha1.ProxyConfig", config, MeshConfigs.CheckProxy);

    /// <summary>The networks, as the ConfigMap's <c>meshNetworks</c> key holds them.</summary>
    public static Verdict CheckMeshNetworks(Node config) => CheckConfig("istio.mesh.v1alpha1.MeshNetworks", config, MeshConfigs.CheckNetworks);

    private static Verdict CheckConfig(string type, Node config, Action<Message, Report> rules)
    {
        var reader = new MessageReader(unknownFieldsAreErrors: true);
        var message = reader.Read(Catalogue.Message(type), config);
        if (reader.Errors.Count > 0) return new(reader.Errors, []);

        var report = new Report(config);
        rules(message, report);
        return report.Verdict;
    }

    /// <summary>The semantic rules alone, for a spec that was read already.</summary>
    public static Verdict CheckSpec(Resource resource, Message spec)
    {
        var report = new Report(resource.Spec ?? resource.Node);
        CheckSpec(resource, spec, report);
        return report.Verdict;
    }

    private static void CheckSpec(Resource resource, Message spec, Report report)
    {
        if (resource.Group.StartsWith("gateway.networking.", StringComparison.Ordinal) || !Rules.TryGetValue(resource.Kind, out var rules)) return;
        if (MetadataProblem(resource, spec) is { } problem) report.Error(problem, resource.Node);
        else rules(resource, spec, report);
    }

    private static ResourceKind? KindOf(MapNode map)
    {
        if (map["kind"] is not ScalarNode kind || map["apiVersion"] is not ScalarNode version) return null;
        var slash = version.Text.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? null : Catalogue.Find(version.Text[..slash], kind.Text);
    }

    private static string? MetadataProblem(Resource resource, Message spec)
    {
        if (resource.Kind == "AuthorizationPolicy")
        {
            if (AuthorizationPolicies.DryRunProblem(resource, spec) is { } problem) return problem;
        }
        else if (resource.Annotation("istio.io/dry-run") is not null)
        {
            return $"{resource.Namespace}/{resource.Name} has unsupported annotation istio.io/dry-run, please remove the annotation";
        }
        if (resource.Annotation("internal.istio.io/webhook-always-reject") is not null) return "\"internal.istio.io/webhook-always-reject\" annotation found, rejecting";
        return InternalAnnotations.FirstOrDefault(a => resource.Annotation(a) is not null) is { } internalOne
            ? $"\"{internalOne}\" annotation found, this may not be set by users"
            : null;
    }
}
