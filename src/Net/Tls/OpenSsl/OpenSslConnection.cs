using System.Net;
using System.Runtime.InteropServices;

namespace Mesh.Net.Tls.OpenSsl;

/// <summary>One TLS session over an inner connection, driven by the inner one's readiness.</summary>
internal sealed class OpenSslConnection : TlsConnection
{
    // So much ciphertext may wait in the inner connection before we encrypt more; a large body leaves in sends of this size.
    private const int InnerOutputBytesMax = 64 * 1024;
    private const int RecordBytesMax = 16 * 1024;

    private static readonly TimeSpan AlertLinger = TimeSpan.FromSeconds(1);

    private readonly OpenSslContext _context;
    private readonly nint _ssl;
    private readonly GCHandle _self;
    private readonly string? _askedName;
    private readonly Action _onInnerFilled;
    private readonly Action _onInnerFlushed;
    private OpenSslContext? _chosen;
    private ValueTask<IoStatus> _innerFill;
    private ValueTask<IoStatus> _innerFlush;
    private IoStatus _laterEnd = IoStatus.Ok;
    private bool _innerFills;
    private bool _innerFlushes;
    private bool _isDrained;
    private bool _peerEnded;
    private bool _weEnded;
    private bool _isFreed;

    internal OpenSslConnection(Connection inner, OpenSslContext context, string? serverName)
        : base(inner.Loop)
    {
        Inner = inner;
        _context = context;
        _onInnerFilled = OnInnerFilled;
        _onInnerFlushed = OnInnerFlushed;
        _ssl = context.NewSession();
        if (_ssl == 0) throw new InvalidOperationException($"SSL_new: {SslErrors.Take()}");

        _self = GCHandle.Alloc(this);
        var handle = GCHandle.ToIntPtr(_self);
        LibSsl.SetData(_ssl, 0, handle);
        var bio = SslBio.Create(handle);
        LibSsl.SetBio(_ssl, bio, bio);
        if (context.Settings.Side == TlsSide.Server)
        {
            LibSsl.SetAcceptState(_ssl);
            return;
        }

        LibSsl.SetConnectState(_ssl);
        // RFC 6066 §3: an address is no server name.
        _askedName = serverName is null || IPAddress.TryParse(serverName, out _) ? null : serverName;
        if (_askedName is not null) SslControls.SetServerName(_ssl, _askedName);
        ResumeIfPossible();
    }

    public override ConnectionAddresses Addresses => Inner.Addresses;

    public override bool IsOpen => base.IsOpen && FailureReason is null;

    // Session tickets and key updates are bytes that mean nothing to whoever asks: take them in before the answer.
    public override bool IsQuiet => base.IsQuiet || (IsOpen && Input.IsEmpty && TryFill() == IoStatus.WouldBlock && base.IsQuiet);

    internal Connection Inner { get; }

    /// <summary>Why we refused the peer: better words than the library's "certificate verify failed".</summary>
    internal string? Refusal { get; set; }

    protected override bool MayReceive => !_isDrained || !Inner.IsQuiet;

    protected override bool HasPeerClosed => _peerEnded;

    protected override bool HasBytes => !Input.IsEmpty;

    // Sent means in the kernel's hands: a close right after it must not cut what still lies below.
    protected override bool IsSent
    {
        get
        {
            if (Inner.Output.IsEmpty || !Inner.IsOpen) return true;

            AwaitInnerRoom();
            return false;
        }
    }

    internal OpenSslContext Context => _chosen ?? _context;

    private string SessionKey => $"{_askedName}|{Inner.Addresses.Peer}";

    internal async ValueTask<TlsOutcome> HandshakeAsync(Deadline deadline)
    {
        while (true)
        {
            var error = Step();
            Inner.TryFlush();
            if (error == LibSsl.ErrorNone) break;
            if (error != LibSsl.ErrorWantRead) return Fail(IoStatus.TlsFailed, Refusal ?? SslErrors.Take());

            var status = await Inner.FillAsync(deadline);
            if (status == IoStatus.End) return Fail(IoStatus.Reset, "the peer closed the connection during the TLS handshake");
            if (status != IoStatus.Ok) return Fail(status, status == IoStatus.TimedOut ? "TLS handshake timeout" : null);
        }

        ReadOutcome();
        return IsResumed && !JudgeResumed() ? Fail(IoStatus.TlsFailed, Refusal) : new(this, IoStatus.Ok);
    }

