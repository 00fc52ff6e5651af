using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.SystemTests.Demo;

/// <summary>A folder with a service and a gateway in front of it that ends TLS for shop.test. Gone when disposed.</summary>
internal sealed class Edge : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("mesh-edge-test-").FullName;
    private readonly int port = FreePorts.FourInARow();

    public Edge()
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
        UseCertificate(0);
        Write("route", "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: shop, namespace: shop}, spec: {hosts: [shop.test], gateways: [edge], http: [{route: [{destination: {host: shop}}]}]}}");
    }

    /// <summary>Nobody listens there: for the test's own use.</summary>
    public int SparePort => port + 2;
    public (string Thumbprint, string Yaml)[] Certificates { get; } = [Certificate(), Certificate()];
    /// <summary>Thumbprints of the certificates that callers were shown.</summary>
    public ConcurrentDictionary<string, int> Shown { get; } = [];

    private int TlsPort => port + 1;

    public async Task<RunningMesh> RunAsync()
    {
        var mesh = RunningMesh.Start(["run", folder, "--json"]);
        await mesh.LineAsync("^{.*}$");
        using var client = Client();
        while (await CallAsync(client, "/") is not (200, _)) mesh.Patience.ThrowIfCancellationRequested();
        return mesh;
    }

    public void UseCertificate(int number) => Write("secret", Certificates[number].Yaml);

    /// <summary>A file of the folder, replaced whole.</summary>
    public void Write(string name, string text)
    {
        File.WriteAllText(Path.Combine(folder, name + ".next"), text);
        File.Move(Path.Combine(folder, name + ".next"), Path.Combine(folder, name + ".yaml"), overwrite: true);
    }

    /// <param name="lifetime">Of a connection; null: it stays.</param>
    public HttpClient Client(TimeSpan? lifetime = null) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        PooledConnectionLifetime = lifetime ?? Timeout.InfiniteTimeSpan,
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
                Shown[thumbprint] = 1;
                return errors == SslPolicyErrors.RemoteCertificateChainErrors && Array.Exists(Certificates, one => one.Thumbprint == thumbprint);
            },
        },
    })
    { Timeout = TimeSpan.FromSeconds(20) };

    /// <returns>Status 0 and what was wrong when there was no answer.</returns>
    public async Task<(int Status, string Body)> CallAsync(HttpClient client, string path, params (string Name, string Value)[] headers)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"https://shop.test:{TlsPort}{path}"));
            foreach (var (name, value) in headers) request.Headers.Add(name, value);
            using var answer = await client.SendAsync(request);
            return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return (0, e.ToString());
        }
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

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
