using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Mesh.Proxy.Config;
using Mesh.Xds;

namespace Mesh.Proxy.Control;

/// <summary>What the proxy was told, in the JSON shape of Envoy's admin. Keys are never shown.</summary>
internal static class ConfigDump
{
    private static readonly JsonFormatter Formatter = new(new JsonFormatter.Settings(false, TypeRegistry.FromFiles(XdsFiles.All())).WithPreserveProtoFieldNames(true));
    private static readonly TimeSpan PatternTimeout = TimeSpan.FromMilliseconds(200);

    public static string Write(Sidecar sidecar, bool withEndpoints, string resource, string nameRegex)
    {
        var state = sidecar.Keeper.State;
        Regex? names = nameRegex.Length is > 0 and <= 1024 ? new(nameRegex, RegexOptions.NonBacktracking, PatternTimeout) : null;
        var sections = new JsonArray();
        void Add(string type, Func<JsonObject> section)
        {
            if (resource.Length > 0) return;
            var made = section();
            made.Insert(0, "@type", "type.googleapis.com/envoy.admin.v3." + type);
            sections.Add((JsonNode)made);
        }

        Add("BootstrapConfigDump", () => new() { ["bootstrap"] = new JsonObject { ["node"] = NodeOf(sidecar) }, ["last_updated"] = Time(state) });
        Add("ClustersConfigDump", () => new()
        {
            ["version_info"] = state.StatusOf(ResourceFromXds.ClusterType).LastVersion,
            ["dynamic_active_clusters"] = Resources(state, ResourceFromXds.ClusterType, names, "cluster"),
        });
        Add("ListenersConfigDump", () => new()
        {
            ["version_info"] = state.StatusOf(ResourceFromXds.ListenerType).LastVersion,
            ["dynamic_listeners"] = new JsonArray([.. Pick(state, ResourceFromXds.ListenerType, names).Select(pair => (JsonNode)new JsonObject
            {
                ["name"] = pair.Key,
                ["active_state"] = new JsonObject { ["version_info"] = pair.Value.Version, ["listener"] = Body(pair.Value), ["last_updated"] = pair.Value.At.ToString("O") },
            })]),
        });
        Add("RoutesConfigDump", () => new() { ["dynamic_route_configs"] = Resources(state, ResourceFromXds.RouteType, names, "route_config") });
        if (withEndpoints) Add("EndpointsConfigDump", () => new() { ["dynamic_endpoint_configs"] = Resources(state, ResourceFromXds.EndpointsType, names, "endpoint_config") });
        Add("EcdsConfigDump", () => new() { ["ecds_filters"] = Resources(state, ResourceFromXds.ExtensionType, names, "ecds_filter") });
        Add("SecretsConfigDump", () => new() { ["dynamic_active_secrets"] = Secrets(sidecar) });

        // The mask form: resource=dynamic_active_clusters gives the entries themselves.
        if (resource.Length > 0) AddMasked(sections, sidecar, state, resource, names);
        return new JsonObject { ["configs"] = sections }.ToJsonString(Indented);
    }

    public static string WriteCertificates(Sidecar sidecar)
    {
        var list = new JsonArray();
        foreach (var secret in sidecar.Snapshot.Secrets.Values.OfType<CertificateSecret>().OrderBy(s => s.Name, StringComparer.Ordinal))
        {
            using var leaf = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPem(Encoding.UTF8.GetString(secret.ChainPem.Span));
            var names = new JsonArray([.. Security.CertificateNames.Read(leaf).Uris.Select(uri => (JsonNode)new JsonObject { ["uri"] = uri })]);
            list.Add((JsonNode)new JsonObject
            {
                ["ca_cert"] = new JsonArray(),
                ["cert_chain"] = new JsonArray(new JsonObject
                {
                    ["path"] = $"<{secret.Name}>",
                    ["serial_number"] = secret.Serial.ToLowerInvariant(),
                    ["subject_alt_names"] = names,
                    ["days_until_expiration"] = ((long)(secret.NotAfter - sidecar.Time.GetUtcNow()).TotalDays).ToString(System.Globalization.CultureInfo.InvariantCulture),
                    ["valid_from"] = secret.NotBefore.ToString("yyyy-MM-ddTHH:mm:ssZ"),
                    ["expiration_time"] = secret.NotAfter.ToString("yyyy-MM-ddTHH:mm:ssZ"),
                }),
            });
        }
        return new JsonObject { ["certificates"] = list }.ToJsonString(Indented);
    }

