using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.Yaml;

namespace Mesh.Model.World;

/// <summary>How a proxy introduces itself: Istio's node id and the metadata that shapes its configuration. Compared by value.</summary>
public sealed record ProxyNode(string Id)
{
    public required bool IsGateway { get; init; }
    public required string Ip { get; init; }
    public ImmutableArray<string> Ips { get; init; } = [];
    public required string Name { get; init; }
    public required string Namespace { get; init; }
    public LabelSet Labels { get; init; } = LabelSet.Empty;
    public string ServiceAccount { get; init; } = "default";
    public Locality Locality { get; init; } = Locality.None;
    public string Cluster { get; init; } = "";
    public string ClusterId { get; init; } = "Kubernetes";
    public string Network { get; init; } = "";
    public string Workload { get; init; } = "";
    public string MeshId { get; init; } = "";
    public string NodeName { get; init; } = "";
    public string InterceptionMode { get; init; } = "REDIRECT";
    public bool AnswersDns { get; init; }
    public bool AllowsHttp10 { get; init; }
    public int StatusPort { get; init; } = 15021;
    public int PrometheusPort { get; init; } = 15090;
    public int AgentPort { get; init; } = 15020;

    /// <summary>True for a proxy that has Istio's own filters (alpn, stats, peer metadata). A stock Envoy has not.</summary>
    public bool HasIstioFilters { get; init; }

    /// <summary>True for a proxy that takes virtual hosts one by one (VHDS) instead of whole route tables.</summary>
    public bool TakesVirtualHosts { get; init; }

    /// <summary>Null when the node sent none: the mesh's default holds.</summary>
    public ProxySettings? Settings { get; init; }

    /// <summary>Reads <c>sidecar~ip~name.namespace~namespace.svc.domain</c> and the metadata of the node; null for an id of another form.</summary>
    public static ProxyNode? Parse(string id, string cluster, Locality locality, Node? metadata)
    {
        var parts = id.Split('~');
        if (parts.Length != 4 || parts[0] is not ("sidecar" or "router" or "waypoint")) return null;

        var dot = parts[2].LastIndexOf('.');
        var f = new Fields(metadata, []);
        var settings = f["PROXY_CONFIG"];
        var accounts = f.Text("SERVICE_ACCOUNT", "default");
        return new(id)
        {
            IsGateway = parts[0] != "sidecar",
            Ip = parts[1],
            Ips = [.. f.Text("INSTANCE_IPS", parts[1]).Split(',', StringSplitOptions.RemoveEmptyEntries)],
            Name = dot < 0 ? parts[2] : parts[2][..dot],
            Namespace = f.Text("NAMESPACE") is { Length: > 0 } ns ? ns : dot < 0 ? "" : parts[2][(dot + 1)..],
            Labels = f.Labels("LABELS"),
            ServiceAccount = accounts,
            Locality = locality,
            Cluster = cluster,
            ClusterId = f.Text("CLUSTER_ID", "Kubernetes"),
            Network = f.Text("NETWORK"),
            Workload = f.Text("WORKLOAD_NAME"),
            MeshId = f.Text("MESH_ID"),
            NodeName = f.Text("NODE_NAME"),
            InterceptionMode = f.Text("INTERCEPTION_MODE", "REDIRECT"),
            AnswersDns = f.Text("DNS_CAPTURE") == "true",
            AllowsHttp10 = f.Text("HTTP10") is "1" or "true",
            StatusPort = f.Int("ENVOY_STATUS_PORT", 15021),
            PrometheusPort = f.Int("ENVOY_PROMETHEUS_PORT", 15090),
            AgentPort = settings.Int("statusPort", 15020),
            HasIstioFilters = f.Text("ISTIO_FILTERS") == "true",
            TakesVirtualHosts = f.Text("VHDS") == "true",
            Settings = settings.Exists ? ProxySettings.Read(settings) : null,
        };
    }
}
