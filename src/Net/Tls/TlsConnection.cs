namespace Mesh.Net.Tls;

/// <summary>A connection inside TLS: what it reads and writes is plain, what travels is not.</summary>
public abstract class TlsConnection(Loop loop) : Connection(loop)
{
    /// <summary>Null when the peer showed no certificate.</summary>
    public abstract PeerCertificates? PeerCertificates { get; }

    /// <summary>What <see cref="TlsSettings.VerifyPeer"/> read from the peer's chain.</summary>
    public abstract object? PeerIdentity { get; }

    /// <summary>The protocol agreed on; null when none was.</summary>
    public abstract string? Alpn { get; }

    /// <summary>The name the client asked for; null when it named none.</summary>
    public abstract string? ServerName { get; }

    public abstract TlsVersion Version { get; }

    /// <summary>The cipher suite's standard name, e.g. TLS_AES_128_GCM_SHA256.</summary>
    public abstract string CipherSuite { get; }

    public abstract bool IsResumed { get; }

    /// <summary>Why the TLS layer ended the connection, in the library's words; null while it has not.</summary>
    public abstract string? FailureReason { get; }
}
