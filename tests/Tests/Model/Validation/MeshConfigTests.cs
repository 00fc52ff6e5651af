using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Tests.Model.Validation;

/// <summary>The mesh's own configuration is refused before it can hurt every proxy at once.</summary>
public sealed class MeshConfigTests
{
    [Theory]
    [InlineData("{}", "")]
    [InlineData("{accessLogFile: /dev/stdout, defaultConfig: {concurrency: 2, discoveryAddress: 'istiod.istio-system.svc:15012'}}", "")]
    [InlineData("{accesLogFile: /dev/stdout}", "unknown field \"accesLogFile\" in istio.mesh.v1alpha1.MeshConfig")]
    [InlineData("{connectTimeout: 2h}", "invalid connect timeout: time 2h0m0s must be >1ms and <1h0m0s")]
    [InlineData("{proxyListenPort: 70000}", "invalid proxy listen port: port number 70000 must be in the range 1..65535")]
    [InlineData("{trustDomain: a_b}", "trustDomain: trust domain name \"a_b\" invalid")]
    [InlineData("{trustDomainAliases: [ok, '']}", "trustDomainAliases[1], domain `` : empty domain name not allowed")]
    [InlineData("{defaultConfig: {discoveryAddress: istiod}}", "invalid discovery address: unable to split \"istiod\": address istiod: missing port in address")]
    [InlineData("{defaultConfig: {drainDuration: 1500ms}}", "drain time only supports durations to seconds precision")]
    [InlineData("{defaultConfig: {tracing: {zipkin: {address: '$(HOST_IP):9411'}}}}", "")]
    [InlineData("{defaultConfig: {connectionSettings: {http2InitialStreamWindowSize: 1}}}", "invalid connection settings: http2_initial_stream_window_size must be at least 65535")]
    [InlineData("{defaultConfig: {privateKeyProvider: {cryptomb: {}}}}", "invalid private key provider configuration: pollDelay is required")]
    [InlineData("{meshMTLS: {ecdhCurves: [P-256]}}", "mesh TLS does not support ECDH curves configuration")]
    [InlineData("{outboundTrafficPolicy: {mode: NOWHERE}}", "unknown value \"\\\"NOWHERE\\\"\" for enum istio.mesh.v1alpha1.MeshConfig.OutboundTrafficPolicy.Mode")]
    [InlineData("{extensionProviders: [{name: z, zipkin: {service: zipkin.istio-system.svc, port: 9411}}, {name: p, prometheus: {}}]}", "")]
    [InlineData("{extensionProviders: [{zipkin: {service: zipkin.istio-system.svc, port: 9411}}]}", "invalid extension provider : empty extension provider name")]
    [InlineData("{extensionProviders: [{name: p, prometheus: {}}, {name: p, prometheus: {}}]}", "invalid extension provider p: duplicate extension provider name p")]
    [InlineData("{extensionProviders: [{name: p}]}", "invalid extension provider p: unsupported provider: none is given")]
    [InlineData("{extensionProviders: [{name: a, envoyExtAuthzGrpc: {service: 'authz.ns.svc:9000', port: 9000}}]}", "invalid extension provider a: invalid service fmt authz.ns.svc:9000: authz.ns.svc:9000 is not a valid IP")]
    [InlineData("{extensionProviders: [{name: a, envoyExtAuthzGrpc: {service: ns/authz.example, port: 9000}}]}", "")]
    [InlineData("{extensionProviders: [{name: a, envoyExtAuthzGrpc: {service: a.b}}]}", "invalid extension provider a: invalid service port: port number 0 must be in the range 1..65535")]
    [InlineData("{extensionProviders: [{name: a, envoyExtAuthzHttp: {service: a.b, port: 80, pathPrefix: check}}]}", "invalid extension provider a: pathPrefix should begin with `/` but found \"check\"")]
    [InlineData("{extensionProviders: [{name: a, envoyExtAuthzHttp: {service: a.b, port: 80, statusOnError: '418'}}]}", "invalid extension provider a: unsupported statusOnError value 418: it is no HTTP status that can be answered")]
    [InlineData("{extensionProviders: [{name: o, opentelemetry: {service: a.b, port: 4317, grpc: {}, http: {path: /v1, timeout: 1s}}}]}", "invalid extension provider o: OpenTelemetryTracingProvider cannot specify both grpc and http")]
    [InlineData("{extensionProviders: [{name: l, lightstep: {service: a.b, port: 80}}]}", "invalid extension provider l: access token is required")]
    public void It_is_judged_as_Istio_judges_it(string yaml, string error) =>
        Assert.Equal(error.Length == 0 ? [] : [error], Validator.CheckMeshConfig(YamlReader.Read(yaml, "mesh.yaml", out _)[0]).Errors.Select(e => e.Message));

    [Theory]
    [InlineData("networks: {n: {endpoints: [{fromCidr: 10.0.0.0/8}], gateways: [{address: 1.1.1.1, port: 15443}]}}", "")]
    [InlineData("networks: {n: {endpoints: [{fromCidr: 10.0.0.0/99}]}}", "invalid network n: 10.0.0.0/99 is not a valid CIDR block")]
    [InlineData("networks: {n: {gateways: [{address: 1.1.1.1}]}}", "invalid network n: port number 0 must be in the range 1..65535")]
    public void Networks_too(string yaml, string error) =>
        Assert.Equal(error.Length == 0 ? [] : [error], Validator.CheckMeshNetworks(YamlReader.Read(yaml, "networks.yaml", out _)[0]).Errors.Select(e => e.Message));
}
