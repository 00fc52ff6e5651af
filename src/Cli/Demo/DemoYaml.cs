using Mesh.Cli.Local;

namespace Mesh.Cli.Demo;

/// <summary>The demo's configuration: the samples as they are, and a way in from outside.</summary>
internal static class DemoYaml
{
    public const string Namespace = "demo";

    /// <exception cref="LocalMeshException">The samples are not where they should be.</exception>
    public static void CopySamples(Programs programs, string folder)
    {
        var samples = Path.Combine(programs.Samples, "demo");
        if (!Directory.Exists(samples)) throw new LocalMeshException($"the demo's YAML is not there: {samples}; run meshctl from its source tree");

        Directory.CreateDirectory(folder);
        foreach (var file in Directory.EnumerateFiles(samples))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
    }

    public static string Ingress(string bind, int port) => $"""
        # Traffic from outside: everything that arrives at the gateway goes to the frontend.
        apiVersion: networking.istio.io/v1
        kind: Gateway
        metadata:
          name: ingress
          namespace: {Namespace}
        spec:
          selector:
            istio: ingressgateway
          servers:
          - port:
              number: {port}
              name: http
              protocol: HTTP
            bind: {bind}
            hosts:
            - "*"
        ---
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata:
          name: frontend
          namespace: {Namespace}
        spec:
          hosts:
          - "*"
          gateways:
          - ingress
          http:
          - route:
            - destination:
                host: frontend

        """;
}
