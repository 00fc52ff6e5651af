using Mesh.Injector;
using Mesh.Kube;
using Mesh.Tests.Cli;
using Mesh.Tests.Tidy;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>meshctl install, upgrade, tag and uninstall against an API server: what is there afterwards, and that nothing is left at the end.</summary>
public sealed class InstallTests : IAsyncLifetime
{
    private static readonly KubeKind VirtualService = new("networking.istio.io", "v1", "virtualservices", "VirtualService", true);
    private readonly string kubeconfig = Path.GetTempFileName();
    private FakeCluster cluster = null!;
    private IReadOnlyList<string> before = [];

    public async ValueTask InitializeAsync()
    {
        cluster = await FakeCluster.StartAsync();
        cluster.WriteKubeconfig(kubeconfig);
        before = cluster.Everything();
    }

    public async ValueTask DisposeAsync()
    {
        await cluster.DisposeAsync();
        File.Delete(kubeconfig);
    }

    [Fact]
    public async Task Install_puts_in_what_the_profile_says_and_purge_leaves_nothing_behind()
    {
        await Meshctl("install", "-y", "--set", "profile=demo");

        var wanted = File.ReadAllLines(Path.Combine(Source.Root, "tests/Tests/Cli/Manifests/demo.txt")).Select(l => l.Split('\t')).Select(p => $"{p[0]} {(p[1] == "-" ? "" : p[1])}/{p[2]}");
        Assert.Equal(wanted.Append("Namespace /istio-system").Order(), cluster.Everything().Except(before).Order());

        await Meshctl("uninstall", "--purge", "-y");
        Assert.Equal(before, cluster.Everything());
    }

    [Fact]
    public async Task Installing_again_changes_nothing()
    {
        await Meshctl("install", "-y");
        var versions = Versions();
        await Meshctl("install", "-y");

        Assert.Equal(versions, Versions());
    }

    [Fact]
    public async Task What_the_new_wish_does_not_have_goes()
    {
        await Meshctl("install", "-y", "--set", "profile=demo");
        Assert.NotNull(cluster.Get(KubeKinds.Deployment, "istio-system", "istio-egressgateway"));
        await Meshctl("install", "-y", "--set", "profile=minimal");

        Assert.Null(cluster.Get(KubeKinds.Deployment, "istio-system", "istio-egressgateway"));
        Assert.NotNull(cluster.Get(KubeKinds.Deployment, "istio-system", "istiod"));
    }

    [Fact]
    public async Task A_dry_run_changes_nothing()
    {
        await Meshctl("install", "--dry-run");

        Assert.Equal(before, cluster.Everything());
    }

    [Fact]
    public async Task One_revision_goes_and_the_other_stays_whole()
    {
        await Meshctl("install", "-y", "--set", "profile=minimal");
        var alone = cluster.Everything();
        await Meshctl("install", "-y", "--set", "profile=minimal", "--revision", "canary");
        await Meshctl("uninstall", "-y", "--revision", "canary");

        Assert.Equal(alone, cluster.Everything());
    }

    [Fact]
    public async Task What_others_wrote_into_our_objects_stays()
    {
        await Meshctl("install", "-y", "--set", "profile=minimal");
        var webhook = cluster.Get(KubeKinds.MutatingWebhook, "", "istio-sidecar-injector")!;
        ((System.Text.Json.Nodes.JsonObject)webhook.At("webhooks").Objects().First()["clientConfig"]!)["caBundle"] = "Ym9i";
        cluster.Put(webhook);
        await Meshctl("install", "-y", "--set", "profile=minimal");

        Assert.Equal("Ym9i", cluster.Get(KubeKinds.MutatingWebhook, "", "istio-sidecar-injector").At("webhooks").Objects().First().At("clientConfig", "caBundle").Text());
    }

