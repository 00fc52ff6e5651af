using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Cli.Frame;

namespace Mesh.Cli.ProxyConfig;

/// <summary>A proxy's /config_dump, by section.</summary>
internal sealed class ConfigDump
{
    private const string TypePrefix = "type.googleapis.com/envoy.admin.v3.";

    private readonly IReadOnlyList<JsonNode> sections;

    private ConfigDump(IReadOnlyList<JsonNode> sections) => this.sections = sections;

    /// <exception cref="ConfigDumpException">Not a configuration dump.</exception>
    public static ConfigDump Parse(string text)
    {
        try
        {
            return new([.. JsonNode.Parse(text).Items("configs")]);
        }
        catch (JsonException e)
        {
            throw new ConfigDumpException($"error unmarshalling config dump response from Envoy: {Syntax(e)}", e);
        }
    }

    public IReadOnlyList<JsonNode> Clusters => Required("ClustersConfigDump") is var dump
        ? Some("clusters", dump.Items("dynamic_active_clusters").Concat(dump.Items("static_clusters")).Select(entry => entry.Get("cluster"))) : [];

    public IReadOnlyList<JsonNode> Listeners => Required("ListenersConfigDump", "listener dump: ") is var dump
        ? Some("listeners", dump.Items("dynamic_listeners").Select(entry => entry.Get("active_state", "listener"))
            .Concat(dump.Items("static_listeners").Select(entry => entry.Get("listener")))) : [];

    public IReadOnlyList<JsonNode> Routes => Required("RoutesConfigDump") is var dump
        ? Some("routes", dump.Items("dynamic_route_configs").Concat(dump.Items("static_route_configs")).Select(entry => entry.Get("route_config"))) : [];

    /// <summary>Empty where the proxy was not asked for its endpoints (include_eds).</summary>
    public IEnumerable<JsonNode> Endpoints => Find("EndpointsConfigDump") is { } dump
        ? dump.Items("static_endpoint_configs").Concat(dump.Items("dynamic_endpoint_configs")).Select(entry => entry.Get("endpoint_config")).OfType<JsonNode>() : [];

    public IEnumerable<(JsonNode Secret, string Name, string Status)> Secrets => Required("SecretsConfigDump") is var dump
        ? dump.Items("dynamic_warming_secrets").Select(entry => (entry, entry.Text("name"), "WARMING"))
            .Concat(dump.Items("dynamic_active_secrets").Select(entry => (entry, entry.Text("name"), "ACTIVE"))) : [];

    public JsonNode SecretsSection => Required("SecretsConfigDump");
    public JsonNode Bootstrap => Required("BootstrapConfigDump");

    /// <summary>An Envoy with several listeners has several sections of these.</summary>
    public JsonNode ExtensionsSection
    {
        get
        {
            Required("EcdsConfigDump");
            var filters = sections.Where(section => section.Text("@type") == TypePrefix + "EcdsConfigDump").SelectMany(section => section.Items("ecds_filters"));
            return new JsonObject { ["ecds_filters"] = new JsonArray([.. filters.Select(filter => filter.DeepClone())]) };
        }
    }

    private JsonNode Required(string type, string prefix = "") => Find(type) ?? throw new ConfigDumpException($"{prefix}config dump has no configuration type {TypePrefix}{type}");

    private static IReadOnlyList<JsonNode> Some(string what, IEnumerable<JsonNode?> found) =>
        found.OfType<JsonNode>().ToList() is { Count: > 0 } all ? all : throw new ConfigDumpException($"no {what} found");

    private JsonNode? Find(string type) => sections.LastOrDefault(section => section.Text("@type") == TypePrefix + type);

    private static string Syntax(JsonException e) => $"syntax error (line {e.LineNumber + 1}:{e.BytePositionInLine + 1}): {e.Message}";
}

/// <summary>What was given is no configuration of a proxy.</summary>
internal sealed class ConfigDumpException(string message, Exception? cause = null) : Exception(message, cause);
