using System.Formats.Tar;
using System.IO.Compression;
using Mesh.Cli.Reporting;
using Mesh.Tests.ControlPlane.Kube;

namespace Mesh.Tests.Cli;

/// <summary>meshctl bug-report: everything that helps, nothing that is secret, no more than fits, and what is missing is named.</summary>
public sealed class BugReportTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("mesh-report-").FullName;
    private FakeCluster cluster = null!;

    public async ValueTask InitializeAsync()
    {
        cluster = await FakeCluster.StartAsync();
        cluster.WriteKubeconfig(Path.Combine(folder, "config"));
        cluster.Put("{apiVersion: v1, kind: Namespace, metadata: {name: istio-system}}");
        cluster.Put("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}");
        cluster.Put("{apiVersion: v1, kind: Secret, metadata: {name: istio-ca-secret, namespace: istio-system}, data: {ca-key.pem: c2VjcmV0LWtleQ==}}");
        cluster.Put("{apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system}, data: {mesh: 'trustDomain: td'}}");
        cluster.Put("{apiVersion: v1, kind: Pod, metadata: {name: istiod-1, namespace: istio-system, labels: {app: istiod}}, spec: {containers: [{name: discovery}]}}");
        cluster.Put("""
            apiVersion: v1
            kind: Pod
            metadata: {name: web-1, namespace: shop, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"spec": "hunter2"}'}}
            spec: {containers: [{name: app, env: [{name: DB_PASSWORD, value: hunter2}, {name: MODE, value: fast}]}, {name: istio-proxy}]}
            """);
    }

    public async ValueTask DisposeAsync()
    {
        await cluster.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Objects_logs_and_analysis_are_in_and_secrets_are_not()
    {
        var files = await ReportAsync();

        Assert.Contains("mesh: \"trustDomain: td\"", files["namespaces/istio-system/configmaps.yaml"]);
        Assert.Contains("ca-key.pem: \"[redacted] 16 characters\"", files["namespaces/istio-system/secrets.yaml"]);
        Assert.Contains("log of istiod-1 discovery", files["istiod/istiod-1/discovery.log"]);
        Assert.Contains("log of web-1 istio-proxy", files["proxies/shop/web-1/istio-proxy.log"]);
        Assert.Contains("name: MODE\n      value: fast", files["namespaces/shop/pods.yaml"]);
        Assert.Contains("analysis.txt", files.Keys);
        Assert.DoesNotContain(files, file => file.Value.Contains("hunter2", StringComparison.Ordinal) || file.Value.Contains("c2VjcmV0LWtleQ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_could_not_be_had_is_listed_with_its_reason()
    {
        cluster.Fault = request => request.Path.Value!.EndsWith("/nodes", StringComparison.Ordinal) ? 403 : null;

        var report = (await ReportAsync())["report.txt"];

        Assert.Contains("cluster/nodes.yaml: 403: told to fail", report);
        Assert.Contains("proxies/shop/web-1/config_dump.json: ", report);
    }

    [Fact]
    public async Task Pods_are_chosen_by_namespace_and_name()
    {
        cluster.Put("{apiVersion: v1, kind: Pod, metadata: {name: batch-1, namespace: shop}, spec: {containers: [{name: istio-proxy}]}}");

        var proxies = (await ReportAsync("--include", "shop", "--exclude", "shop/batch-*")).Keys.Where(name => name.StartsWith("proxies/", StringComparison.Ordinal));

        Assert.All(proxies, name => Assert.StartsWith("proxies/shop/web-1/", name));
    }

    [Theory]
    [InlineData("--full-secrets", 1, "Error: --full-secrets is not offered: a report is made to be given away, and secrets stay in the cluster\n")]
    [InlineData("--output-dir=/nosuch", 1, "Error: --output-dir /nosuch: no such folder\n")]
    [InlineData("--timeout=1s --nosuch", 64, "Error: unknown flag: --nosuch\n")]
    public async Task A_wish_that_cannot_be_met_is_refused(string words, int exit, string error)
    {
        var result = await ManifestTests.Run(["bug-report", .. words.Split(' ')]);

        Assert.Equal((exit, error), (result.Exit, result.Error));
    }

    [Theory]
    [InlineData("-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----", "[redacted]")]
    [InlineData("key: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1J", "key: [redacted]")]
    [InlineData("caBundle: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t", "caBundle: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t")]
    [InlineData("token eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJl end", "token [redacted] end")]
    [InlineData("Authorization: Bearer abc.def, x", "Authorization: Bearer [redacted], x")]
    [InlineData("http://jo:pa55@db/", "http://jo:[redacted]@db/")]
    public void Keys_tokens_and_passwords_go_and_certificates_stay(string before, string after) => Assert.Equal(after, Redaction.Of(before));

    [Fact]
    public void An_archive_grows_to_its_limit_and_says_what_is_left_out()
    {
        using var packed = new MemoryStream();
        using (var archive = new ReportArchive(packed, DateTimeOffset.UnixEpoch, totalMax: 10))
        {
            archive.Add("a", "0123456789");
            archive.Add("b", "x");
            Assert.Equal(["b: the report has reached 0 MiB"], archive.Gaps);
        }
        Assert.Equal(["a", "report.txt"], Unpacked(packed).Keys);
    }

    private async Task<SortedDictionary<string, string>> ReportAsync(params string[] more)
    {
        var (exit, _, error) = await ManifestTests.Run(["bug-report", "--output-dir", folder, "--kubeconfig", Path.Combine(folder, "config"), .. more]);
        Assert.True(exit == 0, error);
        using var packed = new MemoryStream(await File.ReadAllBytesAsync(Path.Combine(folder, "bug-report.tar.gz")));
        return Unpacked(packed);
    }

    private static SortedDictionary<string, string> Unpacked(MemoryStream packed)
    {
        packed.Position = 0;
        var files = new SortedDictionary<string, string>(StringComparer.Ordinal);
        using var tar = new TarReader(new GZipStream(packed, CompressionMode.Decompress));
        while (tar.GetNextEntry() is { } entry) files[entry.Name["bug-report/".Length..]] = entry.DataStream is { } data ? new StreamReader(data).ReadToEnd() : "";
        return files;
    }
}
