using System.Text;
using Mesh.Model.Analysis;
using Mesh.Model.Resources;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Tests.Model.Validation;

/// <summary>What a careless or hostile user may hand in: each ends with an answer, in time and memory that do not depend on malice.</summary>
public sealed class HostileInputTests
{
    private const long Much = 1L << 30; // what may be allocated on the way to an answer; quadratic work shows as a hundred times more

    [Fact]
    public void An_alias_bomb_is_refused_by_name_of_its_bound()
    {
        var bomb = new StringBuilder("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for (var i = 1; i < 12; i++) bomb.Append($"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n");

        YamlReader.Read(bomb.ToString(), "bomb.yaml", out var error);

        Assert.Contains("an alias may repeat others", error!.Message);
    }

    [Theory]
    [InlineData("[")]
    [InlineData("{a: ")]
    public void Deep_nesting_is_refused_before_the_stack_ends(string open)
    {
        YamlReader.Read(string.Concat(Enumerable.Repeat(open, 100_000)), "deep.yaml", out var error);

        Assert.Contains("nested deeper", error!.Message);
    }

    [Fact]
    public void Long_names_above_many_values_do_not_cost_their_product()
    {
        var name = new string('n', 1_000);
        var yaml = new StringBuilder();
        for (var depth = 0; depth < 40; depth++) yaml.Append(' ', depth).Append(name).Append(":\n");
        yaml.Append(' ', 40).Append("- [").AppendJoin(", ", Enumerable.Repeat("0", 200_000)).Append("]\n");

        var document = Within(Much / 4, () => Assert.Single(YamlReader.Read(yaml.ToString(), "names.yaml", out _)));
        var json = Encoding.UTF8.GetBytes(YamlJson.Of(document)!.ToJsonString());

        Within(Much / 4, () => JsonNodes.Read(json));
    }

    [Fact]
    public void A_map_of_many_keys_is_looked_into_in_bounded_work()
    {
        var yaml = new StringBuilder("apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: a, namespace: b}\nspec:\n  address: 10.0.0.1\n  ports:\n");
        for (var i = 0; i < 50_000; i++) yaml.Append($"    p{i}: {i + 1}\n");

        var verdict = Within(Much, () => Validator.Check(Read(yaml.ToString())));

        Assert.True(verdict.Errors.Count <= 200);
    }

    [Fact]
    public void An_alias_of_itself_is_refused()
    {
        YamlReader.Read("a: &a [*a]\n", "loop.yaml", out var error);

        Assert.NotNull(error);
    }

    [Fact]
    public void Repetitions_within_repetitions_count_together()
    {
        Assert.Null(Re2Syntax.Problem("((a{1,10}){1,10}b?){1,10}"));
        Assert.Equal("error parsing regexp: invalid repeat count: `{1,1000}`", Re2Syntax.Problem("((a{1,1000}){1,1000}){1,1000}"));
    }

    [Theory]
    [InlineData("(a+)+$")]
    [InlineData("((((((((((((((((((((a{1,1000}){1,1000}){1,1000}){1,1000})))))))))))))))))")]
    [InlineData("[[:alpha:]")]
    [InlineData("\\p{")]
    [InlineData("(?P<")]
    [InlineData("a**")]
    [InlineData("\\")]
    public void A_pattern_is_judged_without_being_run(string pattern)
    {
        var resource = Read($"""
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {"{name: a, namespace: b}"}
            spec:
              hosts: [a.example]
              http:
              - match: [{"{uri: {regex: '" + pattern + "'}}"}]
                route: [{"{destination: {host: a}}"}]
            """);

        Validator.Check(resource);
    }

    [Fact]
    public void Ten_thousand_routes_are_judged_in_bounded_work()
    {
        var yaml = new StringBuilder("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: b}\nspec:\n  hosts: [a.example]\n  http:\n");
        for (var i = 0; i < 10_000; i++) yaml.Append($"  - match: [{{uri: {{prefix: /p{i}}}, headers: {{x: {{exact: v{i}}}}}}}]\n    route: [{{destination: {{host: cart}}}}]\n");

        var verdict = Within(Much, () => Validator.Check(Read(yaml.ToString())));

        Assert.True(verdict.IsAllowed);
    }

    [Fact]
    public void A_hundred_thousand_hosts_are_compared_in_bounded_work()
    {
        var hosts = string.Join(", ", Enumerable.Range(0, 100_000).Select(i => $"h{i}.example"));
        var resource = Read($"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a, namespace: b}}\nspec: {{hosts: [{hosts}, '*.example'], http: [{{redirect: {{uri: /}}}}]}}");

        var verdict = Within(Much, () => Validator.CheckAdmission(resource));

        Assert.False(verdict.IsAllowed);
        Assert.True(verdict.Errors.Count <= 200, "an answer nobody could read");
    }

    [Fact]
    public void A_megabyte_in_one_value_is_judged_in_bounded_work()
    {
        var resource = Read($"apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: a, namespace: b}}\nspec: {{hosts: [{new string('a', 1 << 20)}], ports: [{{number: 80, name: http, protocol: HTTP}}], resolution: NONE}}");

        var verdict = Within(Much, () => Validator.Check(resource));

        Assert.All(verdict.Errors, error => Assert.InRange(error.Message.Length, 1, 10_000));
        Assert.False(verdict.IsAllowed);
    }

    [Fact]
    public void Analysis_of_many_resources_ends_in_bounded_work()
    {
        var yaml = new StringBuilder();
        for (var i = 0; i < 2_000; i++)
            yaml.Append($"---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{i}, namespace: n}}\nspec: {{selector: {{app: a{i}}}, ports: [{{name: http, port: 80}}]}}\n")
                .Append($"---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: v{i}, namespace: n}}\nspec: {{hosts: [s{i}], http: [{{route: [{{destination: {{host: s{i}}}}}]}}]}}\n");
        var resources = new ResourceSet();

        var messages = Within(Much, () =>
        {
            new Mesh.Model.Analysis.ResourceReader(resources, "").Read(yaml.ToString(), "many.yaml");
            return Analyst.Analyze(resources, TimeProvider.System, new());
        });

        Assert.Empty(messages);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("text")]
    [InlineData("{kind: VirtualService, apiVersion: networking.istio.io/v1}")]
    [InlineData("{kind: VirtualService, apiVersion: networking.istio.io/v1, metadata: [], spec: []}")]
    [InlineData("{kind: [], apiVersion: {}, spec: 1}")]
    [InlineData("{kind: Gateway, apiVersion: networking.istio.io/v1, spec: {servers: [null, {hosts: [null]}]}}")]
    [InlineData("{kind: EnvoyFilter, apiVersion: networking.istio.io/v1alpha3, spec: {configPatches: [null, {applyTo: CLUSTER, patch: {operation: ADD, value: {}}}]}}")]
    [InlineData("{kind: DestinationRule, apiVersion: networking.istio.io/v1, metadata: {annotations: {a: [1]}, labels: 5}, spec: {host: '', trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: '', to: {'': 100}}]}}}}}")]
    public void What_is_no_sensible_resource_never_throws(string yaml)
    {
        foreach (var document in YamlReader.Read(yaml, "odd.yaml", out _))
        {
            Validator.Check(document);
            Validator.Admit(document);
        }
        Analyst.Analyze(Resources(yaml), TimeProvider.System, new());
    }

    private static ResourceSet Resources(string yaml)
    {
        var resources = new ResourceSet();
        new Mesh.Model.Analysis.ResourceReader(resources, "default").Read(yaml, "odd.yaml");
        return resources;
    }

    private static MapNode Read(string yaml) => (MapNode)Assert.Single(YamlReader.Read(yaml, "hostile.yaml", out _));

    private static T Within<T>(long bytes, Func<T> work)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var result = work();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, bytes);
        return result;
    }
}
