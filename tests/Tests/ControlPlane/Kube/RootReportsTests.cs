using Mesh.ControlPlane;
using Mesh.ControlPlane.Ca;
using Mesh.ControlPlane.Kube;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Tests.Proxy.Security;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>Two replicas of the control plane, each with the certificates mounted and proxies of its own, change the root: neither cuts off the other's.</summary>
public sealed class RootReportsTests : IAsyncLifetime
{
    private static readonly string[] SignerFiles = ["ca-key.pem", "cert-chain.pem", "ca-cert.pem"];

    private readonly ManualTime time = new(TimeProvider.System.GetUtcNow());
    private readonly PluggedInCertificates old = new(), young = new();
    private FakeCluster cluster = null!;
    private Replica a = null!, b = null!;

    public async ValueTask InitializeAsync()
    {
        cluster = await FakeCluster.StartAsync();
        cluster.Put("{apiVersion: v1, kind: Namespace, metadata: {name: istio-system}}");
        (a, b) = (new("istiod-a", old, cluster, time), new("istiod-b", old, cluster, time));
    }

    public async ValueTask DisposeAsync()
    {
        await cluster.DisposeAsync();
        foreach (var one in (IDisposable[])[old, young, a, b]) one.Dispose();
    }

    [Fact]
    public async Task A_step_waits_until_the_proxies_of_every_replica_are_ready_for_it()
    {
        // One: both roots. The second replica's files come later, as a kubelet brings them.
        a.Roots(old, young);
        await RoundsAsync(a, b, a);
        Assert.True(a.Look());
        a.Signer(young);
        Assert.Contains("replica istiod-b does not give out the new root yet", a.Refusal());
        b.Distrustful = ["cart.shop"];
        b.Roots(old, young);
        Assert.True(b.Look());
        await RoundsAsync(b, a);
        Assert.Contains("1 proxies of replica istiod-b do not believe the new root yet: cart.shop", a.Refusal());

        // Two: the new root signs, at both, in any order.
        b.Distrustful = [];
        await RoundsAsync(b, a);
        Assert.True(a.Look());

        // Three: the other one still signs under the old root, then what it signed is in force.
        a.Roots(young);
        time.Advance(TimeSpan.FromHours(25));
        await RoundsAsync(b, a);
        Assert.Contains("replica istiod-b signs under it", a.Refusal());
        b.Signer(young);
        await RoundsAsync(a, b);
        Assert.True(b.Look());
        await RoundsAsync(b, a);
        Assert.Contains("certificates under it are in force until", a.Refusal());
        time.Advance(TimeSpan.FromHours(24.1));
        await RoundsAsync(b, a);
        Assert.True(a.Look());
        Assert.Single(a.Authority.Signer.Roots);
    }

    [Fact]
    public async Task A_replica_that_died_counts_a_minute_longer_and_one_that_ended_as_planned_does_not()
    {
        b.Distrustful = ["cart.shop"];
        await BothBelieveAsync();
        a.Signer(young);
        Assert.Contains("cart.shop", a.Refusal());

        time.Advance(TimeSpan.FromSeconds(50));
        await RoundsAsync(a);
        Assert.Contains("cart.shop", a.Refusal());
        time.Advance(TimeSpan.FromSeconds(11));
        await RoundsAsync(a);
        Assert.True(a.Look());

        a.Signer(old);
        await RoundsAsync(b, a);
        Assert.Contains("cart.shop", a.Refusal());
        await b.Reports.WithdrawAsync();
        await RoundsAsync(a);
        Assert.True(a.Look());
    }

    [Fact]
    public async Task Replicas_that_cannot_be_heard_hold_every_step_up()
    {
        a.Roots(old, young);
        Assert.True(a.Look()); // believing more cuts nobody off
        a.Signer(young);
        Assert.Contains("they have not been heard yet", a.Refusal());

        cluster.Fault = request => request.Method == "GET" && request.Path.Value!.EndsWith("/leases", StringComparison.Ordinal) ? 403 : null;
        await RoundsAsync(a);
        Assert.Contains("their Leases cannot be listed: 403", a.Refusal());
        cluster.Fault = request => request.Method == "PATCH" ? 403 : null;
        await RoundsAsync(a);
        Assert.Contains("this replica's own Lease cannot be written: 403", a.Refusal());
        cluster.Fault = _ => null;
        await RoundsAsync(a);
        Assert.Equal((0, null), (a.Reports.Others.Reports.Length, a.Reports.Others.Problem));
        time.Advance(TimeSpan.FromSeconds(61));
        Assert.Contains("over a minute ago", a.Refusal());

        cluster.Put("""{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: istio-roots-c, namespace: istio-system, labels: {mesh.local/root-report: "true"}, annotations: {mesh.local/roots: "{}"}}, spec: {holderIdentity: istiod-c}}""");
        await RoundsAsync(a);
        Assert.Contains("the report of replica istiod-c cannot be read", a.Refusal());
        time.Advance(TimeSpan.FromMinutes(11));
        await RoundsAsync(a);
        Assert.True(a.Look());
        Assert.Null(cluster.Get(KubeKinds.Lease, "istio-system", "istio-roots-c"));
    }

    private async Task BothBelieveAsync()
    {
        foreach (var replica in (Replica[])[a, b])
        {
            replica.Roots(old, young);
            Assert.True(replica.Look());
        }
        await RoundsAsync(b, a);
    }

    private static async Task RoundsAsync(params Replica[] replicas)
    {
        foreach (var replica in replicas) await replica.Reports.RoundAsync(CancellationToken.None);
    }

    private sealed class Replica : IDisposable
    {
        private readonly PluggedInCertificates mounted = new();
        private readonly PluggedInFolder folder;

        public Replica(string name, PluggedInCertificates first, FakeCluster cluster, ManualTime time)
        {
            Signer(first);
            Roots(first);
            Authority = new(SigningMaterial.FromFolder(mounted.Path, time.GetUtcNow()), TimeSpan.FromHours(24), TimeSpan.FromDays(90), time);
            var options = new Options { CaFolder = mounted.Path, Kube = new() { Replica = name } };
            Reports = new(cluster.Api, Authority, () => Distrustful, options, time, NullLogger<RootReports>.Instance);
            folder = new(Authority, new(Authority, () => Distrustful, () => Reports.Others, time), options, time, NullLogger<PluggedInFolder>.Instance);
        }

        public CertificateAuthority Authority { get; }
        public RootReports Reports { get; }
        public IReadOnlyList<string> Distrustful { get; set; } = [];

        public void Signer(PluggedInCertificates of)
        {
            foreach (var file in SignerFiles) mounted.Write(file, of.Read(file));
        }

        public void Roots(params PluggedInCertificates[] of) => mounted.Write("root-cert.pem", string.Join('\n', of.Select(one => one.Read("root-cert.pem"))));

        public bool Look() => folder.Look(mounted.Path);

        public string Refusal()
        {
            Assert.False(Look());
            return folder.Problem ?? "";
        }

        public void Dispose() => mounted.Dispose();
    }
}
