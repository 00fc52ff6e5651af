using Mesh.Model.Analysis.Analyzers;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis;

/// <summary>All analyzers by Istio's names. Each looks at the whole set and adds what it finds.</summary>
public static class AnalyzerList
{
    private static readonly string[] ValidatedKinds =
    [
        "AuthorizationPolicy", "DestinationRule", "EnvoyFilter", "Gateway", "MeshConfig", "MeshNetworks", "PeerAuthentication", "ProxyConfig", "RequestAuthentication",
        "ServiceEntry", "Sidecar", "Telemetry", "TrafficExtension", "VirtualService", "WasmPlugin", "WorkloadEntry", "WorkloadGroup",
    ];

    public static IReadOnlyList<Analyzer> All { get; } =
    [
        new("annotations.K8sAnalyzer", "Checks for misplaced and invalid Istio annotations in Kubernetes resources", KubernetesAnnotations.Check) { NeedsRuntime = true },
        new("applicationUID.Analyzer", "Checks invalid application UID", WorkloadAnalyzers.UserIds) { NeedsRuntime = true },
        new("auth.AuthorizationPoliciesAnalyzer", "Checks the validity of authorization policies", SelectorAnalyzers.AuthorizationPolicies) { NeedsRuntime = true },
        new("authn.BlockedCIDRsAnalyzer", "Checks that BLOCKED_CIDRS_IN_JWKS_URIS is configured on istiod when RequestAuthentication resources exist", ClusterAnalyzers.BlockedCidrs),
        new("conditions.ConditionAnalyzer", "Checks for negative status conditions on resources", ClusterAnalyzers.NegativeConditions) { NeedsRuntime = true },
        new("deployment.MultiServiceAnalyzer", "Checks association between services and pods", WorkloadAnalyzers.SharedPorts) { NeedsRuntime = true },
        new("deprecation.DeprecationAnalyzer", "Checks for deprecated Istio types and fields", ClusterAnalyzers.Deprecations),
        new("destinationrule.CaCertificateAnalyzer", "Checks if caCertificates is set when TLS mode is SIMPLE/MUTUAL", ServiceAnalyzers.CaCertificates),
        new("destinationrule.SubsetSelectPodAnalyzer", "Checks if pods are selected by subsets in destination rules.", ServiceAnalyzers.Subsets) { NeedsRuntime = true },
        new("envoyfilter.EnvoyPatchAnalyzer", "Checks an envoyFilters ", ClusterAnalyzers.EnvoyPatches),
        new("envoyfilter.LeftOutPatchAnalyzer", "Checks for EnvoyFilter patches that this mesh does not know and leaves out", ClusterAnalyzers.LeftOutPatches) { IsDifference = true },
        new("externalcontrolplane.ExternalControlPlaneAnalyzer", "Checks that the remote IstioOperator resources reference an external control plane", ClusterAnalyzers.ExternalControlPlane),
        new("field.WithoutEffectAnalyzer", "Checks for fields that nothing in this mesh acts on", FieldAnalyzers.WithoutEffect) { IsDifference = true },
        new("gateway.CertificateAnalyzer", "Checks a gateway certificate", GatewayAnalyzers.Certificates),
        new("gateway.ConflictingGatewayAnalyzer", "Checks a gateway's selector, port number and hosts", GatewayAnalyzers.Conflicts) { NeedsRuntime = true },
        new("gateway.IngressGatewayPortAnalyzer", "Checks a gateway's ports against the gateway's Kubernetes service ports", GatewayAnalyzers.Ports) { NeedsRuntime = true },
        new("gateway.SecretAnalyzer", "Checks a gateway's referenced secrets for correctness", GatewayAnalyzers.Secrets) { NeedsRuntime = true },
        new("injection.Analyzer", "Checks conditions related to Istio sidecar injection", InjectionAnalyzers.Injection) { NeedsRuntime = true },
        new("injection.ImageAnalyzer", "Checks the image of auto-injection configured with the running proxies on pods", InjectionAnalyzers.Images) { NeedsRuntime = true },
        new("injection.ImageAutoAnalyzer", "Makes sure that Pods and Deployments with `image: auto` are going to be injected", InjectionAnalyzers.AutoImages) { NeedsRuntime = true },
        new("k8sgateway.CRDVersionAnalyzer", "Checks Gateway API CRDs are at the minimum version required by this Istio version", ClusterAnalyzers.CrdVersions),
        new("k8sgateway.SelectorAnalyzer", "Check that selectors are effective for Kubernetes gateway", SelectorAnalyzers.KubernetesGateways) { NeedsRuntime = true },
        new("meshnetworks.MeshNetworksAnalyzer", "Check the validity of MeshNetworks in the cluster", ClusterAnalyzers.MeshNetworks) { NeedsRuntime = true },
        .. ValidatedKinds.Select(kind => new Analyzer($"schema.ValidationAnalyzer.{kind}", $"Runs schema validation as an analyzer on '{kind}' resources", f => Validate(kind, f))),
        new("service.PortNameAnalyzer", "Checks the port names associated with each service", WorkloadAnalyzers.PortNames) { NeedsRuntime = true },
        new("serviceentry.Analyzer", "Checks the validity of ServiceEntry", ServiceAnalyzers.Addresses),
        new("serviceentry.ConflictingServiceEntryProtocolAnalyzer", "Checks if multiple ServiceEntries define the same host and port with different protocols", ServiceAnalyzers.ConflictingProtocols),
        new("service.SessionAnalyzer", "Checks services for labels that ask for sessions, which proxies of this mesh do not keep", ServiceAnalyzers.Sessions) { IsDifference = true },
        new("services.MultiClusterServiceAnalyzer", "Check the validity of services in the multi-cluster environment", ServiceAnalyzers.AcrossClusters) { NeedsRuntime = true },
        new("sidecar.SelectorAnalyzer", "Validates that sidecars that define a workload selector match at least one pod, and that there aren't multiple sidecar resources that select overlapping pods", SelectorAnalyzers.Sidecars) { NeedsRuntime = true },
        new("telemetry.DefaultSelectorAnalyzer", "Validates that there aren't multiple telemetry resources that have no selector", SelectorAnalyzers.DefaultTelemetries),
        new("telemetry.LightstepAnalyzer", "Validates that lightstep provider is still used", SelectorAnalyzers.Lightstep),
        new("telemetry.ProviderAnalyzer", "Validates that providers in telemetry resource is valid", SelectorAnalyzers.Providers),
        new("telemetry.SelectorAnalyzer", "Validates that telemetries that define a selector match at least one pod, and that there aren't multiple telemetry resources that select overlapping pods", SelectorAnalyzers.Telemetries) { NeedsRuntime = true },
        new("telemetry.UnsupportedProviderAnalyzer", "Checks that the providers that telemetries name are of types that proxies of this mesh write to", SelectorAnalyzers.UnsupportedProviders) { IsDifference = true },
        new("virtualservice.ConflictingMeshGatewayHostsAnalyzer", "Checks if multiple virtual services associated with the mesh gateway have conflicting hosts", VirtualServiceAnalyzers.MeshHosts),
        new("virtualservice.DestinationHostAnalyzer", "Checks the destination hosts associated with each virtual service", VirtualServiceAnalyzers.Destinations) { NeedsRuntime = true },
        new("virtualservice.DestinationRuleAnalyzer", "Checks the destination rules associated with each virtual service", VirtualServiceAnalyzers.Subsets),
        new("virtualservice.GatewayAnalyzer", "Checks the gateways associated with each virtual service", VirtualServiceAnalyzers.Gateways),
        new("virtualservice.JWTClaimRouteAnalyzer", "Checks the VirtualService using JWT claim based routing has corresponding RequestAuthentication", VirtualServiceAnalyzers.ClaimRoutes) { NeedsRuntime = true },
        new("webhook.Analyzer", "Checks the validity of Istio webhooks", ClusterAnalyzers.Webhooks) { NeedsRuntime = true },
    ];

