using System.Net;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis.Analyzers;

/// <summary>What belongs to the installation rather than to an application: webhooks, CRDs, networks, istiod itself; and conditions, deprecations, patches.</summary>
internal static class ClusterAnalyzers
{
    public static void Webhooks(Findings findings)
    {
        var webhooks = new SortedDictionary<string, (AnalyzedResource Owner, Node Webhook)>(StringComparer.Ordinal);
        var revisions = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var configuration in findings.Resources.All("MutatingWebhookConfiguration"))
        {
            var own = Revisions(configuration).ToList();
            var all = configuration.Node.ItemsAt("webhooks");
            if (own.Count == 0 && !all.Any(w => w.TextAt("name")?.EndsWith("istio.io", StringComparison.Ordinal) == true)) continue;
            foreach (var webhook in all) webhooks[$"{configuration.Name}/{webhook.TextAt("name")}"] = (configuration, webhook);
            revisions.UnionWith(own);
        }

        var spaces = Permutations("istio-injection", ["enabled", "disabled"], revisions).ToList();
        var objects = Permutations("sidecar.istio.io/inject", ["true", "false"], revisions).ToList();
        var said = new HashSet<string>();
        foreach (var space in spaces)
            foreach (var pod in objects)
            {
                var matches = webhooks.Where(w => LabelSelectors.Matches(w.Value.Webhook.At("namespaceSelector"), space) && LabelSelectors.Matches(w.Value.Webhook.At("objectSelector"), pod))
                    .Select(w => w.Key).ToList();
                if (matches.Count < 2) continue;
                foreach (var match in matches)
                {
                    var text = $"Webhook overlaps with others: {Findings.Listed(matches.Where(m => m != match))}. This may cause injection to occur twice.";
                    if (said.Add($"{match}|{text}")) findings.Add("IST0139", webhooks[match].Owner, null, text);
                }
            }

