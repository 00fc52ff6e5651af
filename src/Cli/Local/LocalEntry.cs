using System.Net;
using System.Text.Json.Nodes;
using Mesh.Model.Yaml;

namespace Mesh.Cli.Local;

/// <summary>A WorkloadEntry at 127.0.0.1 in a user's folder: a process of this machine, which gets a sidecar (or is a gateway) of its own.</summary>
/// <param name="Ports">Where the application listens on 127.0.0.1, by the name of its service's port. Empty for one that only calls.</param>
/// <param name="Command">Starts the application; null: the user does.</param>
/// <param name="Directory">Of the file that holds it; there the command starts.</param>
internal sealed record LocalEntry(
    string Name, string Namespace, string ServiceAccount, IReadOnlyDictionary<string, string> Labels, IReadOnlyDictionary<string, int> Ports,
    string? Command, string Directory, bool IsGateway, MapNode Source)
{
    public const string LocalAddress = "127.0.0.1";
    public const string CommandAnnotation = "run.meshctl/command";

    /// <summary>Where the sidecar takes calls of the application for others, as an HTTP proxy.</summary>
    public const int HttpProxyPort = 15080;

    // Not the application's own number: many listen on 0.0.0.0, and would then hold the sidecar's address too.
    private const int InboundPortMin = 16000;

    public string FullName => $"{Name}.{Namespace}";

    public Workload At(IPAddress address) => new(Name, Namespace, Labels.GetValueOrDefault("app") ?? Name, Labels.GetValueOrDefault("version") ?? "latest", ServiceAccount, address)
    {
        Labels = Labels,
        IsGateway = IsGateway,
        OwnPorts = IsGateway ? [] : [HttpProxyPort, .. Ports.Select((_, i) => InboundPortMin + i)],
    };

    /// <summary>What stands in the mesh for the process: the entry at its sidecar's address, and the Sidecar that listens there.</summary>
    /// <param name="egress">The hosts that it may call, as a Sidecar names them.</param>
    /// <param name="outbound">The policy for hosts that nobody knows; null: the mesh's.</param>
    public string Yaml(IPAddress address, IReadOnlyList<string> egress, JsonNode? outbound) =>
        YamlWriter.Write(Entry(address)) + (IsGateway ? "" : "---\n" + YamlWriter.Write(Sidecar(address, egress, outbound)));

    private JsonNode Entry(IPAddress address)
    {
        var entry = (JsonObject)YamlJson.Of(Source)!;
        var spec = (JsonObject)entry["spec"]!;
        spec["address"] = $"{address}";
        if (Ports.Count > 0) spec["ports"] = new JsonObject(Ports.Keys.Select((name, i) => KeyValuePair.Create(name, (JsonNode?)(InboundPortMin + i))));
        // Somebody stands in front of the process: callers may use mutual TLS.
        var labels = spec["labels"] as JsonObject ?? [];
        labels["security.istio.io/tlsMode"] = "istio";
        if (labels.Parent is null) spec["labels"] = labels;
        return entry;
    }

    private JsonObject Sidecar(IPAddress address, IReadOnlyList<string> egress, JsonNode? outbound)
    {
        var spec = new JsonObject
        {
            ["workloadSelector"] = new JsonObject { ["labels"] = new JsonObject(Labels.Select(label => KeyValuePair.Create(label.Key, (JsonNode?)label.Value))) },
            ["egress"] = new JsonArray(new JsonObject
            {
                ["port"] = new JsonObject { ["number"] = HttpProxyPort, ["protocol"] = "HTTP_PROXY", ["name"] = "http-proxy" },
                ["bind"] = $"{address}",
                ["captureMode"] = "NONE",
                ["hosts"] = new JsonArray([.. egress.Select(host => (JsonNode?)host)]),
            }),
        };
        if (Ports.Count > 0) spec["ingress"] = new JsonArray([.. Ports.Select((port, i) => Ingress(address, port.Key, InboundPortMin + i, port.Value))]);
        if (outbound is not null) spec["outboundTrafficPolicy"] = outbound.DeepClone();
        return new()
        {
            ["apiVersion"] = "networking.istio.io/v1",
            ["kind"] = "Sidecar",
            ["metadata"] = new JsonObject { ["name"] = $"meshctl-{Name}", ["namespace"] = Namespace },
            ["spec"] = spec,
        };
    }

    private static JsonNode? Ingress(IPAddress address, string name, int number, int application) => new JsonObject
    {
        ["port"] = new JsonObject { ["number"] = number, ["protocol"] = Protocol(name), ["name"] = name },
        ["bind"] = $"{address}",
        ["captureMode"] = "NONE",
        ["defaultEndpoint"] = $"{LocalAddress}:{application}",
    };

    /// <summary>As for a Service's port: the name up to its first dash; anything else is found out from the first bytes.</summary>
    private static string Protocol(string name) =>
        Model.World.AppProtocols.Parse(name.StartsWith("grpc-web", StringComparison.Ordinal) ? "grpc-web" : name.Split('-')[0]) is not Model.World.AppProtocol.Auto and var known
            ? known == Model.World.AppProtocol.GrpcWeb ? "GRPC-WEB" : known.ToString().ToUpperInvariant()
            : "";
}
