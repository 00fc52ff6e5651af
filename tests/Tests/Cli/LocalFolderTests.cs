using System.Net;
using Mesh.Cli.Local;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Tests.Cli;

/// <summary>What meshctl run makes of a user's folder.</summary>
public sealed class LocalFolderTests : IDisposable
{
    private const string Entry = """
        apiVersion: networking.istio.io/v1
        kind: WorkloadEntry
        metadata:
          name: orders-v1
          namespace: shop
          annotations: {run.meshctl/command: "./orders --port 3000"}
        spec: {address: 127.0.0.1, serviceAccount: orders, labels: {app: orders, version: v1}, ports: {http: 3000}}

        """;

    private const string Service = """
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: orders, namespace: shop}
        spec: {selector: {app: orders}, ports: [{name: http, port: 80}]}

        """;

    private readonly string folder = Directory.CreateTempSubdirectory("mesh-run-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void An_entry_at_127_0_0_1_is_a_local_process_with_a_sidecar_of_its_own()
    {
        var entry = Assert.Single(Read(Entry + Service).Entries);

        Assert.Equal(("orders-v1.shop", "orders", "./orders --port 3000", 3000, false), (entry.FullName, entry.ServiceAccount, entry.Command, entry.Ports["http"], entry.IsGateway));
        Assert.Equal(folder, entry.Directory);
    }

    [Fact]
    public void What_stands_in_the_mesh_for_it_is_valid_and_leads_through_the_sidecar()
    {
        var entry = Assert.Single(Read(Entry + Service).Entries);
        var documents = YamlReader.Read(entry.Yaml(IPAddress.Parse("127.77.1.1"), ["*/*"], null), "", out var error);

        Assert.Null(error);
        Assert.All(documents, document => Assert.Empty(Validator.Check(document).Errors));
        Assert.Equal("127.77.1.1", documents[0].TextAt("spec", "address"));
        Assert.Equal("16000", documents[0].TextAt("spec", "ports", "http"));
        Assert.Equal("istio", documents[0].TextAt("spec", "labels", "security.istio.io/tlsMode"));
        var ingress = Assert.Single(documents[1].ItemsAt("spec", "ingress"));
        Assert.Equal(("16000", "HTTP", "127.0.0.1:3000"), (ingress.TextAt("port", "number"), ingress.TextAt("port", "protocol"), ingress.TextAt("defaultEndpoint")));
        Assert.Equal("HTTP_PROXY", documents[1].ItemsAt("spec", "egress")[0].TextAt("port", "protocol"));
    }

    [Fact]
    public void An_entry_elsewhere_is_an_address_like_any_other() => Assert.Empty(Read(Entry.Replace("127.0.0.1", "10.0.0.1", StringComparison.Ordinal)).Entries);

    [Fact]
    public void Without_ports_a_process_only_calls() => Assert.Empty(Assert.Single(Read(Entry.Replace(", ports: {http: 3000}", "", StringComparison.Ordinal)).Entries).Ports);

    [Fact]
    public void A_process_that_a_Service_calls_must_say_where_it_listens()
    {
        var read = Read(Entry.Replace(", ports: {http: 3000}", "", StringComparison.Ordinal) + Service);

        Assert.Empty(read.Entries);
        Assert.Equal(
            [$"WorkloadEntry/shop/orders-v1 in {folder}/mesh.yaml:1 was left out: spec.ports: Service orders sends requests to it, but where it listens is not said: write ports: {{http: 3000}} for one that listens on 127.0.0.1:3000"],
            read.Problems);
    }

    [Fact]
    public void A_process_that_a_Gateway_selects_is_a_gateway()
    {
        var entry = Assert.Single(Read(Entry + """
            ---
            apiVersion: networking.istio.io/v1
            kind: Gateway
            metadata: {name: way-in, namespace: shop}
            spec: {selector: {app: orders}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]}
            """).Entries);

        Assert.True(entry.IsGateway);
        Assert.DoesNotContain("Sidecar", entry.Yaml(IPAddress.Loopback, [], null), StringComparison.Ordinal);
    }

    [Fact]
    public void A_Sidecar_of_the_user_limits_the_calls_and_stands_aside_for_the_one_that_listens()
    {
        var read = Read(Entry + """
            ---
            apiVersion: networking.istio.io/v1
            kind: Sidecar
            metadata: {name: narrow, namespace: shop}
            spec: {workloadSelector: {labels: {app: orders}}, outboundTrafficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: ["./*", "istio-system/*"]}]}
            """);
        var (hosts, policy) = read.Egress(Assert.Single(read.Entries));

        Assert.Equal(["./*", "istio-system/*"], hosts);
        Assert.Equal("REGISTRY_ONLY", policy!["mode"]!.ToString());
        Assert.Equal("narrow", YamlReader.Read(read.Aside, "", out _)[0].TextAt("metadata", "name"));
    }

    [Fact]
    public void Of_two_entries_with_one_name_the_first_counts_and_the_second_is_told()
    {
        var read = Read(Entry + "---\n" + Entry);

        Assert.Single(read.Entries);
        Assert.Contains("this name is taken", Assert.Single(read.Problems), StringComparison.Ordinal);
    }

    private LocalFolder Read(string yaml)
    {
        File.WriteAllText(Path.Combine(folder, "mesh.yaml"), yaml);
        return LocalFolder.Read(folder);
    }
}
