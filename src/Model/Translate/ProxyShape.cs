using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>What two proxies must have in common to be sent the same configuration. The key of a View.</summary>
internal sealed record ProxyShape(ClientKind Kind, string Namespace, LabelSet Labels, string ServiceAccount, Locality Locality, string NodeName)
{
    public string Network { get; init; } = "";

    /// <summary>Set only where the configuration names the workload's own address; then nobody else shares it.</summary>
    public string Ip { get; init; } = "";
    public string ClusterId { get; init; } = "";
    public string MeshId { get; init; } = "";
    public string InterceptionMode { get; init; } = "";

    /// <summary>Redirection leads all traffic to 15001 and 15006; without it only listeners on ports of their own are of use.</summary>
    public bool IsCaptured => InterceptionMode != "NONE";
    public bool AnswersDns { get; init; }
    public bool AllowsHttp10 { get; init; }
    public bool TakesVirtualHosts { get; init; }
    public string Workload { get; init; } = "";
    public ProxySettings Settings { get; init; } = ProxySettings.Default;

    /// <summary>Istio's sidecars count whatever proxyHeaders.attemptCount says; gateways obey.</summary>
    public bool CountsAttempts => !Kind.IsGateway || Settings.Headers?.AttemptCountDisabled != true;

    public static ProxyShape Of(ProxyNode proxy, MeshConfig mesh) => new(
        new ClientKind(proxy.IsGateway, proxy.HasIstioFilters) { Namespace = proxy.IsGateway ? proxy.Namespace : "" },
        proxy.Namespace, proxy.Labels, proxy.ServiceAccount, proxy.Locality, proxy.IsGateway ? "" : proxy.NodeName)
    {
        Network = proxy.Network,
        ClusterId = proxy.ClusterId,
        MeshId = proxy.MeshId,
        InterceptionMode = proxy.InterceptionMode,
        AnswersDns = proxy.AnswersDns,
        AllowsHttp10 = proxy.AllowsHttp10,
        TakesVirtualHosts = proxy.TakesVirtualHosts,
        Workload = proxy.Workload,
        Settings = proxy.Settings ?? mesh.Proxy,
    };
}
