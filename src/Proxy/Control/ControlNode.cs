using System.Text.Json.Nodes;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Proto = Envoy.Config.Core.V3;

namespace Mesh.Proxy.Control;

/// <summary>How this proxy introduces itself: to the control plane, and to other proxies.</summary>
internal static class ControlNode
{
    public static Proto.Node Create(Bootstrap bootstrap) => new()
    {
        Id = bootstrap.NodeId,
        Cluster = bootstrap.ServiceCluster,
        Metadata = JsonParser.Default.Parse<Struct>(bootstrap.Metadata.ToJsonString()),
        Locality = bootstrap.Region.Length == 0 ? null : new() { Region = bootstrap.Region, Zone = bootstrap.Zone, SubZone = bootstrap.SubZone },
        UserAgentName = "mesh",
        UserAgentVersion = Bootstrap.Version,
    };

    /// <summary>Istio's x-envoy-peer-metadata: base64 of a struct with what metrics at the other end need.</summary>
    public static string PeerMetadata(Bootstrap bootstrap)
    {
        var told = new Struct();
        foreach (var key in (ReadOnlySpan<string>)["CLUSTER_ID", "NAME", "NAMESPACE", "OWNER", "WORKLOAD_NAME"])
            if (Bootstrap.Text(bootstrap.Metadata, key) is { Length: > 0 } text) told.Fields[key] = Value.ForString(text);

        var labels = new Struct();
        if (bootstrap.Metadata["LABELS"] is JsonObject known)
        {
            foreach (var key in (ReadOnlySpan<string>)["app", "service.istio.io/canonical-name", "service.istio.io/canonical-revision", "version"])
                if (Bootstrap.Text(known, key) is { Length: > 0 } text) labels.Fields[key] = Value.ForString(text);
        }
        told.Fields["LABELS"] = Value.ForStruct(labels);
        return Convert.ToBase64String(told.ToByteArray());
    }
}
