using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis.Analyzers;

/// <summary>Deployments, Pods and Services as the mesh sees them.</summary>
internal static class WorkloadAnalyzers
{
    private static readonly long[] WellKnownPorts = [25, 53, 3306, 27017];

    public static void UserIds(Findings findings)
    {
        foreach (var pod in findings.Resources.Pods) Check(pod, pod.Node.At("spec"));
        foreach (var deployment in findings.Resources.All("apps", "Deployment")) Check(deployment, deployment.Node.At("spec", "template", "spec"));

        void Check(AnalyzedResource resource, Node? spec)
        {
            if (Workloads.IsControlPlane(resource)) return;
            var asProxy = IsProxyUser(spec) || Workloads.Containers(spec).Any(c => c.TextAt("name") is not (Workloads.ProxyContainer or "istio-operator") && IsProxyUser(c));
            if (asProxy) findings.Add("IST0144", resource, null);
        }

        static bool IsProxyUser(Node? node) => node.NumberAt("securityContext", "runAsUser") == 1337;
    }

    public static void SharedPorts(Findings findings)
    {
        foreach (var deployment in findings.Resources.All("apps", "Deployment"))
        {
            if (deployment.Labels.GetValueOrDefault("gateway.istio.io/managed") == "istio.io-mesh-controller" || !Workloads.DeploymentIsInMesh(deployment, findings.Resources)) continue;

            var labels = deployment.Node.TextsAt("spec", "template", "metadata", "labels");
            var ports = findings.Resources.Services
                .Where(s => s.Namespace == deployment.Namespace && s.Node.TextsAt("spec", "selector") is { Count: > 0 } selector && LabelSelectors.Matches(selector, labels))
                .SelectMany(s => s.Node.ItemsAt("spec", "ports").Select(p => new ServicePort(s.FullName, p.NumberAt("port") ?? 0, p.TextAt("protocol") ?? "TCP", Target(p)))).ToList();
            var at = deployment.Node.At("metadata", "name");

            foreach (var port in ports.GroupBy(p => p.Port).Where(g => g.Select(p => p.Protocol).Distinct().Count() > 1))
                findings.Add("IST0116", deployment, at, deployment.Name, port.Key, Findings.Listed(port.Select(p => p.Service).Order(StringComparer.Ordinal)));
            foreach (var target in ports.GroupBy(p => p.Target))
            {
                var byPort = target.GroupBy(p => p.Port).Select(g => g.Last()).ToList();
                if (byPort.Count < 2) continue;
                findings.Add("IST0137", deployment, at, deployment.Name, Findings.Listed(byPort.Select(p => p.Service).Order(StringComparer.Ordinal)),
                    target.Key, Findings.Listed(byPort.Select(p => p.Port).Order()));
            }
        }
    }

    public static void PortNames(Findings findings)
    {
        foreach (var service in findings.Resources.Services)
        {
            if (Workloads.IsControlPlane(service)) continue;
            if (service.Labels.GetValueOrDefault("gateway.istio.io/managed") is "istio.io-gateway-controller" or "istio.io-mesh-controller" or "istio.io-eastwest-controller") continue;

            var isExternalName = service.Node.TextAt("spec", "type") == "ExternalName";
            foreach (var port in service.Node.ItemsAt("spec", "ports"))
            {
                var (name, number) = (port.TextAt("name") ?? "", port.NumberAt("port") ?? 0);
                if (HasProtocol(number, name, port.TextAt("protocol"), port.TextAt("appProtocol")) && !(isExternalName && name == "tcp")) continue;

                if (isExternalName) findings.Add("IST0150", service, port.At("port"));
                else findings.Add("IST0118", service, port.At("port"), name, number, port.TextAt("targetPort") ?? "0");
            }
        }
    }

    private static bool HasProtocol(long port, string name, string? transport, string? appProtocol)
    {
        if (transport == "UDP" || appProtocol is "kubernetes.io/h2c" or "kubernetes.io/ws" or "kubernetes.io/wss") return true;

        var said = appProtocol ?? name;
        return said.StartsWith("grpc-web", StringComparison.OrdinalIgnoreCase)
            || Validation.Protocols.Parse(said.Split('-')[0]) != Validation.Protocol.Unsupported || WellKnownPorts.Contains(port);
    }

    private static string Target(Node port) => port.TextAt("targetPort") is { Length: > 0 } target and not "0" ? target : $"{port.NumberAt("port") ?? 0}";

    private sealed record ServicePort(string Service, long Port, string Protocol, string Target);
}