    public static string WriteClusters(Sidecar sidecar)
    {
        var statuses = new JsonArray();
        foreach (var group in sidecar.Loops.SelectMany(loop => loop.Worker.PublishedClusters).GroupBy(state => state.Config.Name).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            var hosts = new JsonArray();
            foreach (var same in group.SelectMany(state => state.All).GroupBy(endpoint => endpoint.Endpoint.Address))
            {
                var one = same.First();
                hosts.Add((JsonNode)new JsonObject
                {
                    ["address"] = Address(one.Endpoint.Address),
                    ["stats"] = new JsonArray(
                        Stat("cx_connect_fail", same.Sum(e => e.ConnectsFailed)), Stat("cx_total", same.Sum(e => e.ConnectsTotal)), Stat("rq_error", same.Sum(e => e.RequestsFailed)),
                        Stat("rq_total", same.Sum(e => e.RequestsTotal)), Stat("cx_active", same.Sum(e => e.ActiveConnections), "GAUGE"), Stat("rq_active", same.Sum(e => e.ActiveRequests), "GAUGE")),
                    ["health_status"] = Health(one.Endpoint, same.Any(e => e.IsEjected), same.Any(e => !e.IsPassing)),
                    ["weight"] = one.Endpoint.Weight,
                    ["priority"] = one.Priority,
                    ["hostname"] = one.Endpoint.Hostname,
                    ["locality"] = new JsonObject { ["region"] = one.Locality.Region, ["zone"] = one.Locality.Zone, ["sub_zone"] = one.Locality.SubZone },
                });
            }
            statuses.Add((JsonNode)new JsonObject { ["name"] = group.Key, ["added_via_api"] = true, ["host_statuses"] = hosts, ["observability_name"] = group.Key });
        }
        return new JsonObject { ["cluster_statuses"] = statuses }.ToJsonString(Indented);
    }

    public static string WriteListeners(Sidecar sidecar) => new JsonObject
    {
        ["listener_statuses"] = new JsonArray([.. sidecar.Snapshot.Listeners.Values.OrderBy(l => l.Name, StringComparer.Ordinal).Select(l =>
            (JsonNode)new JsonObject { ["name"] = l.Name, ["local_address"] = Address(l.Address) })]),
    }.ToJsonString(Indented);

    private static readonly System.Text.Json.JsonSerializerOptions Indented = new() { WriteIndented = true };

    private static IEnumerable<KeyValuePair<string, ReceivedResource>> Pick(ControlState state, string type, Regex? names) =>
        state.Of(type).Where(pair => names is null || names.IsMatch(pair.Key)).OrderBy(pair => pair.Key, StringComparer.Ordinal);

    private static JsonArray Resources(ControlState state, string type, Regex? names, string key) =>
        new([.. Pick(state, type, names).Select(pair => (JsonNode)new JsonObject { ["version_info"] = pair.Value.Version, ["last_updated"] = pair.Value.At.ToString("O"), [key] = Body(type == ResourceFromXds.RouteType ? WithHosts(state, pair.Key, pair.Value) : pair.Value) })]);

    /// <summary>A table with the hosts that came one by one, as Envoy shows it.</summary>
    private static ReceivedResource WithHosts(ControlState state, string table, ReceivedResource received)
    {
        var apart = state.Of(ResourceFromXds.VirtualHostType).Where(pair => TypeUrl.CollectionOf(pair.Key) == table).OrderBy(pair => pair.Key, StringComparer.Ordinal).ToList();
        if (apart.Count == 0) return received;

        var whole = Envoy.Config.Route.V3.RouteConfiguration.Parser.ParseFrom(received.Body.Value);
        var inline = whole.VirtualHosts.ToList();
        whole.VirtualHosts.Clear();
        whole.VirtualHosts.Add(apart.Select(pair => Envoy.Config.Route.V3.VirtualHost.Parser.ParseFrom(pair.Value.Body.Value)));
        whole.VirtualHosts.Add(inline);
        return received with { Body = new() { TypeUrl = received.Body.TypeUrl, Value = whole.ToByteString() } };
    }

