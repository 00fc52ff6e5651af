using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Mesh.Net.Tls;

/// <summary>Settings as SslStream wants them.</summary>
internal sealed class SslStreamContext : TlsContext
{
    private const string ClientAuth = "1.3.6.1.5.5.7.3.2", ServerAuth = "1.3.6.1.5.5.7.3.1";

    private readonly TimeProvider _time;
    private readonly X509Certificate2Collection _roots = [];
    private readonly SslStreamCertificateContext? _certificate;

    internal SslStreamContext(TlsSettings settings, TimeProvider time)
        : base(settings)
    {
        _time = time;
        if (!settings.RevocationListsPem.IsEmpty) throw new TlsSettingsException("revocation lists are not known to SslStream: use libssl");
        if (!settings.TrustedRootsPem.IsEmpty) Import(_roots, settings.TrustedRootsPem, "trusted root");
        if (!settings.Certificates.IsEmpty) _certificate = Load(settings.Certificates[0]);
        if (settings is { Side: TlsSide.Server, Certificates.IsEmpty: true, ChooseByServerName: null }) throw new TlsSettingsException("a TLS server needs a certificate");
    }

    private SslProtocols Versions
    {
        get
        {
            var versions = SslProtocols.None;
            if (Settings is { VersionMin: <= TlsVersion.Tls12, VersionMax: >= TlsVersion.Tls12 }) versions |= SslProtocols.Tls12;
            if (Settings.VersionMax >= TlsVersion.Tls13) versions |= SslProtocols.Tls13;
            return versions;
        }
    }

    public override ValueTask<TlsOutcome> HandshakeAsync(Connection inner, Deadline deadline, string? serverName = null) =>
        SslStreamConnection.HandshakeAsync(this, inner, deadline, serverName);

    internal SslClientAuthenticationOptions ClientOptions(string? serverName, SslStreamPeer peer) => new()
    {
        TargetHost = serverName ?? "",
        EnabledSslProtocols = Versions,
        ApplicationProtocols = Protocols(),
        ClientCertificateContext = _certificate,
        AllowRenegotiation = false,
        AllowTlsResume = Settings.Resumption,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        CertificateChainPolicy = NoChainBuilding(),
        RemoteCertificateValidationCallback = (_, leaf, chain, _) => Judge(leaf, chain, peer),
    };

    internal SslServerAuthenticationOptions ServerOptions(SslStreamPeer peer) => new()
    {
        EnabledSslProtocols = Versions,
        ApplicationProtocols = Protocols(),
        ServerCertificateContext = _certificate,
        ClientCertificateRequired = Settings.ClientCertificate != ClientCertificate.NotAsked,
        AllowRenegotiation = false,
        AllowTlsResume = Settings.Resumption,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        CertificateChainPolicy = NoChainBuilding(),
        RemoteCertificateValidationCallback = (_, leaf, chain, _) => Judge(leaf, chain, peer),
    };

    protected override void Dispose(bool disposing)
    {
        foreach (var root in _roots) root.Dispose();
    }

    private bool Judge(X509Certificate? leaf, X509Chain? chain, SslStreamPeer peer)
    {
        if (leaf is not X509Certificate2 certificate) return Settings is { Side: TlsSide.Server, ClientCertificate: not ClientCertificate.Required };

        var sent = new List<ReadOnlyMemory<byte>> { certificate.RawData };
        foreach (var extra in chain?.ChainPolicy.ExtraStore ?? [])
        {
            if (!extra.RawDataMemory.Span.SequenceEqual(sent[0].Span)) sent.Add(extra.RawData);
        }

        peer.Certificates = new PeerCertificates(sent);
        peer.Refusal = BuildChain(certificate, chain) ?? JudgeBySettings(peer);
        return peer.Refusal is null;
    }

    private string? BuildChain(X509Certificate2 leaf, X509Chain? sent)
    {
        if (_roots.Count == 0) return null;

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(_roots);
        chain.ChainPolicy.ExtraStore.AddRange(sent?.ChainPolicy.ExtraStore ?? []);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = _time.GetUtcNow().UtcDateTime;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(Settings.Side == TlsSide.Server ? ClientAuth : ServerAuth));
        return chain.Build(leaf) ? null : string.Join(", ", chain.ChainStatus.Select(s => s.StatusInformation));
    }

    private string? JudgeBySettings(SslStreamPeer peer)
    {
        var certificates = peer.Certificates!;
        if (!Settings.PeerNames.IsEmpty && !SubjectNames.Matches(SubjectNames.Read(certificates.Leaf), Settings.PeerNames))
            return $"the peer's certificate is for none of: {string.Join(", ", Settings.PeerNames)}";
        if (Settings.VerifyPeer is not { } verify) return null;

        var verdict = verify(certificates);
        peer.Identity = verdict.Identity;
        return verdict.Refusal;
    }

    private List<SslApplicationProtocol>? Protocols() =>
        Settings.Alpn.IsEmpty ? null : [.. Settings.Alpn.Select(name => new SslApplicationProtocol(name))];

    // SslStream builds a chain before it asks us; it should look nowhere but at what was sent.
    private static X509ChainPolicy NoChainBuilding() => new()
    {
        DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck, TrustMode = X509ChainTrustMode.CustomRootTrust,
    };

    private static SslStreamCertificateContext Load(TlsCertificate tls)
    {
        var all = new X509Certificate2Collection();
        Import(all, tls.ChainPem, "certificate");
        try
        {
            var leaf = X509Certificate2.CreateFromPem(Encoding.UTF8.GetString(tls.ChainPem.Span), Encoding.UTF8.GetString(tls.KeyPem.Span));
            return SslStreamCertificateContext.Create(leaf, [.. all.Skip(1)], offline: true);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new TlsSettingsException($"private key unusable for this certificate: {e.Message}", e);
        }
    }

    private static void Import(X509Certificate2Collection target, ReadOnlyMemory<byte> pem, string what)
    {
        try
        {
            target.ImportFromPem(Encoding.UTF8.GetString(pem.Span));
        }
        catch (CryptographicException e)
        {
            throw new TlsSettingsException($"{what} unusable: {e.Message}", e);
        }

        if (target.Count == 0) throw new TlsSettingsException($"{what} unusable: no certificate in the PEM");
    }
}

/// <summary>What a handshake learns of the peer.</summary>
internal sealed class SslStreamPeer
{
    internal PeerCertificates? Certificates { get; set; }

    internal object? Identity { get; set; }

    internal string? Refusal { get; set; }
}
