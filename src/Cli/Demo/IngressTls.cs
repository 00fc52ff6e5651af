using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Cli.Demo;

/// <summary>
/// HTTPS at the demo's gateway: two hosts, each a server of its own, and one certificate for both, so that a browser will try to reach the second over the
/// connection it has to the first.
/// </summary>
/// <param name="Shop">The frontend.</param>
/// <param name="Api">The backend.</param>
/// <param name="AuthorityFile">PEM of the authority that made the certificate, for <c>curl --cacert</c>.</param>
internal sealed record IngressTls(Uri Shop, Uri Api, string AuthorityFile)
{
    public const string ShopHost = "shop.localhost", ApiHost = "api.localhost";

    // As long as anybody leaves a demo running, and some.
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(7);

    /// <summary>Makes authority, certificate and YAML in the mesh's folder.</summary>
    public static IngressTls Write(string folder, string bind, int port, TimeProvider time)
    {
        var from = time.GetUtcNow().AddMinutes(-1);
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var authorityRequest = new CertificateRequest("CN=meshctl demo", authorityKey, HashAlgorithmName.SHA256);
        authorityRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        authorityRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        using var authority = authorityRequest.CreateSelfSigned(from, from + Lifetime);

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={ShopHost}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(ShopHost);
        names.AddDnsName(ApiHost);
        names.AddIpAddress(IPAddress.Parse(bind));
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1")], false));
        using var certificate = request.Create(authority, from, from + Lifetime, RandomNumberGenerator.GetBytes(16));

        Directory.CreateDirectory(folder);
        var authorityFile = Path.Combine(folder, "ingress-ca.pem");
        File.WriteAllText(authorityFile, authority.ExportCertificatePem() + "\n");
        var yaml = Path.Combine(folder, "91-ingress-tls.yaml");
        File.WriteAllText(yaml, Yaml(bind, port, certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem()));
        // It holds a private key.
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(yaml, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return new(new($"https://{ShopHost}:{port}/"), new($"https://{ApiHost}:{port}/"), authorityFile);
    }

    private static string Yaml(string bind, int port, string certificate, string key) => $$"""
        # HTTPS from outside. The Secret stands in the namespace of the gateway's pod.
        apiVersion: v1
        kind: Secret
        metadata:
          name: ingress
          namespace: istio-system
        type: kubernetes.io/tls
        stringData:
          tls.crt: |
        {{Indented(certificate)}}
          tls.key: |
        {{Indented(key)}}
        ---
        apiVersion: networking.istio.io/v1
        kind: Gateway
        metadata:
          name: ingress-tls
          namespace: {{DemoYaml.Namespace}}
        spec:
          selector:
            istio: ingressgateway
          servers:
          - port:
              number: {{port}}
              name: https-shop
              protocol: HTTPS
            bind: {{bind}}
            tls: {mode: SIMPLE, credentialName: ingress}
            hosts: [{{ShopHost}}]
          - port:
              number: {{port}}
              name: https-api
              protocol: HTTPS
            bind: {{bind}}
            tls: {mode: SIMPLE, credentialName: ingress}
            hosts: [{{ApiHost}}]
        ---
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata:
          name: shop
          namespace: {{DemoYaml.Namespace}}
        spec:
          hosts: [{{ShopHost}}]
          gateways: [ingress-tls]
          http:
          - route:
            - destination:
                host: frontend
        ---
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata:
          name: api
          namespace: {{DemoYaml.Namespace}}
        spec:
          hosts: [{{ApiHost}}]
          gateways: [ingress-tls]
          http:
          - route:
            - destination:
                host: backend

        """;

    private static string Indented(string pem) => string.Join('\n', pem.Split('\n').Select(line => "    " + line));
}