    private static void AddMasked(JsonArray sections, Sidecar sidecar, ControlState state, string resource, Regex? names)
    {
        var (type, key) = resource switch
        {
            "dynamic_active_clusters" => (ResourceFromXds.ClusterType, "cluster"),
            "dynamic_route_configs" => (ResourceFromXds.RouteType, "route_config"),
            "dynamic_endpoint_configs" => (ResourceFromXds.EndpointsType, "endpoint_config"),
            "dynamic_listeners" => (ResourceFromXds.ListenerType, "listener"),
            _ => ("", ""),
        };
        if (type.Length == 0) return;

        foreach (var entry in Resources(state, type, names, key)) sections.Add((JsonNode?)entry!.DeepClone());
    }

    private static JsonNode Body(ReceivedResource resource) => JsonNode.Parse(Formatter.Format(resource.Body))!;

    private static JsonArray Secrets(Sidecar sidecar)
    {
        var list = new JsonArray();
        foreach (var secret in sidecar.Snapshot.Secrets.Values.OrderBy(s => s.Name, StringComparer.Ordinal))
        {
            var body = new JsonObject { ["@type"] = ResourceFromXds.SecretType, ["name"] = secret.Name };
            if (secret is CertificateSecret certificate)
            {
                body["tls_certificate"] = new JsonObject
                {
                    ["certificate_chain"] = new JsonObject { ["inline_bytes"] = Convert.ToBase64String(certificate.ChainPem.Span) },
                    ["private_key"] = new JsonObject { ["inline_bytes"] = "W3JlZGFjdGVkXQ==" },
                };
            }
            else if (secret is TrustSecret { Validation.Roots: { } roots })
            {
                body["validation_context"] = new JsonObject { ["trusted_ca"] = new JsonObject { ["inline_bytes"] = Convert.ToBase64String(roots.Pem.Span) } };
            }
            list.Add((JsonNode)new JsonObject { ["name"] = secret.Name, ["last_updated"] = sidecar.Time.GetUtcNow().ToString("O"), ["secret"] = body });
        }
        return list;
    }

    private static JsonObject NodeOf(Sidecar sidecar) => new()
    {
        ["id"] = sidecar.Bootstrap.NodeId, ["cluster"] = sidecar.Bootstrap.ServiceCluster, ["metadata"] = sidecar.Bootstrap.Metadata.DeepClone(),
    };

    private static string Time(ControlState state) => state.StatusOf(ResourceFromXds.ClusterType).LastAt.ToString("O");

    private static JsonObject Address(SocketTarget address) => address.Ip is { } ip
        ? new() { ["socket_address"] = new JsonObject { ["address"] = ip.Address.ToString(), ["port_value"] = ip.Port } }
        : address.UnixPath is { } path ? new() { ["pipe"] = new JsonObject { ["path"] = path } }
        : new() { ["socket_address"] = new JsonObject { ["address"] = address.Host, ["port_value"] = address.Port } };

    private static JsonObject Stat(string name, long value, string type = "COUNTER") => new() { ["type"] = type, ["name"] = name, ["value"] = value.ToString(System.Globalization.CultureInfo.InvariantCulture) };

    private static JsonObject Health(Endpoint endpoint, bool ejected, bool failing)
    {
        var health = new JsonObject { ["eds_health_status"] = endpoint.Health is EndpointHealth.Unknown or EndpointHealth.Healthy ? "HEALTHY" : endpoint.Health.ToString().ToUpperInvariant() };
        if (ejected) health["failed_outlier_check"] = true;
        if (failing) health["failed_active_health_check"] = true;
        return health;
    }
}
