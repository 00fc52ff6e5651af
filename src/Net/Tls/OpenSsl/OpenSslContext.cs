namespace Mesh.Net.Tls.OpenSsl;

/// <summary>One SSL_CTX: everything that is the same for all connections of one settings record.</summary>
internal sealed unsafe class OpenSslContext : TlsContext
{
    private const uint ModePartialWrite = 0x1, ModeMovingBuffer = 0x2, ModeNoAutoChain = 0x8, ModeReleaseBuffers = 0x10;
    private const int SessionsOff = 0, SessionsOfClient = 0x1 | 0x300, SessionsOfServer = 0x2;
    private const int ServerSessionsMax = 4096;
    private const int VerdictsMax = 2048;

    // Strong, quick, and understood by all: the order also spares the peer a second ClientHello.
    private const string DefaultGroups = "X25519:P-256:P-384";

    // The library's own order begins with 256 bits and SHA-384, which cost a fifth more and defend nothing that the rest of the chain does.
    private const string Suites13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

    private static readonly byte[] SessionIdContext = "mesh"u8.ToArray();

    private readonly nint _context;
    private readonly TimeProvider _time;
    private readonly int _verifyMode;
    private bool _isDisposed;

    internal OpenSslContext(TlsSettings settings, TimeProvider time)
        : base(settings)
    {
        _time = time;
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

    internal bool HasRoots => !Settings.TrustedRootsPem.IsEmpty;

    internal DateTimeOffset Now => _time.GetUtcNow();

    public override ValueTask<TlsOutcome> HandshakeAsync(Connection inner, Deadline deadline, string? serverName = null) =>
        new OpenSslConnection(inner, this, serverName).HandshakeAsync(deadline);

    /// <summary>For one connection. It holds the native context by itself, so this one may be disposed of meanwhile.</summary>
    internal nint NewSession()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
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
        // Sessions of a server stay in its memory, not in tickets: a ticket does not carry the peer's chain, which is judged again.
        LibSsl.ContextSetOptions(_context, LibSsl.OptionNoCompression | LibSsl.OptionNoRenegotiation | LibSsl.OptionServerPreference | LibSsl.OptionNoTicket);
        if (!Settings.Resumption)
        {
            SslControls.SetSessionCache(_context, SessionsOff);
            SslControls.SetTickets(_context, 0);
            return;
        }

        fixed (byte* id = SessionIdContext) LibSsl.ContextSetSessionIdContext(_context, id, (uint)SessionIdContext.Length);
        if (Settings.Side == TlsSide.Server)
        {
            SslControls.SetSessionCache(_context, SessionsOfServer);
            SslControls.SetSessionCacheEntries(_context, ServerSessionsMax);
            SslControls.SetTickets(_context, 1);
            return;
        }

        SslControls.SetSessionCache(_context, SessionsOfClient);
        LibSsl.ContextSetNewSession(_context, &SslCallbacks.OnNewSession);
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
