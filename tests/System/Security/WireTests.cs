using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Mesh.SystemTests.Security;

/// <summary>Pods in network namespaces with the real redirection: what lies on the wire between them, and who is let in.</summary>
[Collection("demo")]
public sealed class WireTests
{
    private const string Host = "10.78.0.1", Backend = "10.78.0.10";
    private const string Good = "spiffe://cluster.local/ns/demo/sa/frontend";

    // Of the requests and answers that pass between the pods.
    // By their ends, too: the first message of TLS names the protocols that the caller would speak, http/1.1 among them.
    private static readonly string[] Plaintext = [" HTTP/1.1\r\n", "HTTP/1.1 200", "GET / ", "x-request-id", "content-type", "text/plain", "backend v"];

    [Fact]
    public async Task Between_pods_nothing_is_in_plain_text_and_nobody_comes_in_without_a_certificate_of_the_mesh()
    {
        if (!Environment.IsPrivilegedProcess) Assert.Skip("needs root to make network namespaces");

        var authority = new OwnAuthority("test");
        await using var mesh = await MeshUnderTest.StartAsync(authority, Host, "--transparent", "--rate", "50");

        using (var tap = new WireTap())
        {
            await mesh.UntilAsync("requests are answered", async () => (await mesh.IssuedAsync()) >= 4 && Plain("10.78.0.13", "/") == "200");
            for (var i = 0; i < 20; i++) Assert.Equal("200", Plain("10.78.0.13", "/"));
            var segments = tap.Stop();
            var fromOutside = segments.Where(s => s.From == Host || s.To == Host).ToList();
            var between = segments.Where(s => s.From != Host && s.To != Host && s.From.StartsWith("10.78.0.", StringComparison.Ordinal)).ToList();

            // The tap sees what there is: calls from outside to the gateway are plain text.
            Assert.Contains(fromOutside, s => Text(s.Payload).Contains("GET / HTTP/1.1", StringComparison.Ordinal));
            Assert.True(between.Sum(s => s.Payload.Length) > 10_000, "the pods did not talk to each other");
            foreach (var word in Plaintext) Assert.DoesNotContain(between, s => Text(s.Payload).Contains(word, StringComparison.OrdinalIgnoreCase));
        }

        // STRICT: plain text is closed without an answer; a certificate of the mesh is served, and no other.
        Assert.Equal("closed", Plain(Backend, "/"));
        Assert.Equal("200", Mutual(authority.Issue(Good)));
        Assert.Equal("closed", Mutual(null));
        Assert.Equal("closed", Mutual(authority.Issue("spiffe://other.domain/ns/demo/sa/frontend")));
        Assert.Equal("closed", Mutual(authority.Issue(Good, TimeSpan.FromHours(-3), TimeSpan.FromHours(-1))));
        Assert.Equal("closed", Mutual(authority.Issue(Good, TimeSpan.FromHours(1), TimeSpan.FromHours(3))));
        Assert.Equal("closed", Mutual(authority.Issue(Good + "\0.evil")));
        Assert.Equal("closed", Mutual(new OwnAuthority("test").Issue(Good)));
        Assert.Equal("200", Mutual(authority.Issue(Good)));

        var (offered, findings) = await SslScan.OfAsync(Backend, 8080);
        Assert.Equal("TLSv1.2 TLSv1.3", offered);
        Assert.Empty(findings);

        var file = Path.Combine(mesh.Folder, "02-mtls.yaml");
        File.WriteAllText(file, File.ReadAllText(file).Replace("STRICT", "PERMISSIVE", StringComparison.Ordinal));
        await mesh.UntilAsync("plain text is served", () => Task.FromResult(Plain(Backend, "/") == "200"));
        Assert.Equal("200", Mutual(authority.Issue(Good)));
    }

    private static string Text(byte[] bytes) => Encoding.Latin1.GetString(bytes);

    private static string Plain(string address, string path)
    {
        try
        {
            using var client = Connect(address);
            return Ask(client.GetStream(), path);
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return "closed";
        }
    }

    private static string Mutual((X509Certificate2 Leaf, X509Certificate2Collection Chain)? identity)
    {
        try
        {
            using var client = Connect(Backend);
            using var tls = new SslStream(client.GetStream());
            tls.AuthenticateAsClient(new SslClientAuthenticationOptions
            {
                TargetHost = "outbound_.8080_._.backend.demo.svc.cluster.local",
                ApplicationProtocols = [new("istio-http/1.1")],
                ClientCertificateContext = identity is { } shown ? SslStreamCertificateContext.Create(shown.Leaf, shown.Chain, offline: true) : null,
                // Whom it meets is not the question here; it looks at nothing but that there is a certificate.
                RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null,
            });
            return Ask(tls, "/");
        }
        catch (Exception e) when (e is SocketException or IOException or AuthenticationException)
        {
            return "closed";
        }
    }

    private static TcpClient Connect(string address) => new(address, 8080) { ReceiveTimeout = 10_000, SendTimeout = 10_000 };

    /// <returns>The status, or "closed".</returns>
    private static string Ask(Stream stream, string path)
    {
        stream.Write(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nhost: backend\r\nconnection: close\r\n\r\n"));
        var head = new byte[12];
        return stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) < head.Length ? "closed" : Encoding.ASCII.GetString(head, 9, 3);
    }
}
