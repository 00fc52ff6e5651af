using System.Collections.Immutable;

namespace Mesh.Proxy.Config;

/// <summary>Versions, suites, ALPN and secrets: what both directions share.</summary>
internal record TlsContext
{
    public Mesh.Net.Tls.TlsVersion VersionMin { get; init; } = Mesh.Net.Tls.TlsVersion.Tls12;
    public Mesh.Net.Tls.TlsVersion VersionMax { get; init; } = Mesh.Net.Tls.TlsVersion.Tls13;
    /// <summary>OpenSSL names for TLS 1.2; empty: the process's own list.</summary>
    public ImmutableArray<string> CipherSuites { get; init; } = [];
    public ImmutableArray<string> Curves { get; init; } = [];
    public ImmutableArray<string> Alpn { get; init; } = [];

    /// <summary>Names of certificate secrets to present (SDS).</summary>
    public ImmutableArray<string> CertificateNames { get; init; } = [];
    /// <summary>Certificates written into the context itself.</summary>
    public ImmutableArray<CertificateSecret> Certificates { get; init; } = [];
    /// <summary>Name of the secret with the roots; its own conditions are joined with <see cref="Validation"/>.</summary>
    public string ValidationName { get; init; } = "";
    public PeerValidation? Validation { get; init; }

    /// <summary>Secrets that must be there before this context can serve.</summary>
    public IEnumerable<string> SecretNames => ValidationName.Length > 0 ? CertificateNames.Append(ValidationName) : CertificateNames;
}

/// <summary>How connections are accepted.</summary>
internal sealed record DownstreamTls : TlsContext
{
    public bool RequireClientCertificate { get; init; }
    public bool RequireSni { get; init; }
    /// <summary>Without effect where client certificates are asked for.</summary>
    public bool ResumesSessions { get; init; } = true;
    public bool OcspMustStaple { get; init; }
    public bool PreferClientCiphers { get; init; }
}

/// <summary>How connections are opened.</summary>
internal sealed record UpstreamTls : TlsContext
{
    public string Sni { get; init; } = "";
    /// <summary>Use the request's authority (or the endpoint's name) as server name when <see cref="Sni"/> is empty.</summary>
    public bool AutoSni { get; init; }
    /// <summary>And demand that the certificate carries that name.</summary>
    public bool AutoSanValidation { get; init; }
    public string AutoSniHeader { get; init; } = "";
    public bool AllowRenegotiation { get; init; }
}
