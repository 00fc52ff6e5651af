using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>BackendTLSPolicy: TLS from the proxy to a service, as a DestinationRule would ask for it.</summary>
internal static class BackendTls
{
    public static ImmutableArray<DestinationRule> Build(ApiInputs inputs)
    {
        var made = ImmutableArray.CreateBuilder<DestinationRule>();
        var taken = new HashSet<string>();
        foreach (var policy in inputs.TlsPolicies)
            foreach (var target in policy.Targets)
            {
                var host = target.Kind == "Service" ? $"{target.Name}.{policy.Namespace}.svc.{inputs.Mesh.Domain}" : inputs.Entry(policy.Namespace, target.Name)?.Hosts.FirstOrDefault();
                if (host is null || !taken.Add($"{host}:{target.SectionName}")) continue;

                var tls = new ClientTls(ClientTlsMode.Simple)
                {
                    Sni = policy.Hostname,
                    SubjectAltNames = policy.SubjectAltNames.IsEmpty ? [policy.Hostname] : policy.SubjectAltNames,
                    CredentialName = policy.CaRefs is [var ca, ..] ? $"kubernetes-gateway://{policy.Namespace}/{ca.Name}" : "",
                };
                var port = inputs.Services[host].SelectMany(service => service.Ports).FirstOrDefault(port => port.Name == target.SectionName);
                made.Add(new(policy.Meta with { Group = "networking.istio.io", Kind = "DestinationRule", Name = $"{policy.Name}~{target.Name}" })
                {
                    Host = host,
                    Subsets = [],
                    ExportTo = ["*"],
                    TrafficPolicy = target.SectionName.Length > 0 && port is not null
                        ? new() { Ports = [new(port.Number, new() { Tls = tls })] }
                        : new() { Tls = tls },
                });
            }
        return made.ToImmutable();
    }
}
