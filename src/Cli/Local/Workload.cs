using System.Net;
using System.Text;

namespace Mesh.Cli.Local;

/// <summary>One process of an application with a sidecar beside it: what a pod is in a cluster. Each has an address of its own, on loopback or in a network namespace.</summary>
internal sealed record Workload(string Name, string Namespace, string App, string Version, string ServiceAccount, IPAddress Address)
{
    /// <summary>Where the application listens. 0 for one that only calls.</summary>
    public int AppPort { get; init; }

    /// <summary>The port of its service, and its name there (http, grpc, tcp): the protocol follows from it.</summary>
    public int ServicePort { get; init; } = 8080;
    public string PortName { get; init; } = "http";

    /// <summary>Where other workloads reach it when nothing captures its traffic: its sidecar listens there and passes on to <see cref="AppPort"/>.</summary>
    public int InboundPort { get; init; } = 8000;
    public bool IsGateway { get; init; }

    /// <summary>Null: those of <see cref="App"/> and <see cref="Version"/> alone.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Ports of its address that its sidecar listens on beside the usual ones. Null: <see cref="InboundPort"/>.</summary>
    public IReadOnlyList<int>? OwnPorts { get; init; }

    /// <summary>Names of the services that it may call without capture: its sidecar listens on the service's own port at <see cref="Address"/>.</summary>
    public bool Calls { get; init; }

    public string Identity(string trustDomain) => $"spiffe://{trustDomain}/ns/{Namespace}/sa/{ServiceAccount}";

    /// <summary>The objects that stand for this workload: a WorkloadEntry, and where nothing captures its traffic a Sidecar with explicit listeners.</summary>
    public string Yaml(bool captured)
    {
        var text = new StringBuilder();
        if (!IsGateway) AppendEntry(text, captured);
        if (!captured && !IsGateway) AppendSidecar(text);
        return text.ToString();
    }

    private void AppendEntry(StringBuilder text, bool captured) => text.Append($"""
        ---
        apiVersion: networking.istio.io/v1
        kind: WorkloadEntry
        metadata:
          name: {Name}
          namespace: {Namespace}
        spec:
          address: {Address}
          serviceAccount: {ServiceAccount}
          labels:
            app: {App}
            version: {Version}
            security.istio.io/tlsMode: istio
          ports:
            {PortName}: {(captured ? AppPort : InboundPort)}

        """);

    private void AppendSidecar(StringBuilder text)
    {
        text.Append($"""
            ---
            apiVersion: networking.istio.io/v1
            kind: Sidecar
            metadata:
              name: {Name}
              namespace: {Namespace}
            spec:
              workloadSelector:
                labels:
                  app: {App}
                  version: {Version}

            """);
        if (AppPort > 0)
            text.Append($"""
                  ingress:
                  - port:
                      number: {InboundPort}
                      protocol: {PortName.ToUpperInvariant()}
                      name: {PortName}
                    bind: {Address}
                    captureMode: NONE
                    defaultEndpoint: 0.0.0.0:{AppPort}

                """);
        if (Calls)
            text.Append($"""
                  egress:
                  - port:
                      number: {ServicePort}
                      protocol: HTTP
                      name: http
                    bind: {Address}
                    captureMode: NONE
                    hosts:
                    - "*/*"

                """);
    }
}
