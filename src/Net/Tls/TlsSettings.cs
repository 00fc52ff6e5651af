using System.Collections.Immutable;

namespace Mesh.Net.Tls;

public enum TlsSide { Client, Server }

public enum TlsVersion { Tls10 = 0x0301, Tls11 = 0x0302, Tls12 = 0x0303, Tls13 = 0x0304 }

/// <summary>Does a server ask for the client's certificate?</summary>
public enum ClientCertificate { NotAsked, Optional, Required }

/// <summary>A certificate with the chain above it, and its key, both PEM.</summary>
public sealed record TlsCertificate(ReadOnlyMemory<byte> ChainPem, ReadOnlyMemory<byte> KeyPem);

/// <summary>What to present, whom to believe. One value makes one <see cref="TlsContext"/>, to be kept and shared by every connection of a loop.</summary>
public sealed record TlsSettings
{
    public required TlsSide Side { get; init; }

    /// <summary>Several: of different key types, the peer's algorithms choose. A server needs one at least.</summary>
    public ImmutableArray<TlsCertificate> Certificates { get; init; } = [];

    public TlsVersion VersionMin { get; init; } = TlsVersion.Tls12;

    public TlsVersion VersionMax { get; init; } = TlsVersion.Tls13;

    /// <summary>OpenSSL names, for TLS 1.2, in order of preference; empty: <see cref="DefaultCipherSuites"/>. TLS 1.3 has its own three, all good.</summary>
    public ImmutableArray<string> CipherSuites { get; init; } = [];

    /// <summary>OpenSSL names, such as X25519, P-256; empty: the library's own order.</summary>
    public ImmutableArray<string> Curves { get; init; } = [];

    /// <summary>In order of preference; a server's order decides. Empty: no ALPN.</summary>
    public ImmutableArray<string> Alpn { get; init; } = [];

    /// <summary>A server whose client offers ALPN but nothing of ours: true ends the handshake (no_application_protocol), false goes on without.</summary>
    public bool AlpnMismatchIsFatal { get; init; }

    public ClientCertificate ClientCertificate { get; init; } = ClientCertificate.NotAsked;

    /// <summary>
    /// Who may sign peers, PEM. Given: the library checks the chain against them first (signatures, dates, purpose, revocation).
    /// Empty: it does not; a client without <see cref="VerifyPeer"/> then believes anybody (Istio's SIMPLE without credentials), and a server that asks for certificates must have <see cref="VerifyPeer"/>.
    /// </summary>
    public ReadOnlyMemory<byte> TrustedRootsPem { get; init; }

    /// <summary>
    /// Our own judgement of the peer's chain, after the library's and <see cref="PeerNames"/>. With no roots given it is the only one, so it must check signatures too.
    /// Called on the loop, must not wait. What it believed is not asked again until <see cref="PeerVerdict.ValidUntil"/>.
    /// </summary>
    public Func<PeerCertificates, PeerVerdict>? VerifyPeer { get; init; }

    /// <summary>One of these must be in the peer's subject alternative names, exactly (DNS, URI, IP or e-mail; a DNS wildcard in the certificate matches one label). Empty: any.</summary>
    public ImmutableArray<string> PeerNames { get; init; } = [];

    /// <summary>Revocation lists, PEM; with it, a peer whose issuer's list is missing is refused.</summary>
    public ReadOnlyMemory<byte> RevocationListsPem { get; init; }

    /// <summary>
    /// Sessions may be resumed. A server gives tickets where it asks for no certificate, and nothing otherwise: who somebody is must be proven on every connection.
    /// A client keeps the verdict on the server that its full handshake came to, as long as that holds.
    /// </summary>
    public bool Resumption { get; init; }

    /// <summary>A server's choice by the client's server name, before anything is presented. Null result: this context itself.</summary>
    public Func<string, TlsContext?>? ChooseByServerName { get; init; }

    /// <summary>Forward secrecy and authenticated encryption only.</summary>
    public static ImmutableArray<string> DefaultCipherSuites { get; } =
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    ];
}