    /// <summary>Istio's analyzers, with or without those about what is different here.</summary>
    public static IEnumerable<Analyzer> Of(bool differences) => All.Where(analyzer => differences || !analyzer.IsDifference);

    private static void Validate(string kind, Findings findings)
    {
        if (kind is "MeshConfig" && findings.MeshConfig.Source is { } given)
        {
            var named = (MapNode)YamlReader.Read("{kind: MeshConfig, metadata: {name: meshconfig, namespace: istio-system}}", "", out _)[0];
            Report(Validator.CheckMeshConfig(given), new(new(named), findings.MeshConfig, "", 0, ""), findings);
        }
        foreach (var resource in findings.Resources.All(kind))
        {
            Report(resource.Kind == "MeshNetworks" ? Validator.CheckMeshNetworks(resource.Spec!.Source!) : Validator.CheckSpec(resource.Resource, resource.Spec!), resource, findings);
        }
    }

    private static void Report(Verdict verdict, AnalyzedResource resource, Findings findings)
    {
        foreach (var error in verdict.Errors) findings.Add("IST0106", resource, null, error.Message);
        foreach (var warning in verdict.Warnings)
        {
            if (warning.AnalysisCode is { } code) findings.Add(code, resource, null, [.. warning.Parameters]);
            else findings.Add("IST0133", resource, null, warning.Message);
        }
    }
}
