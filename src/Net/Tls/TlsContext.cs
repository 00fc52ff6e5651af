namespace Mesh.Net.Tls;

/// <summary>
/// Settings made ready: keys parsed, roots loaded, verdicts and sessions remembered. Expensive to make, cheap to use: one per identity and loop, replaced when the settings change.
/// Connections begun with it keep it alive.
/// </summary>
public abstract class TlsContext(TlsSettings settings) : IDisposable
{
    public TlsSettings Settings { get; } = settings;

    /// <summary>
    /// Takes the connection over, with what its <see cref="Connection.Input"/> already holds (a peeked ClientHello). On failure it is closed, after the alert was sent.
    /// </summary>
    /// <param name="serverName">Client: the name to ask for (SNI); null for none. Server: ignored.</param>
    public abstract ValueTask<TlsOutcome> HandshakeAsync(Connection inner, Deadline deadline, string? serverName = null);

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}

/// <summary>How a handshake ended.</summary>
/// <param name="Reason">In words, when it failed in the TLS layer: for logs and for the client's 503.</param>
public readonly record struct TlsOutcome(TlsConnection? Connection, IoStatus Status, string? Reason = null);

/// <summary>Makes contexts: libssl in production, SslStream as reference.</summary>
public abstract class TlsProvider
{
    /// <summary>Throws <see cref="TlsSettingsException"/> when a certificate, key, root, suite or curve is unusable; the message names which.</summary>
    public abstract TlsContext CreateContext(TlsSettings settings);
}

/// <summary>Unusable TLS settings: which part, and what is wrong with it.</summary>
public sealed class TlsSettingsException : Exception
{
    public TlsSettingsException()
    {
    }

    public TlsSettingsException(string message)
        : base(message)
    {
    }

    public TlsSettingsException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
