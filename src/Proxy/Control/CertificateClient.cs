using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Grpc.Core;
using Istio.V1.Auth;
using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Control;

/// <summary>
/// Keeps the workload's certificate fresh: a new key and request at half of the lifetime, by jitter earlier or later; on failure the valid one goes on serving.
/// The key is made here and never leaves the process. Control scheduler only.
/// </summary>
internal sealed class CertificateClient(Bootstrap bootstrap, SnapshotKeeper keeper, TimeProvider time, Random random, ILogger log)
{
    private static readonly TimeSpan BackoffMin = TimeSpan.FromMilliseconds(500), BackoffMax = TimeSpan.FromSeconds(150), FileLookEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(30); // a signer outside may take its time

    /// <summary>The certificate in use; null before the first. Any thread.</summary>
    public CertificateSecret? Current => _current;

    /// <summary>Whom the workload believes; null before the first answer.</summary>
    public TrustSecret? Trusted { get; private set; }

    private volatile CertificateSecret? _current;
    private PeerValidation? _delivered;

    /// <summary>Whom the control plane itself may chain to besides the roots in the bootstrap's file. Any thread.</summary>
    public string? DeliveredRootsPem => _deliveredPem;

    private volatile string? _deliveredPem;

    public Task RunAsync(CancellationToken cancellation)
    {
        if (bootstrap.CertificateFiles is { } folder) return WatchFilesAsync(folder, cancellation);

        keeper.OnRoots = TakeRoots;
        return RotateAsync(cancellation);
    }

    /// <summary>All roots in force, from the control plane: from now on these and no others. The certificate stays as it is.</summary>
    private void TakeRoots(PeerValidation delivered)
    {
        _delivered = delivered;
        _deliveredPem = Encoding.ASCII.GetString(delivered.Roots!.Pem.Span);
        Log.RootsReceived(log, delivered.Roots.Certificates.Length);
        // The control plane takes only lists that its authorities signed; those without a list have revoked nothing.
        Trust(new(SnapshotKeeper.TrustBundle, delivered with { EveryAuthorityNeedsList = false }));
    }

    /// <summary>A former process's certificate, as long as it is valid and there is none of our own.</summary>
    public void GoOnWith(CertificateSecret certificate, TrustSecret roots)
    {
        if (_current is not null || certificate.NotAfter <= time.GetUtcNow()) return;

        _current = certificate;
        keeper.Put(certificate);
        if (_delivered is null) Trust(roots with { Validation = roots.Validation with { EveryAuthorityNeedsList = false } });
    }

    private void Trust(TrustSecret roots)
    {
        Trusted = roots;
        keeper.Put(roots);
    }

    private async Task RotateAsync(CancellationToken cancellation)
    {
        var backoff = BackoffMin;
        while (!cancellation.IsCancellationRequested)
        {
            TimeSpan wait;
            if (await RequestAsync(cancellation) is { } reason)
            {
                wait = backoff * (0.5 + random.NextDouble() / 2);
                backoff = backoff * 2 < BackoffMax ? backoff * 2 : BackoffMax;
                Log.CertificateFailed(log, bootstrap.CaAddress, reason, (long)wait.TotalMilliseconds);
            }
            else
            {
                backoff = BackoffMin;
                wait = HalfLife(_current!);
                Log.CertificateReceived(log, _current!.Name, _current.NotBefore, _current.NotAfter, (long)wait.TotalSeconds);
            }
            await DelayAsync(wait, cancellation);
        }
    }

    /// <returns>Null when it worked.</returns>
    private async Task<string?> RequestAsync(CancellationToken cancellation)
    {
        try
        {
            using var key = WorkloadKey.Create(bootstrap.RsaKeyBits);
            using var channel = GrpcChannels.Create(bootstrap.CaAddress, bootstrap.CaTls, bootstrap.CaAddress[..bootstrap.CaAddress.LastIndexOf(':')], bootstrap.DiscoveryRootPath, () => _deliveredPem);
            var headers = GrpcChannels.Credentials(bootstrap.TokenPath, Bootstrap.Text(bootstrap.Metadata, "CLUSTER_ID") ?? "");
            var reply = await new IstioCertificateService.IstioCertificateServiceClient(channel).CreateCertificateAsync(
                Wish(key),
                new CallOptions(headers, (time.GetUtcNow() + CallTimeout).UtcDateTime, cancellation));
            return Take(reply.CertChain, key);
        }
        catch (RpcException e)
        {
            return $"{e.StatusCode}: {e.Status.Detail}";
        }
        catch (Exception e) when (e is IOException or HttpRequestException or CryptographicException or UnauthorizedAccessException or OperationCanceledException)
        {
            return e.Message;
        }
    }

