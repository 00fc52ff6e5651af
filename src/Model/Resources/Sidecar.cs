using System.Collections.Immutable;

namespace Mesh.Model.Resources;

public enum OutboundMode { AllowAny, RegistryOnly, AllowAnyDynamicDns }

public sealed class Sidecar(ResourceMeta meta) : Resource(meta)
{
    public LabelSet? Selector { get; init; }
    public ImmutableArray<SidecarIngress> Ingress { get; init; } = [];
    public ImmutableArray<SidecarEgress> Egress { get; init; } = [];
    public OutboundMode? Outbound { get; init; }

    /// <summary>Where traffic to hosts that nobody knows goes instead of where it was meant; null mostly.</summary>
    public Destination? EgressProxy { get; init; }
    public ConnectionPool? InboundPool { get; init; }

    public static Sidecar Read(ResourceMeta meta, Fields root)
    {
        var spec = root["spec"];
        return new(meta)
        {
            Selector = spec.Has("workloadSelector") ? spec["workloadSelector"].Labels("labels") : null,
            Ingress = spec.Each("ingress", i => new SidecarIngress(PortSpec.Read(i["port"]), i.Text("bind"), i.Text("defaultEndpoint"))
            {
                Pool = i.Maybe("connectionPool", ConnectionPool.Read),
                Tls = i.Maybe("tls", ServerTls.Read),
                CaptureMode = i.Text("captureMode", "DEFAULT"),
            }),
            Egress = spec.Each("egress", e => new SidecarEgress(e.Maybe("port", PortSpec.Read), e.Text("bind"), e.Texts("hosts"), e.Text("captureMode", "DEFAULT"))),
            Outbound = spec.Has("outboundTrafficPolicy") ? spec["outboundTrafficPolicy"].Enum("mode", OutboundMode.RegistryOnly) : null,
            EgressProxy = spec["outboundTrafficPolicy"].Maybe("egressProxy", Destination.Read),
            InboundPool = spec.Maybe("inboundConnectionPool", ConnectionPool.Read),
        };
    }
}

public sealed record SidecarIngress(PortSpec Port, string Bind, string DefaultEndpoint)
{
    public ConnectionPool? Pool { get; init; }
    public ServerTls? Tls { get; init; }

    /// <summary>NONE: nothing redirects to 15006, so the port itself is listened on.</summary>
    public string CaptureMode { get; init; } = "DEFAULT";
}

public sealed record SidecarEgress(PortSpec? Port, string Bind, ImmutableArray<string> Hosts, string CaptureMode);
