using Mesh.Model.Analysis;

namespace Mesh.Cli.Commands;

/// <summary>The ingress gateway every installation has: files alone would lack it, and each Gateway would be said to select nothing.</summary>
internal static class DefaultResources
{
    public static void AddTo(ResourceSet resources, string controlPlaneNamespace) =>
        new ResourceReader(resources, controlPlaneNamespace) { KeepsPresent = true }.Read($$"""
            apiVersion: v1
            kind: Pod
            metadata: {name: istio-ingressgateway-dummypod, labels: {istio: ingressgateway}, namespace: {{controlPlaneNamespace}} }
            spec:
              containers: [{name: istio-proxy}]
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: istio-ingressgateway, namespace: {{controlPlaneNamespace}} }
            spec:
              selector: {istio: ingressgateway}
              ports:
              - {name: http2, port: 80, targetPort: 80, protocol: TCP}
              - {name: https, port: 443, targetPort: 443, protocol: TCP}
              - {name: tcp, port: 31400, targetPort: 31400, protocol: TCP}
              - {name: tls, port: 15443, targetPort: 15443, protocol: TCP}
            """, "internal-ingress");
}