        foreach (var (_, (owner, webhook)) in webhooks)
        {
            if (webhook.At("clientConfig", "service") is not { } service) continue;
            var name = $"{service.TextAt("namespace")}/{service.TextAt("name")}";
            if (findings.Resources.Find("", "Service", name) is null) findings.Add("IST0139", owner, null, $"Injector refers to a control plane service that does not exist: {name}.");
        }
    }

    public static void ExternalControlPlane(Findings findings)
    {
        foreach (var kind in (string[])["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"])
            foreach (var configuration in findings.Resources.All(kind))
            {
                var name = configuration.Name;
                var isOurs = kind[0] == 'V' ? name == "istiod-default-validator" || name.StartsWith("istio-validator", StringComparison.Ordinal) : name.StartsWith("istio-sidecar-injector", StringComparison.Ordinal);
                if (!isOurs) continue;
                foreach (var webhook in configuration.Node.ItemsAt("webhooks"))
                {
                    var hook = webhook.TextAt("name") ?? "";
                    if (webhook.TextAt("clientConfig", "url") is not { } url)
                    {
                        if (webhook.At("clientConfig", "service") is null) findings.Add("IST0163", configuration, null, "", hook, "is blank");
                    }
                    else if (!Uri.TryCreate(url, UriKind.RelativeOrAbsolute, out var parsed))
                    {
                        findings.Add("IST0163", configuration, null, url, hook, "was provided in an invalid format");
                    }
                    else if (parsed.IsAbsoluteUri && IPAddress.TryParse(parsed.Host.Trim('[', ']'), out _))
                    {
                        findings.Add("IST0164", configuration, null, url, hook);
                    }
                }
            }
    }

    private static readonly Dictionary<string, Version> MinimumCrdVersions = new()
    {
        ["grpcroutes.gateway.networking.k8s.io"] = new(1, 1, 0),
        ["backendtlspolicies.gateway.networking.k8s.io"] = new(1, 4, 0),
        ["tlsroutes.gateway.networking.k8s.io"] = new(1, 5, 0),
        ["tcproutes.gateway.networking.k8s.io"] = new(1, 6, 0),
    };

    public static void CrdVersions(Findings findings)
    {
        foreach (var crd in findings.Resources.All("CustomResourceDefinition"))
        {
            if (!MinimumCrdVersions.TryGetValue(crd.Name, out var minimum)) continue;
            var shown = crd.Annotations.GetValueOrDefault("gateway.networking.k8s.io/bundle-version")?.TrimStart('v') ?? "";
            if (!Version.TryParse(shown.Split('-', '+')[0], out var installed)) continue;
            if (new Version(installed.Major, installed.Minor, Math.Max(installed.Build, 0)) < minimum) findings.Add("IST0176", crd, null, crd.Name, shown, minimum);
        }
    }

    public static void BlockedCidrs(Findings findings)
    {
        const int ShownMax = 5;
        var names = findings.Resources.All("RequestAuthentication").Select(r => r.FullName).ToList();
        if (names.Count == 0) return;

        var shown = string.Join(", ", names.Take(ShownMax)) + (names.Count > ShownMax ? $", and {names.Count - ShownMax} more" : "");
        foreach (var deployment in findings.Resources.All("apps", "Deployment").Where(d => d.Labels.GetValueOrDefault("app") == "istiod"))
        {
            var isSet = Workloads.Containers(deployment.Node.At("spec", "template", "spec")).SelectMany(c => c.ItemsAt("env"))
                .Any(e => e.TextAt("name") == "BLOCKED_CIDRS_IN_JWKS_URIS" && e.TextAt("value") is { Length: > 0 });
            if (!isSet) findings.Add("IST0175", deployment, null, names.Count, shown);
        }
    }

    private static readonly Dictionary<(string Group, string Kind), string[]> Conditions = new()
    {
        [("", "Service")] = ["istio.io/WaypointBound"],
        [("networking.istio.io", "ServiceEntry")] = ["istio.io/WaypointBound"],
        [("networking.istio.io", "WorkloadEntry")] = ["istio.io/WaypointBound"],
        [("security.istio.io", "AuthorizationPolicy")] = ["ZtunnelAccepted", "WaypointAccepted"],
        [("gateway.networking.k8s.io", "Gateway")] = ["Accepted", "Programmed", "ResolvedRefs"],
        [("gateway.networking.k8s.io", "HTTPRoute")] = ["Accepted", "Programmed", "ResolvedRefs"],
        [("gateway.networking.k8s.io", "GRPCRoute")] = ["Accepted", "Programmed", "ResolvedRefs"],
    };

    public static void NegativeConditions(Findings findings)
    {
        foreach (var ((group, kind), types) in Conditions)
            foreach (var resource in findings.Resources.All(group, kind))
            {
                var conditions = kind.EndsWith("Route", StringComparison.Ordinal)
                    ? resource.Node.ItemsAt("status", "parents").SelectMany(p => p.ItemsAt("conditions"))
                    : resource.Node.ItemsAt("status", "conditions");
                foreach (var condition in conditions)
                {
                    var (type, reason) = (condition.TextAt("type") ?? "", condition.TextAt("reason") ?? "");
                    var isNegative = types.Contains(type) && condition.TextAt("status") == "False";
                    if (isNegative || kind == "AuthorizationPolicy" && type == "WaypointAccepted" && reason == "PartiallyInvalid")
                        findings.Add("IST0171", resource, null, type, reason, condition.TextAt("message") ?? "");
                }
            }
    }

    public static void Deprecations(Findings findings)
    {
        foreach (var service in findings.Resources.All("VirtualService"))
            foreach (var _ in service.Spec!.Children("http").Where(r => r.Child("fault")?.Child("delay")?.Number("percent") > 0))
                findings.Add("IST0002", service, null, "HTTPRoute.fault.delay.percent is deprecated; use HTTPRoute.fault.delay.percentage");
        foreach (var sidecar in findings.Resources.All("Sidecar").Where(s => s.Spec!.Child("outboundTrafficPolicy")?.Has("egressProxy") == true))
            findings.Add("IST0002", sidecar, null, "OutboundTrafficPolicy.EgressProxy ignored");
        foreach (var crd in findings.Resources.All("CustomResourceDefinition"))
        {
            var (group, kind) = (crd.Node.TextAt("spec", "group"), crd.Node.TextAt("spec", "names", "kind"));
            if (group == "rbac.istio.io" && kind is "ClusterRbacConfig" or "RbacConfig" or "ServiceRole" or "ServiceRoleBinding")
                findings.Add("IST0002", crd, null, $"Custom resource type {group} {kind} is removed");
        }
    }

    public static void LeftOutPatches(Findings findings)
    {
        foreach (var filter in findings.Resources.All("EnvoyFilter"))
            if (Resources.ResourceReader.Read(filter.Node, out _) is Resources.EnvoyFilter read && Validator.CheckSpec(filter.Resource, filter.Spec!).IsAllowed)
                foreach (var issue in Translate.PatchReader.Check(read))
                    findings.Add("MESH0001", filter, new ScalarNode(issue.Origin, FieldPath.Of(issue.Path), "", false), issue.Path, issue.Message);
    }

    public static void EnvoyPatches(Findings findings)
    {
        var versioned = new HashSet<string>();
        foreach (var filter in findings.Resources.All("EnvoyFilter"))
            foreach (var entry in filter.Spec!.Children("configPatches"))
            {
                if (entry.Child("patch") is not { } patch) break;

                var value = patch.Raw("value");
                var name = value is null ? "" : value.TextAt("name") ?? entry.Child("match")?.Child("listener")?.Child("filterChain")?.Child("filter")?.Text("name") ?? "";
                var target = entry.Enum("applyTo");
                var isRoute = target is "ROUTE_CONFIGURATION" or "HTTP_ROUTE";
                var code = patch.Enum("operation") switch
                {
                    "ADD" => isRoute ? "IST0153" : null,
                    "REMOVE" => isRoute ? "IST0154" : Relative(),
                    "REPLACE" => target is "NETWORK_FILTER" or "HTTP_FILTER" or "VIRTUAL_HOST" ? Relative() : "IST0152",
                    "INSERT_BEFORE" or "INSERT_AFTER" => Relative(),
                    _ => null,
                };
                if (code is not null) findings.Add(code, filter, null);
                if (entry.Child("match")?.Child("proxy")?.Has("proxyVersion") == true) versioned.Add(name);

                string? Relative() => filter.Spec.Number("priority") != 0 ? null : versioned.Contains(name) ? "IST0155" : "IST0151";
            }
    }

    public static void MeshNetworks(Findings findings)
    {
        var known = new HashSet<string> { "Mock", "Kubernetes", "External" };
        foreach (var secret in findings.Resources.All("", "Secret").Where(s => s.Labels.GetValueOrDefault("istio/multiCluster") == "true"))
            foreach (var cluster in secret.Node.TextsAt("data").Keys) known.Add(cluster);
        foreach (var networks in findings.Resources.All("MeshNetworks"))
            foreach (var (name, network) in networks.Spec!.Map("networks"))
                foreach (var endpoint in ((Message)network).Children("endpoints").Where(e => e.Which("ne") == "fromRegistry" && !known.Contains(e.Text("fromRegistry"))))
                    findings.Add("IST0126", networks, null, endpoint.Text("fromRegistry"), name);
    }

    private static IEnumerable<string> Revisions(AnalyzedResource configuration)
    {
        const string Label = "istio.io/rev";
        if (configuration.Labels.TryGetValue(Label, out var own)) yield return own;
        foreach (var selector in configuration.Node.ItemsAt("webhooks").SelectMany(w => (Node?[])[w.At("namespaceSelector"), w.At("objectSelector")]))
        {
            if (selector.TextAt("matchLabels", Label) is { } value) yield return value;
            foreach (var expression in selector.ItemsAt("matchExpressions").Where(e => e.TextAt("key") == Label))
                foreach (var one in expression.ItemsAt("values").OfType<ScalarNode>()) yield return one.Text;
        }
    }

    /// <summary>The label absent or with each value, alone and together with each revision.</summary>
    private static IEnumerable<Dictionary<string, string>> Permutations(string label, string[] values, IEnumerable<string> revisions)
    {
        foreach (var revision in revisions.Prepend(null))
            foreach (var value in values.Prepend(null))
            {
                var labels = new Dictionary<string, string>();
                if (value is not null) labels[label] = value;
                if (revision is not null) labels["istio.io/rev"] = revision;
                yield return labels;
            }
    }
}
