using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Cli.Commands;

namespace Mesh.Tests.Cli;

/// <summary>meshctl proxy-config prints istioctl's tables to the byte: scripts cut their columns.</summary>
public sealed class ProxyConfigTests : IDisposable
{
    private const string Prefix = "type.googleapis.com/envoy.admin.v3.";
    private readonly string file = Path.Combine(Directory.CreateTempSubdirectory().FullName, "dump.json");

    public ProxyConfigTests() => File.WriteAllText(file, new JsonObject
    {
        ["configs"] = new JsonArray(Clusters(), Listeners(), Routes(), Secrets(), Endpoints(), Extensions()),
    }.ToJsonString());

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);

    [Fact]
    public async Task Clusters_are_told_by_the_parts_of_their_names_sorted_by_host_and_subset() => Assert.Equal(
        """
        SERVICE FQDN                    PORT     SUBSET     DIRECTION     TYPE             DESTINATION RULE
        PassthroughCluster              -        -          -             ORIGINAL_DST     
        cart.shop.svc.cluster.local     80       -          outbound      EDS              
        cart.shop.svc.cluster.local     80       v1         outbound      EDS              cart.shop

        """, await Print("cluster"));

    [Theory]
    [InlineData("--subset", "v1", 1)]
    [InlineData("--port", "80", 2)]
    [InlineData("--fqdn", "nosuch", 0)]
    [InlineData("--direction", "inbound", 0)]
    [InlineData("--direction", "out", 2)]
    [InlineData("--fqdn", "|80|v1|", 1)]
    [InlineData("--subset", "shop", 2)]
    public async Task Filters_leave_rows_out_and_keep_the_head(string flag, string value, int rows) =>
        Assert.Equal(rows + 1, (await Print("clusters", flag, value)).TrimEnd('\n').Split('\n').Length);

    [Fact]
    public async Task A_listener_has_a_row_for_each_chain_and_known_protocol_lists_have_short_names() => Assert.Equal(
        """
        ADDRESSES  PORT MATCH                                  DESTINATION
        10.0.0.9   443  SNI: a.example,b.example               Cluster: outbound|443||a.example
        0.0.0.0,:: 8080 Trans: raw_buffer; App: HTTP           Route: 8080
        0.0.0.0,:: 8080 Trans: tls; App: TCP TLS; Addr: *:8080 PassthroughCluster
        0.0.0.0,:: 8080 ALL                                    Non-HTTP/Non-TCP

        """, await Print("listener"));

    [Fact]
    public async Task Without_verbose_a_listener_is_one_row_with_its_type() => Assert.Equal(
        "ADDRESSES  PORT TYPE\n10.0.0.9   443  TCP\n0.0.0.0,:: 8080 HTTP+TCP\n", await Print("listener", "--verbose=false"));

    [Fact]
    public async Task Routes_shorten_their_domains_name_their_resource_and_leave_passthrough_out() => Assert.Equal(
        """
        NAME     VHOST NAME     DOMAINS                         MATCH               VIRTUAL SERVICE
        80       cart:80        cart, cart.shop + 1 more...     /beta*              cart.shop
        80       cart:80        cart, cart.shop + 1 more...     regex ^/r/[0-9]     
        80       empty:80       empty                           /*                  404

        """, await Print("route"));

    [Fact]
    public async Task A_secret_that_has_not_come_yet_is_warming_and_not_valid() => Assert.Equal(
        """
        RESOURCE NAME             TYPE     STATUS      VALID CERT     SERIAL NUMBER     NOT AFTER     NOT BEFORE
        kubernetes://web-cert              WARMING     false                                          

        """, await Print("secret"));

    [Fact]
    public async Task Json_has_protobufs_own_names_and_leaves_user_data_as_it_is()
    {
        var cluster = JsonNode.Parse(await Print("cluster", "--subset", "v1", "-o", "json"))![0]!;
        Assert.Equal("10s", cluster["connectTimeout"]!.ToString());
        Assert.Equal("kept", cluster["metadata"]!["filterMetadata"]!["istio"]!["some_key"]!.ToString());
        Assert.Null(cluster["@type"]);
    }

    [Fact]
    public async Task Endpoints_of_the_configuration_have_their_place_and_every_address() => Assert.Equal(
        """
        NAME                           STATUS      LOCALITY     CLUSTER
        10.0.0.1:8080,fd00::1:8080     HEALTHY     r1/z1        outbound|80||cart
        /run/cart.sock                 UNKNOWN     r1/z1        outbound|80||cart

        """, await Print("eds"));

    [Theory]
    [InlineData("--address", "10.0.0.1:8080", 1)]
    [InlineData("--address", "10.0.0.1", 0)]
    [InlineData("--cluster", "OUTBOUND|80||cart", 2)]
    [InlineData("--status", "unknown", 1)]
    [InlineData("--port", "8080", 1)]
    public async Task They_are_chosen_by_address_with_port_cluster_status_and_port(string flag, string value, int rows) =>
        Assert.Equal(rows + 1, (await Print("eds", flag, value)).TrimEnd('\n').Split('\n').Length);

    [Fact]
    public async Task Extensions_are_sorted_by_type_and_name() => Assert.Equal(
        """
        ECDS NAME     TYPE
        b             envoy.a
        a             envoy.b

        """, await Print("ecds"));

    [Fact]
    public async Task All_as_json_is_the_dump_as_the_proxy_spells_it() =>
        Assert.NotNull(JsonNode.Parse(await Print("all", "-o", "json"))!["configs"]![0]!["dynamic_active_clusters"]);

    [Fact]
    public async Task Versions_stand_in_a_column_and_those_not_told_are_left_out()
    {
        await Dump("""
            {"@type": "admin:BootstrapConfigDump", "bootstrap": {"node": {"metadata": {"ISTIO_VERSION": "1.32.0", "ISTIO_PROXY_SHA": "istio-proxy:abc"},
              "user_agent_build_version": {"version": {"major_number": 1, "minor_number": 40}, "metadata": {"build.label": "dev", "revision.status": "Clean", "ssl.version": "BoringSSL"}}}}}
            """);

        Assert.Equal("""
            Istio Version:       1.32.0
            Istio Proxy Version: abc
            Envoy Version:       1.40.0-dev/Clean/BoringSSL

            """, await Print("bootstrap", "-o", "short"));
    }

    [Fact]
    public async Task Roots_of_several_trust_domains_are_a_row_each_with_the_domain()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=root", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, true));
        using var root = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
        var pem = Convert.ToBase64String(Encoding.ASCII.GetBytes(root.ExportCertificatePem()));
        await Dump("""
            {"@type": "admin:SecretsConfigDump", "dynamic_active_secrets": [{"name": "ROOTCA", "secret": {"name": "ROOTCA", "validation_context": {"custom_validator_config": {"typed_config":
              {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig", "trust_domains": [
                {"name": "east", "trust_bundle": {"inline_bytes": "PEM"}}, {"name": "west", "trust_bundle": {"inline_bytes": "PEM"}}]}}}}}]}
            """.Replace("PEM", pem));

        var lines = (await Print("secret")).Split('\n');

        Assert.EndsWith("TRUST DOMAIN", lines[0]);
        Assert.Matches("^ROOTCA +CA +ACTIVE +true +[0-9a-f]{32} +2170-01-01T00:00:00Z +1970-01-01T00:00:00Z +east$", lines[1]);
        Assert.EndsWith("     west", lines[2]);
    }

    [Fact]
    public async Task A_proxy_without_secrets_is_told_in_words()
    {
        await Dump("""{"@type": "admin:SecretsConfigDump"}""");

        Assert.Equal("No active or warming secrets found.\n", await Print("secret"));
    }

    [Fact]
    public async Task Sections_of_extensions_are_shown_together_and_keys_of_the_users_stay_as_they_are()
    {
        await Dump(Section("a"), Section("b"));

        var filters = JsonNode.Parse(await Print("ecds", "-o", "json"))!["ecdsFilters"]!.AsArray();

        Assert.Equal(["a", "b"], filters.Select(filter => filter!["ecdsFilter"]!["name"]!.ToString()));
        Assert.Equal("1", filters[0]!["ecdsFilter"]!["typedConfig"]!["vmConfig"]!["environmentVariables"]!["keyValues"]!["MY_key"]!.ToString());

        static string Section(string name) => """
            {"@type": "admin:EcdsConfigDump", "ecds_filters": [{"ecds_filter": {"name": "NAME", "typed_config": {"@type": "type.googleapis.com/envoy.a", "vm_config": {"environment_variables": {"key_values": {"MY_key": "1"}}}}}}]}
            """.Replace("NAME", name);
    }

    [Fact]
    public async Task Times_are_quoted_in_yaml_so_that_they_stay_text()
    {
        await Dump("""{"@type": "admin:SecretsConfigDump", "dynamic_active_secrets": [{"name": "a", "last_updated": "2024-05-06T07:08:09.123Z"}]}""");

        Assert.Contains("lastUpdated: \"2024-05-06T07:08:09.123Z\"", await Print("secret", "-o", "yaml"));
    }

    [Fact]
    public async Task A_listener_of_the_proxy_itself_is_an_endpoint_with_its_name()
    {
        await File.WriteAllTextAsync(file, """
            {"cluster_statuses": [{"name": "a", "host_statuses": [{"address": {"envoy_internal_address": {"server_listener_name": "inner", "endpoint_id": "10.0.0.1:80"}}, "health_status": {"eds_health_status": "HEALTHY"}}]}]}
            """, TestContext.Current.CancellationToken);

        Assert.Equal("ENDPOINT                      STATUS      OUTLIER CHECK     CLUSTER\nenvoy://inner/10.0.0.1:80     HEALTHY     OK                a\n", await Print("endpoint"));
    }

    [Fact]
    public async Task A_route_that_came_from_another_API_is_told_apart_from_one_that_nobody_wrote()
    {
        await Dump("""
            {"@type": "admin:RoutesConfigDump", "static_route_configs": [{"route_config": {"name": "a", "virtual_hosts": [{"name": "h", "domains": ["h"], "routes": [
              {"match": {"prefix": "/"}, "metadata": {"filter_metadata": {"istio": {"config": "/apis/other/v1/x"}}}}]}]}}]}
            """);

        Assert.EndsWith("/*        <unknown>\n", await Print("route"));
    }

    [Theory]
    [InlineData("cluster", "ClustersConfigDump", "no clusters found")]
    [InlineData("listener", "ListenersConfigDump", "no listeners found")]
    [InlineData("route", "RoutesConfigDump", "no routes found")]
    public async Task A_part_without_entries_is_an_error(string verb, string part, string words)
    {
        await File.WriteAllTextAsync(file, $$"""{"configs": [{"@type": "{{Prefix}}{{part}}"}]}""", TestContext.Current.CancellationToken);

        var (exit, _, error) = await Run(verb, "-f", file);

        Assert.Equal((1, $"Error: {words}"), (exit, error.TrimEnd()));
    }

    [Theory]
    [InlineData(1, "Error: listener requires pod name or --file parameter", "listener")]
    [InlineData(1, "Error: output format \"wide\" not supported", "listener", "-f", "{0}", "-o", "wide")]
    [InlineData(1, "Error: open {0}x: no such file or directory", "listener", "-f", "{0}x")]
    [InlineData(1, "Error: open {0}x: no such file or directory", "listener", "-f", "{0}x", "-o", "wide")]
    [InlineData(1, "Error: endpoints requires pod name or --file parameter", "endpoint")]
    [InlineData(1, "Error: --level cannot be combined with --reset", "log", "web.shop", "-r", "--level", "debug")]
    [InlineData(1, "Error: --output is not applicable for this command", "log", "web.shop", "-o", "json")]
    [InlineData(1, "Error: unrecognized logging level: loud", "log", "web.shop", "--level", "http:loud")]
    [InlineData(1, "Error: log requires pod name or --selector", "log")]
    [InlineData(64, "Error: unknown flag: --nosuch", "listener", "--nosuch")]
    public async Task Mistakes_are_answered_in_istioctls_words(int exit, string words, params string[] arguments)
    {
        var (code, _, error) = await Run([.. arguments.Select(a => a.Replace("{0}", file))]);
        Assert.Equal(exit, code);
        Assert.Contains(words.Replace("{0}", file), error);
    }

    private static JsonObject Clusters() => new()
    {
        ["@type"] = Prefix + "ClustersConfigDump",
        ["dynamic_active_clusters"] = new JsonArray(
            Cluster("outbound|80|v1|cart.shop.svc.cluster.local", "EDS", "/apis/networking.istio.io/v1alpha3/namespaces/shop/destination-rule/cart"),
            Cluster("outbound|80||cart.shop.svc.cluster.local", "EDS", null), Cluster("PassthroughCluster", "ORIGINAL_DST", null)),
    };

    private static JsonObject Cluster(string name, string type, string? config)
    {
        var cluster = new JsonObject { ["@type"] = "type.googleapis.com/envoy.config.cluster.v3.Cluster", ["name"] = name, ["type"] = type, ["connect_timeout"] = "10s" };
        if (config is not null) cluster["metadata"] = new JsonObject { ["filter_metadata"] = new JsonObject { ["istio"] = new JsonObject { ["config"] = config, ["some_key"] = "kept" } } };
        return new() { ["cluster"] = cluster };
    }

    private static JsonObject Listeners()
    {
        var all = JsonNode.Parse("""
            [
              {"name": "0.0.0.0_8080", "address": {"socket_address": {"address": "0.0.0.0", "port_value": 8080}}, "additional_addresses": [{"address": {"socket_address": {"address": "::", "port_value": 8080}}}],
               "filter_chains": [
                 {"filter_chain_match": {"transport_protocol": "raw_buffer", "application_protocols": ["http/1.0", "http/1.1", "h2c"]}, "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": {"rds": {"route_config_name": "8080"}}}]},
                 {"filter_chain_match": {"transport_protocol": "tls", "application_protocols": ["istio-peer-exchange", "istio"], "destination_port": 8080}, "filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": {"cluster": "PassthroughCluster"}}]}],
               "default_filter_chain": {"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": {"cluster": "BlackHoleCluster"}}]}},
              {"name": "10.0.0.9_443", "address": {"socket_address": {"address": "10.0.0.9", "port_value": 443}},
               "filter_chains": [{"filter_chain_match": {"server_names": ["a.example", "b.example"]}, "filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": {"cluster": "outbound|443||a.example"}}]}]}
            ]
            """)!.AsArray();
        return new()
        {
            ["@type"] = Prefix + "ListenersConfigDump",
            ["dynamic_listeners"] = new JsonArray([.. all.Select(l => (JsonNode)new JsonObject { ["active_state"] = new JsonObject { ["listener"] = l!.DeepClone() } })]),
        };
    }

    private static JsonObject Routes() => new()
    {
        ["@type"] = Prefix + "RoutesConfigDump",
        ["dynamic_route_configs"] = new JsonArray(new JsonObject
        {
            ["route_config"] = JsonNode.Parse("""
                {"name": "80", "virtual_hosts": [
                  {"name": "cart:80", "domains": ["cart.shop.svc.cluster.local", "cart", "cart.shop.svc", "cart.shop", "10.0.0.1"], "routes": [
                    {"match": {"prefix": "/beta"}, "metadata": {"filter_metadata": {"istio": {"config": "/apis/networking.istio.io/v1alpha3/namespaces/shop/virtual-service/cart"}}}},
                    {"match": {"safe_regex": {"regex": "^/r/[0-9]"}}}]},
                  {"name": "empty:80", "domains": ["empty"]},
                  {"name": "allow_any", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "PassthroughCluster"}}]}]}
                """),
        }),
    };

    private static JsonObject Endpoints() => new()
    {
        ["@type"] = Prefix + "EndpointsConfigDump",
        ["dynamic_endpoint_configs"] = new JsonArray(new JsonObject
        {
            ["endpoint_config"] = JsonNode.Parse("""
                {"cluster_name": "outbound|80||cart", "endpoints": [{"locality": {"region": "r1", "zone": "z1"}, "lb_endpoints": [
                  {"health_status": "HEALTHY", "endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 8080}},
                    "additional_addresses": [{"address": {"socket_address": {"address": "fd00::1", "port_value": 8080}}}]}},
                  {"endpoint": {"address": {"pipe": {"path": "/run/cart.sock"}}}}]}]}
                """),
        }),
    };

    private static JsonObject Extensions() => new()
    {
        ["@type"] = Prefix + "EcdsConfigDump",
        ["ecds_filters"] = JsonNode.Parse("""
            [{"ecds_filter": {"name": "a", "typed_config": {"@type": "type.googleapis.com/envoy.b"}}}, {"ecds_filter": {"name": "b", "typed_config": {"@type": "type.googleapis.com/envoy.a"}}}]
            """),
    };

    private static JsonObject Secrets() => new()
    {
        ["@type"] = Prefix + "SecretsConfigDump",
        ["dynamic_warming_secrets"] = new JsonArray(new JsonObject { ["name"] = "kubernetes://web-cert", ["secret"] = new JsonObject { ["name"] = "kubernetes://web-cert" } }),
    };

    private Task Dump(params string[] sections) => File.WriteAllTextAsync(file, $"{{\"configs\": [{string.Join(',', sections).Replace("admin:", Prefix)}]}}", TestContext.Current.CancellationToken);

    private async Task<string> Print(string verb, params string[] more)
    {
        var (exit, output, error) = await Run([verb, "-f", file, .. more]);
        Assert.True(exit == 0, error);
        return output;
    }

    private static async Task<(int Exit, string Out, string Error)> Run(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var exit = await Root.RunAsync(["proxy-config", .. arguments], new(TextReader.Null, output, error, false, _ => null, TimeProvider.System), default);
        return (exit, output.ToString(), error.ToString());
    }
}
