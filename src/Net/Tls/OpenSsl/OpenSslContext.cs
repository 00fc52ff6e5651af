using System.Security.Cryptography;

namespace Mesh.Net.Tls.OpenSsl;

/// <summary>One SSL_CTX: everything that is the same for all connections of one settings record.</summary>
internal sealed unsafe class OpenSslContext : TlsContext
{
    private const uint ModePartialWrite = 0x1, ModeMovingBuffer = 0x2, ModeNoAutoChain = 0x8, ModeReleaseBuffers = 0x10;
    private const int SessionsOff = 0, SessionsOfClient = 0x1 | 0x300, SessionsInTickets = 0x2 | 0x300;
    private const int VerdictsMax = 2048;

    // Strong, quick, and understood by all: the order also spares the peer a second ClientHello.
    private const string DefaultGroups = "X25519:P-256:P-384";

    // The library's own order begins with 256 bits and SHA-384, which cost a fifth more and defend nothing that the rest of the chain does.
    private const string Suites13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

    private readonly nint _context;
    private readonly TimeProvider _time;
    private readonly TicketKeys _ticketKeys;
    private readonly int _verifyMode;
    private byte[]? _ticketKeysInUse;
    private bool _isDisposed;

    internal OpenSslContext(TlsSettings settings, TimeProvider time, TicketKeys ticketKeys)
        : base(settings)
    {
        (_time, _ticketKeys) = (time, ticketKeys);
        _context = LibSsl.ContextNew(LibSsl.TlsMethod());
        if (_context == 0) throw new TlsSettingsException($"libssl gives no context: {SslErrors.Take()}");

        _verifyMode = VerifyModeOf(settings);
        AlpnWire = SslPem.AlpnWire(settings.Alpn);
        try
        {
            Prepare();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    // Whoever replaces a context when a secret changes need not know who still uses the old one.
    ~OpenSslContext() => Dispose(false);

    internal byte[] AlpnWire { get; }

    internal SslSessions Sessions { get; } = new();

    internal PeerVerdicts Verdicts { get; } = new(VerdictsMax);

    /// <summary>A server resumes sessions by tickets, and only where nobody shows a certificate: who somebody is must be proven on every connection.</summary>
    private bool GivesTickets => Settings is { Side: TlsSide.Server, Resumption: true, ClientCertificate: ClientCertificate.NotAsked };

    private bool TakesTickets => Settings is { Side: TlsSide.Client, Resumption: true };

    internal bool HasRoots => !Settings.TrustedRootsPem.IsEmpty;

    internal DateTimeOffset Now => _time.GetUtcNow();

    public override ValueTask<TlsOutcome> HandshakeAsync(Connection inner, Deadline deadline, string? serverName = null) =>
        new OpenSslConnection(inner, this, serverName).HandshakeAsync(deadline);

    /// <summary>For one connection. It holds the native context by itself, so this one may be disposed of meanwhile.</summary>
    internal nint NewSession()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (GivesTickets) UseTicketKeys();
        return LibSsl.New(_context);
    }

    /// <summary>In the middle of another context's handshake: from here on this one's certificate and rules apply.</summary>
    internal void TakeOver(nint ssl)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        LibSsl.SetContext(ssl, _context);
        LibSsl.SetVerify(ssl, _verifyMode, 0);
    }

    internal bool TryKeep(string peer, nint session)
    {
        if (_isDisposed) return false;

        Sessions.Add(peer, session);
        return true;
    }

    protected override void Dispose(bool disposing)
    {
        if (_isDisposed) return;

        _isDisposed = true;
        Sessions.Clear();
        LibSsl.ContextFree(_context);
    }

    private void Prepare()
    {
        if (!SslControls.SetVersions(_context, (int)Settings.VersionMin, (int)Settings.VersionMax)) throw Unusable("TLS version");

        SetSuites();
        var groups = Settings.Curves.IsEmpty ? DefaultGroups : string.Join(':', Settings.Curves);
        if (!SslControls.SetGroups(_context, groups)) throw Unusable($"curves {groups}");

        // We send the chain we were given; without NoAutoChain the library looks for a better one in every handshake, which is a tenth of its cost.
        SslControls.SetModes(_context, ModePartialWrite | ModeMovingBuffer | ModeNoAutoChain | ModeReleaseBuffers);
        foreach (var certificate in Settings.Certificates) SslPem.Use(_context, certificate);
        if (Settings is { Side: TlsSide.Server, Certificates.IsEmpty: true, ChooseByServerName: null })
            throw new TlsSettingsException("a TLS server needs a certificate");

        SetPeerVerification();
        SetAlpn();
        SetSessions();
        if (Settings.ChooseByServerName is not null) SslControls.SetServerNameChoice(_context, &SslCallbacks.OnServerName);
    }

