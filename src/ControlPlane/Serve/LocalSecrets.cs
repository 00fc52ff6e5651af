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
            if (watch.Send(Secrets(who), $"{time.GetUtcNow():u}") is { } reply) await replies.WriteAsync(reply, call.CancellationToken);
        }
    }

    private ResourceSet Secrets(CallerIdentity who)
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
        return ResourceSet.Of(TypeUrl.Secret, [NamedResource.Of("default", certificate), NamedResource.Of("ROOTCA", roots)]);
    }

    private static CallerIdentity? ProxyOf(DiscoveryRequest request)
    {
        var node = Node.From(request.Node);
        return CallerIdentity.IsName(node.Namespace) && CallerIdentity.IsName(node.ServiceAccount) ? new(node.Namespace, node.ServiceAccount) : null;
    }
}
