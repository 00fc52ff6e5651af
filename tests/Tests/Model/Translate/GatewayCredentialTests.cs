using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Envoy.Config.Cluster.V3;
using Envoy.Extensions.TransportSockets.Tls.V3;
using Mesh.Model.Translate;
using Mesh.Tests.Cases;

namespace Mesh.Tests.Model.Translations;

/// <summary>What a gateway presents to backends and whom it believes there; Istio: DestinationRule credentialName, Gateway API: BackendTLSPolicy, spec.tls.backend.</summary>
public sealed class GatewayCredentialTests
{
    private const string Reviews = "outbound|9080||reviews.default.svc.cluster.local";

    private readonly CaseWorld world = new(["service reviews 9080:http 9081:http-two v1=10.0.0.1", "gateway"]);

    [Fact]
    public void The_certificate_that_a_rule_names_is_sent_with_its_authority()
    {
        Secret("istio-system", "client");
        Rule("credentialName: client");

        var (context, secrets) = Toward(Reviews);

        Assert.Equal("kubernetes://client", Assert.Single(context.CommonTlsContext.TlsCertificateSdsSecretConfigs).Name);
        Assert.Equal(["kubernetes://client", "kubernetes://client-cacert"], secrets);
    }

    [Fact]
    public void A_name_that_somebody_wrote_never_reaches_into_another_namespace()
    {
        Secret("shop", "client");
        Rule("credentialName: kubernetes-gateway://shop/client");
        world.Apply("""
            apiVersion: networking.istio.io/v1
            kind: Gateway
            metadata: {name: edge, namespace: istio-system}
            spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: "kubernetes-gateway://shop/client"}}]}
            """);

        Assert.Empty(Toward(Reviews).Secrets);
    }

    [Fact]
    public void A_policy_believes_the_authority_in_a_ConfigMap_of_its_namespace()
    {
        world.Apply($"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: roots, namespace: default}}, data: {{ca.crt: {Quoted(Certificate().Chain)}}}}}");
        Policy("b", "caCertificateRefs: [{group: \"\", kind: ConfigMap, name: roots}]");

        var (context, secrets) = Toward(Reviews);

        Assert.Equal("configmap://default/roots-cacert", context.CommonTlsContext.CombinedValidationContext.ValidationContextSdsSecretConfig.Name);
        Assert.Equal(["configmap://default/roots-cacert"], secrets);
    }

    [Fact]
    public void The_roots_that_stand_in_every_namespace_are_read_once()
    {
        world.Apply($"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: kube-root-ca.crt, namespace: istio-system}}, data: {{ca.crt: {Quoted(Certificate().Chain)}}}}}");
        Policy("b", "caCertificateRefs: [{group: \"\", kind: ConfigMap, name: kube-root-ca.crt}]");

        Assert.Equal(["configmap://default/kube-root-ca.crt-cacert"], Toward(Reviews).Secrets);
    }

    [Fact]
    public void A_gateway_presents_its_own_certificate_where_a_policy_asks_for_TLS_and_nowhere_else()
    {
        Secret("istio-system", "own");
        world.Apply("""
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: edge, namespace: istio-system}
            spec:
              gatewayClassName: istio
              addresses: [{type: Hostname, value: istio-ingressgateway.istio-system.svc.cluster.local}]
              tls: {backend: {clientCertificateRef: {name: own}}}
              listeners: [{name: http, port: 80, protocol: HTTP}]
            """);
        Policy("b", "wellKnownCACertificates: System");

        var (context, secrets) = Toward(Reviews);

        Assert.Equal("kubernetes-gateway://istio-system/own", Assert.Single(context.CommonTlsContext.TlsCertificateSdsSecretConfigs).Name);
        Assert.Equal(["kubernetes-gateway://istio-system/own"], secrets);
    }

    [Fact]
    public void Policies_for_two_ports_of_one_service_both_hold()
    {
        Policy("one", "wellKnownCACertificates: System", section: "http", host: "one.example");
        Policy("two", "wellKnownCACertificates: System", section: "http-two", host: "two.example");

        Assert.Equal("one.example", Toward(Reviews).Context.Sni);
        Assert.Equal("two.example", Toward("outbound|9081||reviews.default.svc.cluster.local").Context.Sni);
    }

    [Fact]
    public void A_rule_that_says_something_else_does_not_take_a_policys_TLS_away()
    {
        world.Apply("""
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: {name: pool, namespace: default, creationTimestamp: "2020-01-01T00:00:00Z"}
            spec: {host: reviews, trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}}
            """);
        Policy("b", "wellKnownCACertificates: System");

        Assert.Equal("backend.example", Toward(Reviews).Context.Sni);
        Assert.Equal(7u, Cluster(world.ForGateway(), Reviews).CircuitBreakers.Thresholds[0].MaxConnections);
    }

    private (UpstreamTlsContext Context, string[] Secrets) Toward(string cluster)
    {
        var configuration = world.ForGateway();
        Assert.Empty(world.Refused);
        return (Cluster(configuration, cluster).TransportSocket.TypedConfig.Unpack<UpstreamTlsContext>(), [.. configuration.Secrets.All.Select(item => item.Name)]);
    }

    private static Cluster Cluster(ProxyConfiguration configuration, string name) =>
        Envoy.Config.Cluster.V3.Cluster.Parser.ParseFrom(configuration.Clusters[name]!.Body);

    private void Rule(string credential) => world.Apply($"""
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {"{"}name: out, namespace: istio-system{"}"}
        spec: {"{"}host: reviews.default.svc.cluster.local, trafficPolicy: {"{"}tls: {"{"}mode: MUTUAL, sni: a.example, {credential.Replace("kubernetes-gateway://shop/client", "\"kubernetes-gateway://shop/client\"", StringComparison.Ordinal)}{"}"}{"}"}{"}"}
        """);

    private void Policy(string name, string believed, string section = "", string host = "backend.example") => world.Apply($$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: BackendTLSPolicy
        metadata: {name: {{name}}, namespace: default}
        spec:
          targetRefs: [{group: "", kind: Service, name: reviews{{(section.Length > 0 ? $", sectionName: {section}" : "")}}}]
          validation: {hostname: {{host}}, {{believed}}}
        """);

    private void Secret(string ns, string name)
    {
        var (chain, key) = Certificate();
        string Data(string text) => Convert.ToBase64String(Encoding.ASCII.GetBytes(text));
        world.Apply($"{{apiVersion: v1, kind: Secret, metadata: {{name: {name}, namespace: {ns}}}, data: {{tls.crt: {Data(chain)}, tls.key: {Data(key)}, ca.crt: {Data(chain)}}}}}");
    }

    private static (string Chain, string Key) Certificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var start = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        using var made = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256).CreateSelfSigned(start, start.AddYears(1));
        return (made.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    private static string Quoted(string text) => $"\"{text.ReplaceLineEndings("\\n")}\"";
}