    private IstioCertificateRequest Wish(WorkloadKey key)
    {
        var wish = new IstioCertificateRequest { Csr = key.RequestPem(bootstrap.Identity), ValidityDuration = (long)bootstrap.CertificateLifetime.TotalSeconds };
        if (Bootstrap.Text(bootstrap.Metadata, "CERT_SIGNER") is { Length: > 0 } signer)
            wish.Metadata = new() { Fields = { ["CertSigner"] = Google.Protobuf.WellKnownTypes.Value.ForString(signer) } };
        return wish;
    }

    private string? Take(IReadOnlyList<string> chain, WorkloadKey key)
    {
        if (chain.Count == 0) return "the answer holds no certificate";

        // Leaf first, root last; each entry may hold several certificates itself.
        var pems = chain.Select(pem => pem.TrimEnd() + "\n").ToList();
        var roots = Roots(pems.Count > 1 ? pems[^1] : "");
        Install(string.Concat(pems.Count > 1 ? pems.Take(pems.Count - 1) : pems), key.ToPem(), roots);
        return null;
    }

    /// <summary>The roots of the answer, and those of the mesh's own bundle file where there is one: while roots rotate both count.</summary>
    private string Roots(string answered)
    {
        var file = File.Exists(bootstrap.DiscoveryRootPath) ? File.ReadAllText(bootstrap.DiscoveryRootPath).TrimEnd() + "\n" : "";
        return file.Contains(answered.Trim(), StringComparison.Ordinal) ? file : answered + file;
    }

    private void Install(string chainPem, string keyPem, string rootsPem)
    {
        using var leaf = X509Certificate2.CreateFromPem(chainPem);
        _current = new(SnapshotKeeper.WorkloadCertificate, Encoding.ASCII.GetBytes(chainPem), Encoding.ASCII.GetBytes(keyPem),
            leaf.NotBefore.ToUniversalTime(), leaf.NotAfter.ToUniversalTime(), leaf.SerialNumber);
        keeper.Put(_current);
        if (_delivered is not null) return;

        var roots = new X509Certificate2Collection();
        roots.ImportFromPem(rootsPem);
        var lists = File.Exists(bootstrap.RevocationListsPath) ? File.ReadAllBytes(bootstrap.RevocationListsPath) : [];
        Trust(new(SnapshotKeeper.TrustBundle, new PeerValidation
        {
            Roots = new(Encoding.ASCII.GetBytes(rootsPem), [.. roots]), CrlsPem = lists.Length == 0 ? [] : [lists], EveryAuthorityNeedsList = false,
        }));
    }

    private TimeSpan HalfLife(CertificateSecret certificate)
    {
        var half = (certificate.NotAfter - certificate.NotBefore) * (0.5 + (random.NextDouble() - 0.5) * 0.02);
        var wait = certificate.NotBefore + half - time.GetUtcNow();
        return wait > TimeSpan.FromSeconds(1) ? wait : TimeSpan.FromSeconds(1);
    }

    /// <summary>Ready-made files (another agent's, or the test's): read again when they change.</summary>
    private async Task WatchFilesAsync(string folder, CancellationToken cancellation)
    {
        string chainPath = Path.Combine(folder, "cert-chain.pem"), keyPath = Path.Combine(folder, "key.pem"), rootPath = Path.Combine(folder, "root-cert.pem");
        var seen = "";
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                var chain = File.ReadAllText(chainPath);
                var key = File.ReadAllText(keyPath);
                var root = File.ReadAllText(rootPath);
                if (seen != chain + root)
                {
                    Install(chain, key, root);
                    seen = chain + root;
                    Log.CertificateReceived(log, _current!.Name, _current.NotBefore, _current.NotAfter, (long)FileLookEvery.TotalSeconds);
                }
            }
            catch (Exception e) when (e is IOException or CryptographicException or UnauthorizedAccessException)
            {
                Log.CertificateFailed(log, folder, e.Message, (long)FileLookEvery.TotalMilliseconds);
            }
            await DelayAsync(FileLookEvery, cancellation);
        }
    }

    private async Task DelayAsync(TimeSpan wait, CancellationToken cancellation)
    {
        // A timer's longest wait is 49 days; a longer half-life is looked at again then.
        var most = TimeSpan.FromDays(40);
        try
        {
            await Task.Delay(wait < most ? wait : most, time, cancellation);
        }
        catch (OperationCanceledException)
        {
            // The process ends.
        }
    }
}
