using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Proto = Envoy.Config.Core.V3;

namespace Mesh.Xds;

/// <summary>What a proxy is for, by the first word of its id.</summary>
public enum NodeKind
{
    Sidecar,

    /// <summary>A gateway.</summary>
    Router,
    Waypoint,
    Ztunnel,

    /// <summary>Anything else that speaks the protocol: gRPC's own clients, debug tools.</summary>
    Other,
}

/// <summary>Where a workload runs. Empty strings where unknown.</summary>
public sealed record NodeLocality(string Region, string Zone, string Subzone)
{
    public static readonly NodeLocality Unknown = new("", "", "");
}

/// <summary>
/// How a proxy introduces itself: Envoy's node with Istio's metadata, read once into plain values.
/// Lists and maps are never null; texts are empty where the proxy said nothing.
/// </summary>
public sealed record Node
{
    public required string Id { get; init; }
    public required NodeKind Kind { get; init; }

    /// <summary>The pod's first address, from the id.</summary>
    public string IpAddress { get; init; } = "";

    /// <summary>Pod and namespace as one word, as in the id: <c>reviews-v1-abc.default</c>.</summary>
    public string PodDotNamespace { get; init; } = "";
    public string DnsDomain { get; init; } = "";

    /// <summary>Service cluster (<c>--service-cluster</c>), for people.</summary>
    public string ServiceCluster { get; init; } = "";
    public NodeLocality Locality { get; init; } = NodeLocality.Unknown;

    /// <summary>Name of the program that speaks: <c>envoy</c>, <c>mesh</c>, <c>grpc-node</c>.</summary>
    public string Agent { get; init; } = "";

    public string Name { get; init; } = "";
    public string Namespace { get; init; } = "";
    public string ServiceAccount { get; init; } = "";
    public string WorkloadName { get; init; } = "";
    public string Owner { get; init; } = "";
    public string ClusterId { get; init; } = "";
    public string MeshId { get; init; } = "";
    public string Network { get; init; } = "";
    public string IstioVersion { get; init; } = "";
    public string NodeName { get; init; } = "";

    /// <summary>REDIRECT, TPROXY or NONE.</summary>
    public string InterceptionMode { get; init; } = "";

    /// <summary>Gateways: <c>sni-dnat</c> or <c>standard</c>.</summary>
    public string RouterMode { get; init; } = "";

    /// <summary><c>grpc</c> for proxyless clients, <c>event</c> and <c>api</c> for tools.</summary>
    public string Generator { get; init; } = "";

    public IReadOnlyList<string> InstanceIps { get; init; } = [];
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();
    public IReadOnlyDictionary<string, string> Annotations { get; init; } = new Dictionary<string, string>();

    /// <summary>The pod's ProxyConfig as JSON; null when not sent.</summary>
    public string? ProxyConfigJson { get; init; }

    /// <summary>Everything that was sent, as text by key (lists and maps as JSON): for what has no property here.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    public bool DnsCapture => IsTrue("DNS_CAPTURE");
    public bool DnsAutoAllocate => IsTrue("DNS_AUTO_ALLOCATE");
    public bool Http10 => IsTrue("HTTP10");
    public bool EnableHbone => IsTrue("ENABLE_HBONE");

    public string Text(string key) => Metadata.GetValueOrDefault(key, "");

    public bool IsTrue(string key) => Text(key) is "true" or "1" or "True" or "TRUE" or "t" or "T";