    private void SetSuites()
    {
        var suites = string.Join(':', Settings.CipherSuites.IsEmpty ? TlsSettings.DefaultCipherSuites : Settings.CipherSuites);
        // The library's own floor forbids the signatures of TLS 1.0 and 1.1; whoever asks for them means it.
        if (Settings.VersionMin < TlsVersion.Tls12) suites += ":@SECLEVEL=0";
        if (LibSsl.ContextSetCipherList(_context, suites) != 1) throw Unusable($"cipher suites {suites}");
        if (!SslControls.SetSuites13(_context, Suites13)) throw Unusable($"cipher suites {Suites13}");
    }

    private void SetPeerVerification()
    {
        LibSsl.ContextSetVerify(_context, _verifyMode, 0);
        LibSsl.ContextSetVerifyCallback(_context, &SslCallbacks.OnVerify, 0);
        if (_verifyMode == LibSsl.VerifyNone) return;

        if (Settings is { Side: TlsSide.Server, VerifyPeer: null, TrustedRootsPem.IsEmpty: true })
            throw new TlsSettingsException("a TLS server that asks for client certificates needs trusted roots");
        if (HasRoots) SslPem.Trust(_context, Settings.TrustedRootsPem, Settings.Side == TlsSide.Server);
        if (!Settings.RevocationListsPem.IsEmpty) SslPem.Revoke(_context, Settings.RevocationListsPem);
    }

    private void SetAlpn()
    {
        if (AlpnWire.Length == 0) return;

        if (Settings.Side == TlsSide.Server)
        {
            LibSsl.ContextSetAlpnSelect(_context, &SslCallbacks.OnAlpn, 0);
            return;
        }

        fixed (byte* at = AlpnWire)
        {
            if (LibSsl.ContextSetAlpn(_context, at, (uint)AlpnWire.Length) != 0) throw Unusable("ALPN");
        }
    }

    private void SetSessions()
    {
        const ulong always = LibSsl.OptionNoCompression | LibSsl.OptionNoRenegotiation | LibSsl.OptionServerPreference;
        LibSsl.ContextSetOptions(_context, GivesTickets || TakesTickets ? always : always | LibSsl.OptionNoTicket);
        if (GivesTickets)
        {
            // A ticket is good for the certificates it was given under, so that one host's never opens another's server.
            Span<byte> id = stackalloc byte[SHA256.HashSizeInBytes];
            SHA256.HashData(Settings.Certificates.SelectMany(certificate => certificate.ChainPem.ToArray()).ToArray(), id);
            fixed (byte* at = id) LibSsl.ContextSetSessionIdContext(_context, at, (uint)id.Length);
            SslControls.SetSessionCache(_context, SessionsInTickets);
            SslControls.SetTickets(_context, 1);
        }
        else if (TakesTickets)
        {
            SslControls.SetSessionCache(_context, SessionsOfClient);
            LibSsl.ContextSetNewSession(_context, &SslCallbacks.OnNewSession);
        }
        else
        {
            SslControls.SetSessionCache(_context, SessionsOff);
            SslControls.SetTickets(_context, 0);
        }
    }

    private void UseTicketKeys()
    {
        var keys = _ticketKeys.Current();
        if (ReferenceEquals(keys, _ticketKeysInUse)) return;

        SslControls.SetTicketKeys(_context, keys);
        _ticketKeysInUse = keys;
    }

    private static int VerifyModeOf(TlsSettings settings) => (settings.Side, settings.ClientCertificate) switch
    {
        (TlsSide.Client, _) => LibSsl.VerifyPeer,
        (_, ClientCertificate.NotAsked) => LibSsl.VerifyNone,
        (_, ClientCertificate.Optional) => LibSsl.VerifyPeer,
        _ => LibSsl.VerifyPeer | LibSsl.VerifyFailIfNoPeer,
    };

    private static TlsSettingsException Unusable(string what) => new($"{what} unusable: {SslErrors.Take()}");
}