    /// <summary>The library has built nothing yet: the peer's chain as it was sent, judged by cache, library and settings, in this order.</summary>
    internal bool Judge(nint storeContext)
    {
        var context = Context;
        var chain = SslPeer.Read(LibSsl.StoreContextLeaf(storeContext), LibSsl.StoreContextChain(storeContext), out var digest);
        if (context.Verdicts.Find(digest, context.Now) is { } known)
        {
            PeerCertificates = known.Peer;
            PeerIdentity = known.Verdict.Identity;
            return true;
        }

        PeerCertificates = chain();
        var verdict = context.HasRoots ? SslPeer.VerifyByLibrary(storeContext, context.Now) : null;
        if (verdict is null) verdict = SslPeer.JudgeBySettings(context.Settings, PeerCertificates, context.Now);
        if (!verdict.IsBelieved)
        {
            Refusal = verdict.Refusal;
            return false;
        }

        context.Verdicts.Add(digest, verdict, PeerCertificates);
        PeerIdentity = verdict.Identity;
        return true;
    }

    internal void ChooseContext(string serverName)
    {
        ServerName = serverName;
        if (_context.Settings.ChooseByServerName?.Invoke(serverName) is not OpenSslContext chosen || chosen == _context) return;

        _chosen = chosen;
        chosen.TakeOver(_ssl);
    }

    /// <returns>False when nobody will resume it: whoever owns it frees it.</returns>
    internal bool KeepSession(nint session) => _context.TryKeep(SessionKey, session);

    protected override unsafe IoStatus Receive(Span<byte> buffer, out int count)
    {
        count = 0;
        if (_laterEnd != IoStatus.Ok) return _laterEnd;

        fixed (byte* at = buffer)
        {
            // Known to be empty: the library would only say so again.
            var status = _isDrained ? Inner.TryFill() : IoStatus.Ok;
            while (status == IoStatus.Ok)
            {
                LibSsl.ErrorClear();
                var read = LibSsl.Read(_ssl, at + count, buffer.Length - count);
                if (read > 0)
                {
                    count += read;
                    _isDrained = Inner.Input.IsEmpty && LibSsl.Pending(_ssl) == 0;
                    if (_isDrained || count == buffer.Length) break;
                    continue;
                }

                status = EndOfRead(read);
            }

            if (!Inner.Output.IsEmpty) Inner.FlushSoon();
            if (status == IoStatus.WouldBlock) _isDrained = true;
            if (count == 0 || status is IoStatus.Ok or IoStatus.WouldBlock) return count > 0 ? IoStatus.Ok : AsEnd(status);

            _laterEnd = AsEnd(status);
            return IoStatus.Ok;
        }
    }

    protected override unsafe IoStatus Send(ReadOnlySpan<byte> bytes, out int sent)
    {
        sent = 0;
        fixed (byte* at = bytes)
        {
            while (sent < bytes.Length && Inner.Output.Length < InnerOutputBytesMax)
            {
                LibSsl.ErrorClear();
                var written = LibSsl.Write(_ssl, at + sent, Math.Min(bytes.Length - sent, RecordBytesMax));
                if (written <= 0)
                {
                    FailureReason ??= SslErrors.Take();
                    return IoStatus.TlsFailed;
                }

                sent += written;
                if (sent < bytes.Length && Inner.Output.Length < InnerOutputBytesMax) continue;

                var status = Inner.TryFlush();
                if (status is not (IoStatus.Ok or IoStatus.WouldBlock)) return status;
            }
        }

        if (sent < bytes.Length) AwaitInnerRoom();
        return sent > 0 || bytes.IsEmpty ? IoStatus.Ok : IoStatus.WouldBlock;
    }

    protected override void SendEnd()
    {
        SayGoodbye();
        Inner.ShutdownWrite();
    }

    protected override void Release(bool reset)
    {
        if (!reset)
        {
            SayGoodbye();
            Inner.Close();
        }
        else
        {
            Inner.Abort();
        }

        Free();
    }

    protected override void LookForNews()
    {
        while (TryFill() == IoStatus.Ok)
        {
            // Into Input, up to its bound.
        }
    }

    protected override void AwaitReadable()
    {
        if (_innerFills || IsClosed) return;

        _innerFills = true;
        // No deadline of its own: whoever waits above has one, and the end of the connection ends this too.
        _innerFill = Inner.FillAsync(Deadline.Never);
        var awaiter = _innerFill.GetAwaiter();
        if (awaiter.IsCompleted) Loop.Soon(_onInnerFilled);
        else awaiter.UnsafeOnCompleted(_onInnerFilled);
    }

    private void OnInnerFilled()
    {
        _innerFills = false;
        if (_innerFill.GetAwaiter().GetResult() == IoStatus.Ok) _isDrained = false;
        if (IsClosed) return;

        OnReadable();
    }

