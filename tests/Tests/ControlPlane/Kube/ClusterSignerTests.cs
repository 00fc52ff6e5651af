using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using Istio.V1.Auth;
using Mesh.ControlPlane;
using Mesh.ControlPlane.Ca;
using Mesh.ControlPlane.Kube;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Resources;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>Certificates of a signer outside the mesh, by the cluster's certificates.k8s.io API: what is asked, what is believed of the answer, and what is left behind.</summary>
public sealed class ClusterSignerTests : IAsyncLifetime
{
    private const string Name = "issuers.example/mesh", Identity = "spiffe://cluster.local/ns/shop/sa/web";
    private readonly CancellationTokenSource stop = new();
    private readonly HastyTime time = new();
    private readonly Prometheus.CollectorRegistry registry = Prometheus.Metrics.NewCustomRegistry();
    private FakeCluster cluster = null!;
    private SignerOutside outside = null!;
    private Task running = Task.CompletedTask;

    public async ValueTask InitializeAsync()
    {
        cluster = await FakeCluster.StartAsync();
        outside = new(cluster, Name);
        running = outside.RunAsync(stop.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await running;
        await cluster.DisposeAsync();
        stop.Dispose();
    }

    [Fact]
    public async Task A_workload_gets_the_signers_certificate_with_its_chain_and_nothing_stays_behind()
    {
        var answer = await Ask(Csr());

        Assert.Equal("", answer.Problem);
        var chain = answer.Issued!.ChainPem.Select(pem => X509Certificate2.CreateFromPem(pem)).ToList();
        Assert.Equal(["", "CN=outside issuer", "CN=outside root"], chain.Select(c => c.Subject));
        Assert.Equal([Identity], SubjectUris.Of(chain[0]));
        Assert.Empty(cluster.All(KubeKinds.SigningRequest));
        Assert.Equal(1, await Counted("issued"));
    }

    [Fact]
    public async Task The_request_says_for_whom_and_for_what_and_how_long()
    {
        outside.Refusal = "";
        var asked = Ask(Csr(), wished: TimeSpan.FromHours(2));
        var request = await Seen(r => r.At("status", "conditions").Objects().Any());

        Assert.Equal(Name, request.At("spec", "signerName").Text());
        Assert.Equal(["digital signature", "key encipherment", "server auth", "client auth"], request.At("spec", "usages").Texts());
        Assert.Equal(7200, request.At("spec", "expirationSeconds").Integer());
        Assert.Equal(Identity, request.At("metadata", "annotations", "mesh.local/identity").Text());
        time.Expire();
        await asked;
    }

    [Fact]
    public async Task A_signer_that_never_signs_is_given_up_and_its_request_taken_away()
    {
        outside.Refusal = "";
        var asked = Ask(Csr());
        await Seen(r => r.At("status", "conditions").Objects().Any());
        time.Expire();
        var answer = await asked;

        Assert.Equal((StatusCode.DeadlineExceeded, true), (answer.Code, answer.Problem.Contains("did not sign within 20 s")));
        Assert.Empty(cluster.All(KubeKinds.SigningRequest));
        Assert.Equal(1, await Counted("timeout"));
    }

    [Theory]
    [InlineData("Denied", "denied")]
    [InlineData("Failed", "failed")]
    public async Task What_the_signer_refuses_is_refused_in_its_words(string condition, string outcome)
    {
        outside.Refusal = condition;
        var answer = await Ask(Csr());

        Assert.Equal((StatusCode.PermissionDenied, $"signer {Name} says {condition}: Policy not this one"), (answer.Code, answer.Problem));
        Assert.Empty(cluster.All(KubeKinds.SigningRequest));
        Assert.Equal(1, await Counted(outcome));
    }

    public static TheoryData<string, string> Deliveries => new()
    {
        { "another identity", "was asked for" },
        { "a second identity", "was asked for" },
        { "a host beside it", "names hosts" },
        { "an authority", "authority's" },
        { "may sign", "may sign others" },
        { "server only", "lacks clientAuth" },
        { "another key", "another key" },
        { "another root", "does not lead to the signer's root" },
        { "over", "does not lead to the signer's root" },
        { "no intermediate", "does not lead to the signer's root" },
        { "garbage", "0 certificates" },
        { "many", "17 certificates" },
        { "huge", "larger than" },
    };

    [Theory, MemberData(nameof(Deliveries))]
    public async Task What_a_signer_signs_is_believed_only_if_it_is_what_was_asked(string what, string words)
    {
        outside.Twist = request => Twist(request, what);
        if (what == "over") outside.Life = TimeSpan.FromSeconds(-5);
        outside.Deliver = pem => what switch
        {
            "another key" or "another root" => SomebodyElses(pem, sameKey: what == "another root"),
            "no intermediate" => pem[..(pem.IndexOf("-----END", StringComparison.Ordinal) + 25)] + "\n",
            "garbage" => "garbage",
            "many" => string.Concat(Enumerable.Repeat(pem[..(pem.IndexOf("-----END", StringComparison.Ordinal) + 25)] + "\n", 17)),
            "huge" => new string('x', 300_000),
            _ => pem,
        };
        var answer = await Ask(Csr());

        Assert.Contains(words, answer.Problem);
        Assert.Equal((StatusCode.FailedPrecondition, (IssuedCertificate?)null), (answer.Code, answer.Issued));
        Assert.Equal(1, await Counted("unusable"));
    }

    public static TheoryData<string, string> Requests => new()
    {
        { "another identity", "another than" },
        { "a second identity", "more than it" },
        { "a host beside it", "more than it" },
        { "no name", "extensionRequest once" },
        { "an authority", "authority's certificate" },
        { "may sign", "sign other certificates" },
        { "code signing", "neither server's nor client's" },
        { "unknown extension", "extension 1.2.3.4" },
        { "groups in the subject", "names a subject" },
    };

    // The signer copies what the request says, so it must say nothing but the identity.
    [Theory, MemberData(nameof(Requests))]
    public async Task A_request_that_asks_for_more_than_the_identity_never_reaches_the_signer(string what, string words)
    {
        var answer = await Ask(Csr(what));

        Assert.Contains(words, answer.Problem);
        Assert.Equal(StatusCode.InvalidArgument, answer.Code);
        Assert.DoesNotContain(cluster.Requests, request => request.Contains("certificatesigningrequests", StringComparison.Ordinal));
        Assert.Equal(1, await Counted("excessive_request"));
    }

    [Theory]
    [InlineData("POST", 403, "forbidden", StatusCode.FailedPrecondition)]
    [InlineData("POST", 503, "refused", StatusCode.Unavailable)]
    [InlineData("PATCH", 403, "forbidden", StatusCode.FailedPrecondition)]
    public async Task An_API_server_that_refuses_is_named(string method, int status, string outcome, StatusCode code)
    {
        cluster.Fault = request => request.Method == method ? status : null;
        var answer = await Ask(Csr());

        Assert.Contains($"{status}:", answer.Problem);
        Assert.Equal(code, answer.Code);
        Assert.Empty(cluster.All(KubeKinds.SigningRequest));
        Assert.Equal(1, await Counted(outcome));
    }

    [Fact]
    public async Task A_server_that_stumbles_while_we_wait_is_asked_again()
    {
        var stumbles = 3;
        cluster.Fault = request => request.Method == "GET" && request.Path.Value!.Contains("csr-workload", StringComparison.Ordinal) && stumbles-- > 0 ? 503 : null;
        Assert.Equal("", (await Ask(Csr())).Problem);
    }

    [Fact]
    public async Task A_signer_whose_root_nobody_knows_is_not_asked()
    {
        var answer = await Ask(Csr(), mesh: "{}");

        Assert.Equal((StatusCode.FailedPrecondition, true), (answer.Code, answer.Problem.Contains($"certSigners [{Name}]")));
        Assert.DoesNotContain(cluster.Requests, request => request.Contains("certificatesigningrequests", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("", "issuers.example", "mesh", Name, "")]
    [InlineData(Name, "", "", Name, "")]
    [InlineData(Name, "", "mesh", null, "CERT_SIGNER_DOMAIN")]
    [InlineData("", "issuers.example", "", null, "no default one")]
    [InlineData("", "issuers.example", "../x", null, "no name of a signer")]
    [InlineData("", "issuers.example", "a/b", null, "no name of a signer")]
    public void A_workload_may_choose_among_the_signers_of_the_domain(string usual, string domain, string wished, string? chosen, string words)
    {
        Assert.Equal(chosen, new ExternalSigners(usual, domain).NameFor(wished, out var problem));
        Assert.Contains(words, problem);
    }

    [Fact]
    public async Task Through_the_certificate_call_of_a_whole_control_plane()
    {
        await using var rig = await ClusterRig.StartAsync(change: options => options with { External = new("", "issuers.example") });
        var signer = new SignerOutside(rig.Cluster, Name);
        var signing = signer.RunAsync(stop.Token);
        rig.Cluster.Tokens["good"] = ("system:serviceaccount:shop:web", LocalTokens.Audience);
        rig.Cluster.Put(new System.Text.Json.Nodes.JsonObject
        {
            ["apiVersion"] = "v1", ["kind"] = "ConfigMap", ["metadata"] = new System.Text.Json.Nodes.JsonObject { ["name"] = "istio", ["namespace"] = "istio-system" },
            ["data"] = new System.Text.Json.Nodes.JsonObject { ["mesh"] = Mesh(signer.RootPem, Name) },
        });
        // Pods find the signer's root beside the control plane's.
        await rig.Until(() => rig.Cluster.Get(KubeKinds.ConfigMap, "default", "istio-ca-root-cert").At("data", "root-cert.pem").Text()?.Contains(signer.RootPem.Trim().Split('\n')[3], StringComparison.Ordinal) == true, "the signer's root in the namespace");

        using var channel = GrpcChannel.ForAddress(rig.Addresses["grpc"], new() { Credentials = ChannelCredentials.Insecure });
        var request = new IstioCertificateRequest { Csr = Csr(), Metadata = new() };
        request.Metadata.Fields["CertSigner"] = Google.Protobuf.WellKnownTypes.Value.ForString("mesh");
        var answer = await new IstioCertificateService.IstioCertificateServiceClient(channel).CreateCertificateAsync(request, new Metadata { { "authorization", "Bearer good" } });

        Assert.Equal(3, answer.CertChain.Count);
        Assert.Equal(signer.RootPem.Trim(), answer.CertChain[^1].Trim());
        request.Metadata.Fields["CertSigner"] = Google.Protobuf.WellKnownTypes.Value.ForString("unknown");
        var fault = await Assert.ThrowsAsync<RpcException>(async () => await new IstioCertificateService.IstioCertificateServiceClient(channel).CreateCertificateAsync(request, new Metadata { { "authorization", "Bearer good" } }));
        Assert.Equal(StatusCode.FailedPrecondition, fault.StatusCode);
        await stop.CancelAsync();
        await signing;
    }

    private async Task<SigningAnswer> Ask(string csr, TimeSpan wished = default, string? mesh = null)
    {
        var options = new Options { External = new(Name, "") };
        var now = TimeProvider.System.GetUtcNow();
        var bundle = new TrustBundle(new(SigningMaterial.SelfMade("cluster.local", now), TimeSpan.FromHours(1), TimeSpan.FromHours(2), TimeProvider.System), options);
        bundle.Take(MeshConfig.Parse(mesh ?? Mesh(outside.RootPem, Name), "mesh", out _)!);
        using var signer = new ClusterSigner(cluster.Api, options.External!, bundle, new(registry), time, NullLogger<ClusterSigner>.Instance);
        var key = SigningRequest.ReadKey(csr, out var problem);
        Assert.Equal("", problem);
        return await signer.SignAsync(new(csr, key!, Identity, wished, ""), TestContext.Current.CancellationToken);
    }

    private async Task<System.Text.Json.Nodes.JsonObject> Seen(Func<System.Text.Json.Nodes.JsonObject, bool> isSo)
    {
        while (true)
        {
            var next = cluster.NextAsync();
            if (cluster.All(KubeKinds.SigningRequest).FirstOrDefault(isSo) is { } found) return found;
            await next.WaitAsync(TestContext.Current.CancellationToken);
        }
    }

    private async Task<double> Counted(string outcome)
    {
        using var text = new MemoryStream();
        await registry.CollectAndExportAsTextAsync(text);
        var line = System.Text.Encoding.UTF8.GetString(text.ToArray()).Split('\n').FirstOrDefault(l => l.StartsWith("mesh_external_ca_requests_total{", StringComparison.Ordinal) && l.Contains($"outcome=\"{outcome}\"", StringComparison.Ordinal));
        return line is null ? 0 : double.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture);
    }

    private static string Mesh(string rootPem, string signer) =>
        $"caCertificates:\n- certSigners: [{signer}]\n  pem: |\n{string.Join('\n', rootPem.Trim().Split('\n').Select(line => "    " + line))}\n";

    private static string Csr(string what = "")
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(what == "groups in the subject" ? "O=system:masters" : "", key, HashAlgorithmName.SHA256);
        if (what != "no name")
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddUri(new(Identity));
            request.CertificateExtensions.Add(names.Build(critical: true));
        }
        Twist(request, what);
        return request.CreateSigningRequestPem();
    }