    public int? Number(string key) =>
        double.TryParse(Text(key), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? (int)number : null;

    /// <summary>Never fails: what is missing or of the wrong type reads as empty.</summary>
    public static Node From(Proto.Node? node)
    {
        var parts = (node?.Id ?? "").Split('~');
        var whole = parts.Length == 4;
        var fields = node?.Metadata?.Fields;
        string Text(string key) => fields is not null && fields.TryGetValue(key, out var value) ? TextOf(value) : "";

        var name = Text("NAME");
        var space = Text("NAMESPACE");
        if (whole && space.Length == 0 && parts[2].LastIndexOf('.') is > 0 and var dot) space = parts[2][(dot + 1)..];
        return new()
        {
            Id = node?.Id ?? "",
            Kind = KindOf(whole ? parts[0] : ""),
            IpAddress = whole ? parts[1] : "",
            PodDotNamespace = whole ? parts[2] : node?.Id ?? "",
            DnsDomain = whole ? parts[3] : "",
            ServiceCluster = node?.Cluster ?? "",
            Locality = node?.Locality is { } l ? new(l.Region, l.Zone, l.SubZone) : NodeLocality.Unknown,
            Agent = node?.UserAgentName ?? "",
            Name = name,
            Namespace = space,
            ServiceAccount = Text("SERVICE_ACCOUNT"),
            WorkloadName = Text("WORKLOAD_NAME"),
            Owner = Text("OWNER"),
            ClusterId = Text("CLUSTER_ID"),
            MeshId = Text("MESH_ID"),
            Network = Text("NETWORK"),
            IstioVersion = Text("ISTIO_VERSION"),
            NodeName = Text("NODE_NAME"),
            InterceptionMode = Text("INTERCEPTION_MODE"),
            RouterMode = Text("ROUTER_MODE"),
            Generator = Text("GENERATOR"),
            InstanceIps = Addresses(Text("INSTANCE_IPS"), whole ? parts[1] : ""),
            Labels = Map(fields, "LABELS"),
            Annotations = Map(fields, "ANNOTATIONS"),
            ProxyConfigJson = fields is not null && fields.TryGetValue("PROXY_CONFIG", out var config) && config.KindCase == Value.KindOneofCase.StructValue
                ? JsonFormatter.Default.Format(config) : null,
            Metadata = fields?.ToDictionary(f => f.Key, f => TextOf(f.Value)) ?? [],
        };
    }

    /// <summary>As it is sent. Metadata is written from the properties; <see cref="Metadata"/> fills in what has none.</summary>
    public Proto.Node ToProto()
    {
        var metadata = new Struct();
        foreach (var (key, text) in Metadata) metadata.Fields[key] = Value.ForString(text); // as istiod reads them, POD_PORTS' JSON too
        Set(metadata, "NAME", Name);
        Set(metadata, "NAMESPACE", Namespace);
        Set(metadata, "SERVICE_ACCOUNT", ServiceAccount);
        Set(metadata, "WORKLOAD_NAME", WorkloadName);
        Set(metadata, "OWNER", Owner);
        Set(metadata, "CLUSTER_ID", ClusterId);
        Set(metadata, "MESH_ID", MeshId);
        Set(metadata, "NETWORK", Network);
        Set(metadata, "ISTIO_VERSION", IstioVersion);
        Set(metadata, "NODE_NAME", NodeName);
        Set(metadata, "INTERCEPTION_MODE", InterceptionMode);
        Set(metadata, "ROUTER_MODE", RouterMode);
        Set(metadata, "GENERATOR", Generator);
        Set(metadata, "INSTANCE_IPS", string.Join(',', InstanceIps));
        SetMap(metadata, "LABELS", Labels);
        SetMap(metadata, "ANNOTATIONS", Annotations);
        if (ProxyConfigJson is not null) metadata.Fields["PROXY_CONFIG"] = JsonParser.Default.Parse<Value>(ProxyConfigJson);
        return new()
        {
            Id = Id,
            Cluster = ServiceCluster,
            Metadata = metadata,
            Locality = Locality == NodeLocality.Unknown ? null : new() { Region = Locality.Region, Zone = Locality.Zone, SubZone = Locality.Subzone },
            UserAgentName = Agent,
        };
    }

    private static NodeKind KindOf(string word) => word switch
    {
        "sidecar" => NodeKind.Sidecar,
        "router" => NodeKind.Router,
        "waypoint" => NodeKind.Waypoint,
        "ztunnel" => NodeKind.Ztunnel,
        _ => NodeKind.Other,
    };

    private static string TextOf(Value value) => value.KindCase switch
    {
        Value.KindOneofCase.StringValue => value.StringValue,
        Value.KindOneofCase.BoolValue => value.BoolValue ? "true" : "false",
        Value.KindOneofCase.NumberValue => value.NumberValue.ToString(CultureInfo.InvariantCulture),
        Value.KindOneofCase.StructValue or Value.KindOneofCase.ListValue => JsonFormatter.Default.Format(value),
        _ => "",
    };

    private static IReadOnlyList<string> Addresses(string listed, string fallback)
    {
        var all = listed.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return all.Length > 0 ? all : fallback.Length > 0 ? [fallback] : [];
    }

    private static Dictionary<string, string> Map(Google.Protobuf.Collections.MapField<string, Value>? fields, string key)
    {
        var map = new Dictionary<string, string>();
        if (fields is null || !fields.TryGetValue(key, out var value) || value.KindCase != Value.KindOneofCase.StructValue) return map;
        foreach (var (name, entry) in value.StructValue.Fields) map[name] = TextOf(entry);
        return map;
    }

    private static void Set(Struct metadata, string key, string text)
    {
        if (text.Length > 0) metadata.Fields[key] = Value.ForString(text);
    }

    private static void SetMap(Struct metadata, string key, IReadOnlyDictionary<string, string> map)
    {
        if (map.Count == 0) return;
        var inner = new Struct();
        foreach (var (name, text) in map) inner.Fields[name] = Value.ForString(text);
        metadata.Fields[key] = Value.ForStruct(inner);
    }
}
