using System.Security.Cryptography;
using Envoy.Extensions.TransportSockets.Tls.V3;
using Envoy.Service.Discovery.V3;
using Google.Protobuf;
using Grpc.Core;
using Mesh.ControlPlane.Ca;
using Mesh.Xds;
using Org.BouncyCastle.Security;

namespace Mesh.ControlPlane.Serve;

/// <summary>
/// Certificates for Envoys of this machine that have no agent beside them: what an agent answers on its Unix socket (<c>default</c> and <c>ROOTCA</c>).
/// Who can open the socket is believed in its node id; the socket's folder is its guard. Off unless asked for.
/// </summary>
internal sealed class LocalSecrets(CertificateAuthority authority, TrustDomain trustDomain, Options options, TimeProvider time, ILogger<LocalSecrets> log)
{
    private const int BundleBytesMax = 4 << 20;

    // Debian's and Red Hat's.
    private static readonly string[] SystemBundles = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

    public async Task ServeAsync(IAsyncStreamReader<DiscoveryRequest> requests, IServerStreamWriter<DiscoveryReply> replies, ServerCallContext call)
    {
        // Only a Unix socket has no address at its other end.
        if (options.LocalSds is null || call.GetHttpContext().Connection.RemoteIpAddress is not null)
            throw new RpcException(new Status(StatusCode.PermissionDenied, "secrets for local proxies are only given on the socket of --local-sds"));

        try
        {
            await AnswerAsync(requests, replies, call);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            log.LogDebug("secrets stream ended: {Reason}", e.Message);
        }
    }

    private async Task AnswerAsync(IAsyncStreamReader<DiscoveryRequest> requests, IServerStreamWriter<DiscoveryReply> replies, ServerCallContext call)
    {
        var watch = new SotwWatch(TypeUrl.Secret);
        CallerIdentity? who = null;
        while (await requests.MoveNext(call.CancellationToken))
        {
            if (who is null && ProxyOf(requests.Current) is { } named) who = named;
            if (who is null) throw new RpcException(new Status(StatusCode.InvalidArgument, "the first request names no proxy of a namespace and service account"));
            if (watch.Take(requests.Current) is DeltaRequestKind.Nack or DeltaRequestKind.Stale or DeltaRequestKind.Ack) continue;
            if (watch.Send(Secrets(who, watch.Wanted), $"{time.GetUtcNow():u}") is { } reply) await replies.WriteAsync(reply, call.CancellationToken);
        }
    }

    private ResourceSet Secrets(CallerIdentity who, IEnumerable<string> wanted)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var issued = authority.Issue(PublicKeyFactory.CreateKey(key.ExportSubjectPublicKeyInfo()), who.Spiffe(trustDomain.Name), TimeSpan.Zero);
        var certificate = new Secret
        {
            Name = "default",
            TlsCertificate = new()
            {
                CertificateChain = new() { InlineBytes = ByteString.CopyFromUtf8(string.Concat(issued.ChainPem)) },
                PrivateKey = new() { InlineBytes = ByteString.CopyFromUtf8(key.ExportPkcs8PrivateKeyPem()) },
            },
        };
        var roots = new Secret { Name = "ROOTCA", ValidationContext = new() { TrustedCa = new() { InlineBytes = ByteString.CopyFromUtf8(authority.RootsPem) } } };
        return ResourceSet.Of(TypeUrl.Secret, [NamedResource.Of("default", certificate), NamedResource.Of("ROOTCA", roots), .. wanted.Select(Roots).OfType<NamedResource>()]);
    }

    /// <summary>
    /// <c>file-root:system</c> and <c>file-root:PATH</c>: whom to believe outside the mesh. Only certificates leave, whatever the file holds; keys are never read for others.
    /// </summary>
    private static NamedResource? Roots(string name)
    {
        const string prefix = "file-root:";
        if (!name.StartsWith(prefix, StringComparison.Ordinal)) return null;

        var path = name[prefix.Length..];
        if (path == "system") path = SystemBundles.FirstOrDefault(File.Exists) ?? "";
        if (!File.Exists(path) || new FileInfo(path).Length > BundleBytesMax) return null;

        var certificates = new System.Security.Cryptography.X509Certificates.X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(File.ReadAllText(path));
        }
        catch (CryptographicException)
        {
            return null;
        }
        if (certificates.Count == 0) return null;

        var pem = certificates.ExportCertificatePems();
        return NamedResource.Of(name, new Secret { Name = name, ValidationContext = new() { TrustedCa = new() { InlineBytes = ByteString.CopyFromUtf8(pem) } } });
    }

    private static CallerIdentity? ProxyOf(DiscoveryRequest request)
    {
        var node = Node.From(request.Node);
        return CallerIdentity.IsName(node.Namespace) && CallerIdentity.IsName(node.ServiceAccount) ? new(node.Namespace, node.ServiceAccount) : null;
    }
}