    /// <summary>What a request, or a signer, may do wrong.</summary>
    private static void Twist(CertificateRequest request, string what)
    {
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new(what == "another identity" ? "spiffe://cluster.local/ns/shop/sa/admin" : Identity));
        if (what == "a second identity") names.AddUri(new("spiffe://cluster.local/ns/shop/sa/admin"));
        if (what == "a host beside it") names.AddDnsName("istiod.istio-system.svc");
        if (what is "another identity" or "a second identity" or "a host beside it")
        {
            request.CertificateExtensions.Clear();
            request.CertificateExtensions.Add(names.Build(critical: true));
        }
        if (what == "an authority") request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        if (what == "may sign") request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        if (what == "server only") request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1")], false));
        if (what == "code signing") request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.3")], false));
        if (what == "unknown extension") request.CertificateExtensions.Add(new X509Extension("1.2.3.4", [5, 0], false));
    }

    private static string SomebodyElses(string pem, bool sameKey)
    {
        using var leaf = X509Certificate2.CreateFromPem(pem);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(leaf.SubjectName, sameKey ? leaf.PublicKey : new PublicKey(key), HashAlgorithmName.SHA256);
        foreach (var extension in leaf.Extensions) request.CertificateExtensions.Add(extension);
        return request.Create(new X500DistinguishedName("CN=nobody"), X509SignatureGenerator.CreateForECDsa(key), leaf.NotBefore, leaf.NotAfter, [7]).ExportCertificatePem() + "\n";
    }

    /// <summary>Short waits are over at once; long ones when the test says so.</summary>
    private sealed class HastyTime : TimeProvider
    {
        private readonly List<(TimerCallback Callback, object? State)> slow = [];

        public void Expire()
        {
            lock (slow)
                foreach (var (callback, state) in slow) callback(state);
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime < ClusterSigner.WaitMax) return base.CreateTimer(callback, state, dueTime < TimeSpan.FromSeconds(5) ? TimeSpan.Zero : Timeout.InfiniteTimeSpan, period);

            lock (slow) slow.Add((callback, state));
            return base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }
}
