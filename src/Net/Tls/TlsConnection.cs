namespace Mesh.Net.Tls;

/// <summary>A connection inside TLS: what it reads and writes is plain, what travels is not.</summary>
public abstract class TlsConnection(Loop loop) : ReadinessConnection(loop)
{
    /// <summary>Null when the peer showed no certificate.</summary>
    public PeerCertificates? PeerCertificates { get; private protected set; }

    /// <summary>What <see cref="TlsSettings.VerifyPeer"/> read from the peer's chain.</summary>
    public object? PeerIdentity { get; private protected set; }

    /// <summary>The protocol agreed on; null when none was.</summary>
    public string? Alpn { get; private protected set; }

    /// <summary>The name the client asked for; null when it named none.</summary>
    public string? ServerName { get; private protected set; }

    public TlsVersion Version { get; private protected set; }

    /// <summary>The cipher suite's standard name, e.g. TLS_AES_128_GCM_SHA256.</summary>
    public string CipherSuite { get; private protected set; } = "";

    public bool IsResumed { get; private protected set; }

    /// <summary>Why the TLS layer ended the connection, in the library's words; null while it has not.</summary>
    public string? FailureReason { get; private protected set; }
}
