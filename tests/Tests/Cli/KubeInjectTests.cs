using Mesh.Injector;
using Mesh.Model.Yaml;

namespace Mesh.Tests.Cli;

/// <summary>The injection as a filter of YAML: what holds pods is injected, everything else passes as it is.</summary>
public sealed class KubeInjectTests : IDisposable
{
    private readonly string file = Path.GetTempFileName();
    public void Dispose() => File.Delete(file);

    [Theory]
    [InlineData("", "1 error occurred:\n\t* filename not specified (see --filename or -f)\n\n")]
    [InlineData("-f nosuch", "open nosuch: no such file or directory")]
    public async Task A_missing_file_is_named(string options, string message)
    {
        var (exit, _, error) = await ManifestTests.Run(["kube-inject", .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);

        Assert.Equal((1, $"Error: {message}\n"), (exit, error));
    }

    [Fact]
    public async Task Each_document_is_treated_on_its_own()
    {
        var (exit, output) = await Inject("""
            {apiVersion: v1, kind: Service, metadata: {name: web}}
            ---
            {apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: app, image: web}]}}}}
            ---
            {apiVersion: batch/v1, kind: CronJob, metadata: {name: nightly}, spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: night}}, spec: {containers: [{name: run, image: night}]}}}}}}
            """);
        var documents = output.Split("---\n", StringSplitOptions.RemoveEmptyEntries).Select(YamlJson.Read).ToList();

        Assert.Equal((0, 3), (exit, documents.Count));
        Assert.Equal(["web"], documents.Select(d => d.At("metadata", "name").Text()).Where(n => n == "web").Distinct());
        Assert.Contains("istio-proxy", Containers(documents[1].At("spec", "template", "spec")));
        Assert.Contains("istio-proxy", Containers(documents[2].At("spec", "jobTemplate", "spec", "template", "spec")));
    }

    [Fact]
    public async Task What_is_said_of_a_CronJobs_pods_is_written_at_its_jobs()
    {
        var (_, output) = await Inject("{apiVersion: batch/v1, kind: CronJob, metadata: {name: nightly}, spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: night}}, spec: {containers: [{name: run, image: night}]}}}}}}");
        var jobs = YamlJson.Read(output.Replace("---\n", "", StringComparison.Ordinal)).At("spec", "jobTemplate");

        Assert.Equal("nightly", jobs.At("metadata", "labels", "service.istio.io/canonical-name").Text());
        Assert.NotNull(jobs.At("metadata", "annotations", "sidecar.istio.io/status"));
        Assert.Equal("""{"labels":{"app":"night"}}""", jobs.At("spec", "template", "metadata")!.ToJsonString());
    }

    [Fact]
    public async Task A_list_is_injected_item_by_item()
    {
        var (_, output) = await Inject("{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: a}]}}, {apiVersion: v1, kind: Secret, metadata: {name: s}}]}");
        var items = YamlJson.Read(output.Replace("---\n", "", StringComparison.Ordinal)).At("items").Objects().ToList();

        Assert.Equal(["Pod", "Secret"], items.Select(i => i["kind"].Text()));
        Assert.Contains("istio-proxy", Containers(items[0].At("spec")));
    }

    [Fact]
    public async Task What_was_injected_stays_as_it_is()
    {
        const string pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: a}]}}";
        var once = (await Inject(pod)).Out;

        Assert.Equal(once, (await Inject(once)).Out);
    }

    [Fact]
    public async Task Who_opted_out_is_told()
    {
        await File.WriteAllTextAsync(file, "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {sidecar.istio.io/inject: 'false'}}, spec: {containers: [{name: a, image: a}]}}");
        var (exit, output, error) = await ManifestTests.Run(["kube-inject", "-f", file]);

        Assert.Equal((0, "\n===> Skipping injection because Pod \"p\" has sidecar injection disabled\n"), (exit, error));
        Assert.DoesNotContain("istio-proxy", output);
    }

    private async Task<(int Exit, string Out)> Inject(string yaml)
    {
        await File.WriteAllTextAsync(file, yaml);
        var (exit, output, _) = await ManifestTests.Run(["kube-inject", "-f", file]);
        return (exit, output);
    }

    private static IEnumerable<string?> Containers(System.Text.Json.Nodes.JsonNode? spec) =>
        spec.At("containers").Objects().Concat(spec.At("initContainers").Objects()).Select(c => c["name"].Text());
}