    [Fact]
    public async Task A_refusal_is_shown_with_the_object_and_the_reason()
    {
        cluster.Fault = request => request.Method == "PATCH" && request.Path.Value!.Contains("/clusterroles/", StringComparison.Ordinal) ? 403 : null;
        var (exit, _, error) = await ManifestTests.Run(["install", "-y", "--kubeconfig", kubeconfig]);

        Assert.Equal(1, exit);
        Assert.Contains("ClusterRole istio-reader-clusterrole-istio-system was refused: 403: told to fail", error);
    }

    [Fact]
    public async Task Upgrade_wants_something_to_upgrade()
    {
        var (exit, _, error) = await ManifestTests.Run(["upgrade", "-y", "--kubeconfig", kubeconfig]);
        Assert.Equal((1, "Error: there is no control plane of revision default to upgrade; install one with `meshctl install`\n"), (exit, error));

        await Meshctl("install", "-y");
        await Meshctl("upgrade", "-y", "--set", "values.pilot.traceSampling=7");
    }

    [Fact]
    public async Task Without_a_yes_nothing_happens()
    {
        var (exit, _, error) = await ManifestTests.Run(["install", "--kubeconfig", kubeconfig], "n\n");

        Assert.Equal(1, exit);
        Assert.Contains("nothing was changed", error);
        Assert.Equal(before, cluster.Everything());
    }

    [Fact]
    public async Task A_tag_points_at_a_revision_is_listed_and_goes()
    {
        await Meshctl("install", "-y", "--set", "profile=minimal", "--revision", "canary");
        await Meshctl("tag", "set", "prod", "--revision", "canary");

        Assert.Contains("prod", await Meshctl("tag", "list"));
        Assert.NotNull(cluster.Get(KubeKinds.MutatingWebhook, "", "istio-revision-tag-prod"));
        await Meshctl("tag", "remove", "prod", "-y");
        Assert.Null(cluster.Get(KubeKinds.MutatingWebhook, "", "istio-revision-tag-prod"));
    }

    [Fact]
    public async Task Before_an_installation_the_check_says_whether_one_may_and_can()
    {
        Assert.Contains("√ you may create clusterroles", await Meshctl("check", "--pre"));
        (cluster.Minor, cluster.IsAdmin) = ("21+", false);
        var (exit, output, _) = await ManifestTests.Run(["x", "precheck", "--kubeconfig", kubeconfig]);

        Assert.Equal(1, exit);
        Assert.Contains("× Kubernetes v1.21+.0 is older than 1.28", output);
    }

    [Fact]
    public async Task What_is_missing_of_an_installation_is_named()
    {
        await Meshctl("install", "-y", "--set", "profile=minimal");
        Assert.Contains("installed and verified", await Meshctl("verify-install", "--set", "profile=minimal"));

        cluster.Delete(KubeKinds.ConfigMap, "istio-system", "istio");
        var (exit, output, _) = await ManifestTests.Run(["verify-install", "--set", "profile=minimal", "--kubeconfig", kubeconfig]);
        Assert.Equal(1, exit);
        Assert.Contains("✘ ConfigMap istio-system/istio: 404", output);

        (exit, output, _) = await ManifestTests.Run(["check", "--kubeconfig", kubeconfig]);
        Assert.Equal(1, exit);
        Assert.Contains("× ConfigMap istio is missing\n    meshctl install puts it back", output);
    }

    private async Task<string> Meshctl(params string[] arguments)
    {
        var (exit, output, error) = await ManifestTests.Run([.. arguments, "--kubeconfig", kubeconfig]);
        Assert.True(exit == 0, $"meshctl {string.Join(' ', arguments)}: {error}");
        return output;
    }

    private List<string> Versions() => [.. new[] { KubeKinds.Deployment, KubeKinds.Service, KubeKinds.ConfigMap, KubeKinds.ClusterRole, KubeKinds.MutatingWebhook, KubeKinds.CustomResourceDefinition }
        .SelectMany(cluster.All).Select(o => $"{o["kind"].Text()} {o.At("metadata", "name").Text()} {o.At("metadata", "resourceVersion").Text()}")];
}
