using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>BackendTLSPolicy: TLS from the proxy to a service, as a DestinationRule would ask for it.</summary>
internal static class BackendTls
{
    private const int AncestorsMax = 16;

    public static (ImmutableArray<DestinationRule> Rules, ImmutableArray<ApiPolicyStatus> Statuses) Build(ApiInputs inputs, IReadOnlyCollection<ApiRouteStatus> routes)
    {
        var made = new Dictionary<string, DestinationRule>();
        var statuses = ImmutableArray.CreateBuilder<ApiPolicyStatus>();
        var taken = new Dictionary<string, BackendTlsPolicy>();
        foreach (var policy in inputs.TlsPolicies)
        {
            var ancestors = new List<ApiAncestorStatus>();
            var unresolved = Certificates(policy, inputs);
            foreach (var target in policy.Targets)
            {
                var host = HostOf(target, policy, inputs);
                var known = host is not null && inputs.Services.Contains(host) && (target.SectionName.Length == 0 || PortOf(host, target, inputs) is not null);
                var older = known && taken.TryGetValue($"{host}:{target.SectionName}", out var first) ? first : null;
                if (known) taken.TryAdd($"{host}:{target.SectionName}", policy);
                ApiCondition accepted = !known ? new("Accepted", false, "TargetNotFound", $"targetRefs invalid: reference {policy.Namespace}/{target.Name} (of kind {target.Kind}) not found")
                    : older is not null ? new("Accepted", false, "Conflicted", $"Configuration conflicted with another BackendTLSPolicy {older.Namespace}/{older.Name}")
                    : unresolved is not null ? new("Accepted", false, "NoValidCACertificate", $"Certificate reference invalid: {unresolved.Message}")
                    : new("Accepted", true, "Accepted", "Configuration is valid");
                ImmutableArray<ApiCondition> conditions = [accepted, unresolved ?? new("ResolvedRefs", true, "ResolvedRefs", "Configuration is valid")];
                ancestors.AddRange(Ancestors(policy, target, routes).Select(ancestor => new ApiAncestorStatus(ancestor, conditions)));
                if (known && older is null) made[host!] = Joined(made.GetValueOrDefault(host!), Rule(policy, target, host!, inputs));
            }
            statuses.Add(new(policy, [.. ancestors.DistinctBy(one => one.Ancestor).Take(AncestorsMax)]));
        }
        return ([.. made.Values], statuses.ToImmutable());
    }

    /// <summary>Policies for several ports of one service are one rule; a port's own comes before the service's.</summary>
    private static DestinationRule Joined(DestinationRule? before, DestinationRule next) => before is null ? next : new(before.Meta)
    {
        Host = before.Host,
        Subsets = before.Subsets,
        ExportTo = before.ExportTo,
        IsBackendTls = true,
        TrafficPolicy = new() { Tls = before.TrafficPolicy!.Tls ?? next.TrafficPolicy!.Tls, Ports = [.. before.TrafficPolicy.Ports, .. next.TrafficPolicy!.Ports] },
    };

    /// <summary>A policy that is not resolved still asks for TLS: without a good authority nothing is believed, so nothing goes out in plain text.</summary>
    private static DestinationRule Rule(BackendTlsPolicy policy, PolicyTarget target, string host, ApiInputs inputs)
    {
        var tls = new ClientTls(ClientTlsMode.Simple)
        {
            Sni = policy.Hostname,
            SubjectAltNames = policy.SubjectAltNames.IsEmpty ? [policy.Hostname] : policy.SubjectAltNames,
            CredentialName = policy.CaRefs is [var ca, ..] ? $"{(ca.Kind == "ConfigMap" ? "configmap" : "kubernetes-gateway")}://{policy.Namespace}/{ca.Name}" : "",
            TakesGatewayCertificate = true,
        };
        var port = PortOf(host, target, inputs);
        return new(policy.Meta with { Group = "networking.istio.io", Kind = "DestinationRule", Name = $"{policy.Name}~{target.Name}" })
        {
            Host = host,
            Subsets = [],
            ExportTo = ["*"],
            IsBackendTls = true,
            TrafficPolicy = port is not null
                ? new() { Ports = [new(port.Number, new() { Tls = tls })] }
                : new() { Tls = tls },
        };
    }

    private static ServicePort? PortOf(string host, PolicyTarget target, ApiInputs inputs) => target.SectionName.Length == 0 ? null
        : inputs.Services[host].SelectMany(service => service.Ports).FirstOrDefault(port => port.Name == target.SectionName);

    private static string? HostOf(PolicyTarget target, BackendTlsPolicy policy, ApiInputs inputs) => target.Kind == "Service"
        ? $"{target.Name}.{policy.Namespace}.svc.{inputs.Mesh.Domain}" : inputs.Entry(policy.Namespace, target.Name)?.Hosts.FirstOrDefault();

    private static ApiCondition? Certificates(BackendTlsPolicy policy, ApiInputs inputs)
    {
        foreach (var reference in policy.CaRefs)
        {
            if (reference.Group is not ("" or "core") || reference.Kind is not ("ConfigMap" or "Secret"))
                return new("ResolvedRefs", false, "InvalidKind", $"unsupported kind {reference.Kind}");
            var pem = reference.Kind == "ConfigMap" ? inputs.ConfigMap(policy.Namespace, reference.Name)?.Data["ca.crt"]
                : inputs.Secret(policy.Namespace, reference.Name)?.Data.GetValueOrDefault("ca.crt") is { } bytes ? System.Text.Encoding.ASCII.GetString(bytes) : null;
            if (ApiTls.BundleFault(pem) is { } fault)
                return new("ResolvedRefs", false, "InvalidCACertificateRef", $"{reference.Kind} {policy.Namespace}/{reference.Name}: {(pem is null ? "not found, or without ca.crt" : fault)}");
        }
        return null;
    }

    /// <summary>The gateways whose routes lead to the target; the target itself where there are none.</summary>
    private static IEnumerable<ParentRef> Ancestors(BackendTlsPolicy policy, PolicyTarget target, IReadOnlyCollection<ApiRouteStatus> routes)
    {
        var gateways = routes
            .Where(status => status.Route.Rules.SelectMany(rule => rule.Backends).Any(backend =>
                backend.Name == target.Name && backend.Kind == target.Kind && (backend.Namespace.Length > 0 ? backend.Namespace : status.Route.Namespace) == policy.Namespace))
            .SelectMany(status => status.Parents.Where(parent => parent.Parent.Kind == "Gateway")
                .Select(parent => new ParentRef(ApiInputs.Group, "Gateway", parent.Parent.Namespace.Length > 0 ? parent.Parent.Namespace : status.Route.Namespace, parent.Parent.Name, "", null)))
            .Distinct().ToList();
        return gateways.Count > 0 ? gateways : [new(target.Group, target.Kind, "", target.Name, target.SectionName, null)];
    }
}
