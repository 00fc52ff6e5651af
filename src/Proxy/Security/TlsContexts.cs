using System.Collections.Immutable;
using Mesh.Net.Tls;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Security;

/// <summary>One loop's TLS contexts, made ready when first needed and kept until their settings or secrets change. Loop thread only.</summary>
internal sealed class TlsContexts(TlsProvider provider, TimeProvider time)
{
    /// <summary>Between this mesh's own sidecars: HTTP/2 that carries HTTP/1.1 and HTTP/2 exchanges alike, each stream saying which it was.</summary>
    public const string MeshH2 = "mesh-h2";

    // Those of settings that are gone stay until then.
    private const int ContextsMax = 4096;

    private readonly Dictionary<Key, (Net.Tls.TlsContext? Context, string? Reason)> _contexts = [];
    private readonly Dictionary<CertificateSecret, string> _uris = [];
    private ImmutableDictionary<string, Secret> _secrets = ImmutableDictionary<string, Secret>.Empty;

    /// <summary>Contexts in use by connections live on; new connections get new ones where a secret changed.</summary>
    public void Use(ImmutableDictionary<string, Secret> secrets)
    {
        if (ReferenceEquals(secrets, _secrets)) return;

        // A gateway of a thousand certificates gets one new; the contexts of the others are as good as they were.
        if (_contexts.Count > ContextsMax) _contexts.Clear();
        foreach (var key in _contexts.Keys.ToList())
            if (key.Tls.SecretNames.Any(name => !ReferenceEquals(secrets.GetValueOrDefault(name), _secrets.GetValueOrDefault(name)))) _contexts.Remove(key);
        _secrets = secrets;
        _uris.Clear();
    }

    /// <returns>Null and the reason when a secret has not arrived or cannot be used.</returns>
    public (Net.Tls.TlsContext? Context, string? Reason) ForServer(DownstreamTls tls, bool offerMeshH2)
    {
        var key = new Key(tls, offerMeshH2 ? MeshH2 : "", "");
        if (_contexts.TryGetValue(key, out var known)) return known;

        return _contexts[key] = Create(tls, TlsSide.Server, offerMeshH2 ? [MeshH2, .. tls.Alpn] : tls.Alpn, "");
    }

    /// <param name="alpn">What to offer instead of the context's own list.</param>
    /// <param name="requiredName">A name the peer's certificate must carry besides; empty for none.</param>
    public (Net.Tls.TlsContext? Context, string? Reason) ForClient(UpstreamTls tls, ImmutableArray<string> alpn, string requiredName)
    {
        var key = new Key(tls, alpn.Length == 0 ? "" : alpn.Length == 1 ? alpn[0] : string.Join(',', alpn), requiredName);
        if (_contexts.TryGetValue(key, out var known)) return known;

        return _contexts[key] = Create(tls, TlsSide.Client, alpn.IsEmpty ? tls.Alpn : alpn, requiredName);
    }

    /// <summary>The URI of the certificate that a context presents; empty when it has none.</summary>
    public string OwnUri(DownstreamTls tls)
    {
        foreach (var name in tls.CertificateNames)
            if (_secrets.GetValueOrDefault(name) is CertificateSecret secret) return UriOf(secret);
        foreach (var secret in tls.Certificates) return UriOf(secret);
        return "";
    }

    private string UriOf(CertificateSecret secret)
    {
        if (_uris.TryGetValue(secret, out var known)) return known;

        using var leaf = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPem(System.Text.Encoding.UTF8.GetString(secret.ChainPem.Span));
        return _uris[secret] = CertificateNames.Read(leaf).Uris.FirstOrDefault() ?? "";
    }

    private (Net.Tls.TlsContext? Context, string? Reason) Create(Config.TlsContext tls, TlsSide side, ImmutableArray<string> alpn, string requiredName)
    {
        foreach (var name in tls.SecretNames)
            if (!_secrets.ContainsKey(name)) return (null, "TLS_error: Secret is not supplied by SDS");

        var certificates = tls.Certificates.ToBuilder();
        foreach (var name in tls.CertificateNames)
            if (_secrets[name] is CertificateSecret secret) certificates.Add(secret);

        var trust = tls.ValidationName.Length > 0 ? (_secrets[tls.ValidationName] as TrustSecret)?.Validation : null;
        var verifier = PeerVerifier.For(tls.Validation, trust, requiredName, side == TlsSide.Client, time);
        var settings = new TlsSettings
        {
            Side = side,
            Certificates = [.. certificates.Select(c => new TlsCertificate(c.ChainPem, c.KeyPem))],
            VersionMin = tls.VersionMin,
            VersionMax = tls.VersionMax,
            CipherSuites = tls.CipherSuites,
            Curves = tls.Curves,
            Alpn = alpn,
            ClientCertificate = tls is DownstreamTls { RequireClientCertificate: true } ? ClientCertificate.Required
                : verifier is not null && side == TlsSide.Server ? ClientCertificate.Optional : ClientCertificate.NotAsked,
            VerifyPeer = verifier is null ? null : verifier.Judge,
            Resumption = tls is DownstreamTls { ResumesSessions: true },
        };
        try
        {
            return (provider.CreateContext(settings), null);
        }
        catch (TlsSettingsException e)
        {
            return (null, "TLS_error: " + e.Message);
        }
    }

    private readonly record struct Key(Config.TlsContext Tls, string Alpn, string RequiredName)
    {
        public bool Equals(Key other) => ReferenceEquals(Tls, other.Tls) && Alpn == other.Alpn && RequiredName == other.RequiredName;

        public override int GetHashCode() => HashCode.Combine(System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(Tls), Alpn, RequiredName);
    }
}
