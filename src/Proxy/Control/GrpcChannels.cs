using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;

namespace Mesh.Proxy.Control;

/// <summary>Channels to the control plane: plain or with TLS against the roots in a file, read anew for every connection because roots rotate.</summary>
internal static class GrpcChannels
{
    private const int MessageBytesMax = 64 * 1024 * 1024;

    /// <param name="moreRootsPem">Roots that became known later than the file, while they rotate.</param>
    public static GrpcChannel Create(string address, bool tls, string serverName, string rootPath, Func<string?> moreRootsPem)
    {
        // What the call owns is disposed with the channel.
        var handler = new SocketsHttpHandler
        {
            EnableMultipleHttp2Connections = false,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            KeepAlivePingDelay = TimeSpan.FromSeconds(30),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
            UseProxy = false,
        };
        if (tls)
        {
            handler.SslOptions = new()
            {
                TargetHost = serverName,
                RemoteCertificateValidationCallback = (_, certificate, chain, errors) => IsTrusted(certificate, chain, errors, rootPath, moreRootsPem()),
            };
        }
        return GrpcChannel.ForAddress($"{(tls ? "https" : "http")}://{address}", new()
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = MessageBytesMax,
        });
    }

    /// <summary>The service account's token, read for each call: the kubelet renews it in place. No file: no token.</summary>
    public static Metadata Credentials(string tokenPath, string clusterId)
    {
        var headers = new Metadata();
        if (File.Exists(tokenPath)) headers.Add("authorization", "Bearer " + File.ReadAllText(tokenPath).Trim());
        if (clusterId.Length > 0) headers.Add("clusterid", clusterId);
        return headers;
    }

    private static bool IsTrusted(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors, string rootPath, string? moreRootsPem)
    {
        if (certificate is not X509Certificate2 leaf || chain is null || (errors & SslPolicyErrors.RemoteCertificateNameMismatch) != 0) return false;
        if (!File.Exists(rootPath)) return errors == SslPolicyErrors.None;

        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.ImportFromPemFile(rootPath);
        if (moreRootsPem is not null) chain.ChainPolicy.CustomTrustStore.ImportFromPem(moreRootsPem);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        return chain.Build(leaf);
    }
}
