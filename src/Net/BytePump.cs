namespace Mesh.Net;

/// <summary>
/// Makes a readable and writable thing, as <see cref="ReadinessConnection"/> wants it, of one that only knows asynchronous reads and writes.
/// One read and one write are under way at a time, into and out of buffers of its own: one copy more each way than a socket needs.
/// For the reference and fallback layers.
/// </summary>
internal sealed class BytePump(Loop loop, IAsyncBytes bytes, Action onReadable, Action onWritable)
{
    private const int BufferBytes = 16 * 1024;

    private readonly byte[] _received = new byte[BufferBytes];
    private readonly byte[] _toSend = new byte[BufferBytes];
    private int _receivedFrom;
    private int _receivedTo;
    private int _queued;
    private bool _writes;
    private IoStatus _receiveEnd = IoStatus.Ok;
    private IoStatus _sendEnd = IoStatus.Ok;
    private bool _reads;
    private bool _endIsAsked;
    private bool _closeIsAsked;

    internal bool MayReceive => _receivedTo > _receivedFrom || _receiveEnd != IoStatus.Ok;

    internal bool HasPeerClosed => _receiveEnd != IoStatus.Ok;

    /// <summary>Begins to read ahead.</summary>
    internal void Start()
    {
        if (_reads || _closeIsAsked || _receiveEnd != IoStatus.Ok) return;

        _reads = true;
        _receivedFrom = _receivedTo = 0;
        _ = ReadAsync();
    }

    internal IoStatus Receive(Span<byte> buffer, out int count)
    {
        count = Math.Min(buffer.Length, _receivedTo - _receivedFrom);
        if (count == 0) return _receiveEnd == IoStatus.Ok ? IoStatus.WouldBlock : _receiveEnd;

        _received.AsSpan(_receivedFrom, count).CopyTo(buffer);
        _receivedFrom += count;
        if (_receivedFrom == _receivedTo) Start();
        return IoStatus.Ok;
    }

    internal IoStatus Send(ReadOnlySpan<byte> source, out int sent)
    {
        sent = 0;
        if (_sendEnd != IoStatus.Ok) return _sendEnd;

        sent = Math.Min(source.Length, BufferBytes - _queued);
        if (sent == 0) return source.IsEmpty ? IoStatus.Ok : IoStatus.WouldBlock;

        source[..sent].CopyTo(_toSend.AsSpan(_queued));
        _queued += sent;
        if (!_writes) _ = WriteAsync();
        return IoStatus.Ok;
    }

    /// <summary>After what is being written.</summary>
    internal void SendEnd()
    {
        _endIsAsked = true;
        if (!_writes) _ = EndAsync();
    }

    /// <param name="reset">At once, and seen as a break; otherwise after what is being written.</param>
    internal void Release(bool reset)
    {
        _closeIsAsked = true;
        if (reset) bytes.Abort();
        else if (!_writes) _ = EndAsync();
    }

    private async Task ReadAsync()
    {
        var (count, status) = await bytes.ReadAsync(_received);
        await loop.SwitchTo();
        _reads = false;
        _receivedTo = count;
        if (status != IoStatus.Ok) _receiveEnd = status;
        if (!_closeIsAsked) onReadable();
    }

    private async Task WriteAsync()
    {
        _writes = true;
        while (_queued > 0 && _sendEnd == IoStatus.Ok)
        {
            var count = _queued;
            var status = await bytes.WriteAsync(_toSend.AsMemory(0, count));
            await loop.SwitchTo();

            // What was queued meanwhile stands behind it.
            _toSend.AsSpan(count, _queued - count).CopyTo(_toSend);
            _queued -= count;
            if (status != IoStatus.Ok) _sendEnd = status;
            if (!_closeIsAsked) onWritable();
        }

        _writes = false;
        if (_closeIsAsked || _endIsAsked) await EndAsync();
    }

    private async Task EndAsync()
    {
        await bytes.EndAsync();
        if (_closeIsAsked) await bytes.CloseAsync();
    }
}

/// <summary>Asynchronous bytes below a <see cref="BytePump"/>. May answer on any thread; says with a status what others say with exceptions.</summary>
internal interface IAsyncBytes
{
    /// <returns>Ok with a count above zero, or how reading ended.</returns>
    ValueTask<(int Count, IoStatus Status)> ReadAsync(Memory<byte> buffer);

    ValueTask<IoStatus> WriteAsync(ReadOnlyMemory<byte> source);

    /// <summary>Tells the peer, once however often it is asked, that nothing more comes.</summary>
    ValueTask EndAsync();

    /// <summary>Gives everything back in good order.</summary>
    ValueTask CloseAsync();

    /// <summary>Breaks the connection.</summary>
    void Abort();
}
