using Mesh.Model.Schema;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Tests.Model.Validation;

/// <summary>Both halves of admission together, as they are where no API server stands in front.</summary>
public sealed class AdmissionTests
{
    [Theory]
    [InlineData("{hosts: [backend], http: [{route: [{destination: {host: a}}]}, {timeout: 0s, route: [{destination: {host: a}}]}]}",
        "spec.http[1].timeout: Invalid value: \"0s\": must be a valid duration greater than 1ms")]
    [InlineData("{hosts: [backend], http: [{corsPolicy: {maxAge: 0s}, route: [{destination: {host: a}}]}]}",
        "spec.http[0].corsPolicy.maxAge: Invalid value: \"0s\": must be a valid duration greater than 1ms")]
    [InlineData("{hosts: [backend], http: [{retries: {attempts: 0, retryOn: 5xx}, route: [{destination: {host: a}}]}]}",
        "http retry policy configured when attempts are set to 0 (disabled)")]
    [InlineData("{hosts: [backend], http: [{route: [{destination: {host: a}, weight: '10'}]}]}",
        "spec.http[0].route[0].weight: Invalid value: \"string\": spec.http[0].route[0].weight in body must be of type integer: \"string\"")]
    public void What_a_cluster_refuses_is_refused_with_its_words(string spec, string error) =>
        Assert.Equal([error], Validator.Check(VirtualService(spec)).Errors.Select(e => e.Message));

    [Fact]
    public void A_field_that_does_not_exist_is_told_but_pruned_not_refused()
    {
        var verdict = Validator.Check(VirtualService("{hosts: [backend], http: [{retry: {}, route: [{destination: {host: a}}]}]}"));

        Assert.True(verdict.IsAllowed);
        Assert.Equal(["unknown field \"spec.http[0].retry\""], verdict.Warnings.Select(w => w.Message));
    }

    [Fact]
    public void A_finding_knows_file_line_and_field()
    {
        var resource = YamlReader.Read("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [backend]\n  http:\n  - redirect:\n      redirectCode: 200\n      uri: /x\n", "shop.yaml", out _)[0];

        var error = Assert.Single(Validator.Check(resource).Errors);

        Assert.Equal(("shop.yaml:8", "spec.http[0].redirect"), (error.Origin.ToString(), error.Field));
    }

    [Fact]
    public void The_Gateway_APIs_defaults_are_filled_in()
    {
        var route = (MapNode)YamlReader.Read("""
            apiVersion: gateway.networking.k8s.io/v1
            kind: HTTPRoute
            metadata: {name: r}
            spec:
              parentRefs: [{name: g}]
              rules: [{backendRefs: [{name: a, port: 80}]}]
            """, "r.yaml", out _)[0];

        var spec = Defaults.Apply(route).At("spec");

        Assert.Equal("gateway.networking.k8s.io/Gateway", $"{spec.ItemsAt("parentRefs")[0].TextAt("group")}/{spec.ItemsAt("parentRefs")[0].TextAt("kind")}");
        Assert.Equal("PathPrefix /", $"{spec.ItemsAt("rules")[0].ItemsAt("matches")[0].TextAt("path", "type")} {spec.ItemsAt("rules")[0].ItemsAt("matches")[0].TextAt("path", "value")}");
        Assert.Equal("1", spec.ItemsAt("rules")[0].ItemsAt("backendRefs")[0].TextAt("weight"));
    }

    private static Node VirtualService(string spec) =>
        YamlReader.Read($"{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: backend, namespace: demo}}, spec: {spec}}}", "v.yaml", out _)[0];
}