    private void AwaitInnerRoom()
    {
        if (_innerFlushes || IsClosed) return;

        _innerFlushes = true;
        _innerFlush = Inner.FlushAsync(Deadline.Never);
        var awaiter = _innerFlush.GetAwaiter();
        if (awaiter.IsCompleted) Loop.Soon(_onInnerFlushed);
        else awaiter.UnsafeOnCompleted(_onInnerFlushed);
    }

    private void OnInnerFlushed()
    {
        _innerFlushes = false;
        var status = _innerFlush.GetAwaiter().GetResult();
        if (IsClosed) return;

        if (status is IoStatus.Ok or IoStatus.End) OnWritable();
        else OnSendBroken(status);
    }

    private int Step()
    {
        LibSsl.ErrorClear();
        var result = LibSsl.DoHandshake(_ssl);
        return result == 1 ? LibSsl.ErrorNone : LibSsl.GetError(_ssl, result);
    }

    private IoStatus EndOfRead(int result)
    {
        switch (LibSsl.GetError(_ssl, result))
        {
            case LibSsl.ErrorWantRead:
                return Inner.TryFill();
            case LibSsl.ErrorZeroReturn:
                _peerEnded = true;
                return IoStatus.End;
            default:
                FailureReason ??= SslErrors.Take();
                // The alert that says so is in the inner output already.
                Inner.TryFlush();
                return IoStatus.TlsFailed;
        }
    }

    // Below TLS an end is a cut: whoever ends in good order says so inside.
    private IoStatus AsEnd(IoStatus status)
    {
        if (status == IoStatus.End && !_peerEnded) status = IoStatus.Reset;
        if (status is not (IoStatus.Ok or IoStatus.WouldBlock)) _peerEnded = true;
        return status;
    }

    private unsafe void ReadOutcome()
    {
        Version = (TlsVersion)LibSsl.Version(_ssl);
        CipherSuite = SslNames.Shared(LibSsl.CipherStandardName(LibSsl.CurrentCipher(_ssl)));
        ServerName = _askedName ?? ServerName ?? NullIfEmpty(LibSsl.Text(LibSsl.GetServerName(_ssl, 0)));
        IsResumed = LibSsl.SessionReused(_ssl) == 1;
        // A session of TLS 1.2 serves again and again, and no new one is announced for it.
        if (IsResumed && Version < TlsVersion.Tls13 && _context.Settings.Side == TlsSide.Client && LibSsl.TakeSession(_ssl) is var session && !KeepSession(session)) LibSsl.SessionFree(session);
        byte* alpn;
        uint length;
        LibSsl.GetAlpn(_ssl, &alpn, &length);
        Alpn = length == 0 ? null : SslNames.Shared(new ReadOnlySpan<byte>(alpn, (int)length));
    }

    private bool JudgeResumed()
    {
        var context = Context;
        var leaf = SslControls.TakePeerCertificate(_ssl);
        if (leaf == 0) return context.Settings.Side == TlsSide.Server && context.Settings.ClientCertificate != ClientCertificate.Required;

        var chain = SslPeer.Read(leaf, LibSsl.GetPeerChain(_ssl), out var digest);
        LibSsl.CertificateFree(leaf);
        if (context.Verdicts.Find(digest, context.Now) is not { } known)
        {
            Refusal = "the resumed session's peer is no longer known: a full handshake is needed";
            return false;
        }

        _ = chain;
        PeerCertificates = known.Peer;
        PeerIdentity = known.Verdict.Identity;
        return true;
    }

    private void ResumeIfPossible()
    {
        if (!_context.Settings.Resumption || _context.Sessions.Take(SessionKey) is not (not 0 and var session)) return;

        LibSsl.SetSession(_ssl, session);
        LibSsl.SessionFree(session);
    }

    private TlsOutcome Fail(IoStatus status, string? reason)
    {
        FailureReason = reason ?? status.ToString();
        LibSsl.ErrorClear();
        Free();
        // The peer should still be able to read the alert, though it may have sent more than we read.
        _ = Inner.CloseGentlyAsync(Deadline.After(Loop.Clock, AlertLinger));
        return new(null, status, reason);
    }

    private void SayGoodbye()
    {
        if (_weEnded || FailureReason is not null) return;

        _weEnded = true;
        LibSsl.ErrorClear();
        LibSsl.Shutdown(_ssl);
    }

    private void Free()
    {
        if (_isFreed) return;

        _isFreed = true;
        LibSsl.Free(_ssl);
        _self.Free();
    }

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}
