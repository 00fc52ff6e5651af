using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.SystemTests.Demo;

/// <summary>A gateway that ends TLS, run from a folder, while the folder's Secret and routes change under load.</summary>
[Collection("demo")]
public sealed class EdgeTests : IAsyncLifetime
{
    private const int Changes = 60;

    private readonly string folder = Directory.CreateTempSubdirectory("mesh-edge-test-").FullName;
    private readonly int port = FreePorts.FourInARow();
    private readonly (string Thumbprint, string Yaml)[] certificates = [Certificate(), Certificate()];
    private readonly ConcurrentDictionary<string, int> shown = [];

    private int TlsPort => port + 1;

    public ValueTask InitializeAsync()
    {
        Write("mesh", $$$"""
            apiVersion: networking.istio.io/v1
            kind: WorkloadEntry
            metadata: {name: shop-v1, namespace: shop, annotations: {run.meshctl/command: "{{{Programs.SampleService}}} --name shop --version v1 --listen 127.0.0.1:{{{port}}}"}}
            spec: {address: 127.0.0.1, serviceAccount: shop, labels: {app: shop}, ports: {http: {{{port}}}}}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: shop, namespace: shop}
            spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
            ---
            apiVersion: networking.istio.io/v1
            kind: WorkloadEntry
            metadata: {name: edge, namespace: shop}
            spec: {address: 127.0.0.1, serviceAccount: edge, labels: {app: edge}}
            ---
            apiVersion: networking.istio.io/v1
            kind: Gateway
            metadata: {name: edge, namespace: shop}
            spec:
              selector: {app: edge}
              servers: [{port: {number: {{{TlsPort}}}, name: https, protocol: HTTPS}, bind: 127.0.0.1, hosts: [shop.test], tls: {mode: SIMPLE, credentialName: edge}}]
            """);
        Change(0);
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Certificate_and_routes_change_ten_times_a_second_and_no_request_fails()
    {
        await using var mesh = RunningMesh.Start(["run", folder, "--json"]);
        await mesh.LineAsync("^{.*}$");
        using var staying = Client(TimeSpan.FromMinutes(5));
        using var coming = Client(TimeSpan.Zero);
        while (await CallAsync(staying) is not null) mesh.Patience.ThrowIfCancellationRequested();

        using var over = new CancellationTokenSource();
        var load = Task.WhenAll(new[] { staying, staying, coming, coming }.Select(client => Task.Run(() => LoadAsync(client, over.Token))));
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        for (var i = 1; i <= Changes || shown.Count < certificates.Length; i++)
        {
            await tick.WaitForNextTickAsync(mesh.Patience);
            Change(i);
        }
        await over.CancelAsync();
        var results = await load;

        Assert.Equal([], results.SelectMany(result => result.Failed));
        Assert.All(results, result => Assert.NotEqual(0, result.Asked));
    }

    private void Change(int number)
    {
        Write("secret", certificates[number / 5 % 2].Yaml);
        Write("route", $$"""
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {name: shop, namespace: shop}
            spec:
              hosts: [shop.test]
              gateways: [edge]
              http:
              - name: n{{number}}
                timeout: {{10 + number}}s
                route: [{destination: {host: shop} }]
            """);
    }

    private void Write(string name, string text)
    {
        File.WriteAllText(Path.Combine(folder, name + ".next"), text);
        File.Move(Path.Combine(folder, name + ".next"), Path.Combine(folder, name + ".yaml"), overwrite: true);
    }

    private HttpClient Client(TimeSpan lifetime) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        PooledConnectionLifetime = lifetime,
        ConnectCallback = async (_, cancel) =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, TlsPort), cancel);
            return new NetworkStream(socket, ownsSocket: true);
        },
        SslOptions = new()
        {
            RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
            {
                var thumbprint = certificate!.GetCertHashString();
                shown[thumbprint] = 1;
                return errors == SslPolicyErrors.RemoteCertificateChainErrors && certificates.Any(one => one.Thumbprint == thumbprint);
            },
        },
    })
    { Timeout = TimeSpan.FromSeconds(20) };

    private async Task<(int Asked, List<string> Failed)> LoadAsync(HttpClient client, CancellationToken over)
    {
        var (asked, failed) = (0, new List<string>());
        for (; !over.IsCancellationRequested; asked++)
            if (await CallAsync(client) is { } failure) failed.Add(failure);
        return (asked, failed);
    }

    /// <returns>Null when it was answered with 200.</returns>
    private async Task<string?> CallAsync(HttpClient client)
    {
        try
        {
            using var answer = await client.GetAsync(new Uri($"https://shop.test:{TlsPort}/"));
            return answer.StatusCode == HttpStatusCode.OK ? null : $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}";
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return e.ToString();
        }
    }

    private static (string Thumbprint, string Yaml) Certificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=shop.test", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("shop.test");
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddHours(-1), now.AddDays(1));
        string Line(string pem) => pem.Replace("\n", "\\n", StringComparison.Ordinal);
        return (certificate.GetCertHashString(),
            $"{{apiVersion: v1, kind: Secret, metadata: {{name: edge, namespace: shop}}, type: kubernetes.io/tls, stringData: {{tls.crt: \"{Line(certificate.ExportCertificatePem())}\\n\", tls.key: \"{Line(key.ExportPkcs8PrivateKeyPem())}\\n\"}}}}");
    }
}
