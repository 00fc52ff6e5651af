using System.Text;

namespace Mesh.Http;

/// <summary>What a response says before its body, the same for both versions of HTTP. Hop-by-hop and framing fields are properties, as in <see cref="RequestHead"/>.</summary>
public sealed class ResponseHead
{
    private Slice _reason;
    private Slice _protocol;

    public Headers Headers { get; } = new();

    public int Status { get; set; }

    /// <summary>The words behind the status as they arrived; empty in HTTP/2. A writer fills in the usual words.</summary>
    public ReadOnlySpan<byte> Reason => Headers.Bytes(_reason.Offset, _reason.Length);

    /// <summary>What a 101 switches to.</summary>
    public ReadOnlySpan<byte> Protocol => Headers.Bytes(_protocol.Offset, _protocol.Length);

    public HttpVersion Version { get; set; }

    public BodyFraming Body { get; set; }

    /// <summary>The peer lets the connection be used again.</summary>
    public bool KeepAlive { get; set; }

    /// <summary>100, 103 and their like: a further answer follows. (101 is final.)</summary>
    public bool IsInterim => Status is >= 100 and < 200 and not 101;

    public void Clear()
    {
        Headers.Clear();
        _reason = _protocol = default;
        Status = 0;
        Version = HttpVersion.Http11;
        Body = BodyFraming.None;
        KeepAlive = false;
    }

    public void SetReason(ReadOnlySpan<byte> words) => _reason = new(Headers.Store(words), words.Length);

    public void SetProtocol(ReadOnlySpan<byte> protocol) => _protocol = new(Headers.Store(protocol), protocol.Length);

    /// <summary>For logs and other cold paths.</summary>
    public override string ToString() => $"{Status} {Encoding.Latin1.GetString(Reason)}";

    internal void UseReason(Slice words) => _reason = words;

    internal void UseProtocol(Slice protocol) => _protocol = protocol;
}
