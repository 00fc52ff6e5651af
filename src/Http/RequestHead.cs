using System.Text;

namespace Mesh.Http;

/// <summary>
/// What a request asks, the same for both versions of HTTP. <see cref="Headers"/> holds end-to-end fields only: Host is <see cref="Authority"/>,
/// and framing and hop-by-hop fields have become properties, so that whatever a writer adds is all there is. Reused: <see cref="Clear"/> between messages.
/// </summary>
public sealed class RequestHead
{
    private Slice _method;
    private Slice _path;
    private Slice _authority;
    private Slice _protocol;
    private int _pathOnlyLength; // up to '?'

    public Headers Headers { get; } = new();

    public Method Method { get; private set; }

    /// <summary>"GET"; the bytes as they arrived, whatever the method.</summary>
    public ReadOnlySpan<byte> MethodName => Method == Method.Other ? At(_method) : Methods.Name(Method);

    /// <summary>Path and query without a fragment: "/x?y=1", or "*" for OPTIONS; empty for an ordinary CONNECT.</summary>
    public ReadOnlySpan<byte> Path => At(_path);

    /// <summary>The path up to '?'.</summary>
    public ReadOnlySpan<byte> PathOnly => At(_path)[.._pathOnlyLength];

    /// <summary>From '?' on, with it; empty when there is no query.</summary>
    public ReadOnlySpan<byte> Query => At(_path)[_pathOnlyLength..];

    /// <summary>Host and port as the client named them (Host, :authority, or the target's when it is a whole URL); may be empty.</summary>
    public ReadOnlySpan<byte> Authority => At(_authority);

    /// <summary>Extended CONNECT's :protocol or the Upgrade field ("websocket"); empty when no upgrade is asked for.</summary>
    public ReadOnlySpan<byte> Protocol => At(_protocol);

    public HttpScheme Scheme { get; set; }

    public HttpVersion Version { get; set; }

    public BodyFraming Body { get; set; }

    /// <summary>The peer wants to keep the connection for another message. Meaningless in HTTP/2.</summary>
    public bool KeepAlive { get; set; }

    /// <summary>"Expect: 100-continue": the body may wait for an interim answer.</summary>
    public bool ExpectsContinue { get; set; }

    /// <summary>"TE: trailers": the peer takes trailers in the answer. Written again by whichever writer sends the request on.</summary>
    public bool AcceptsTrailers { get; set; }

    /// <summary>A change of protocol is asked for: HTTP/1.1 Upgrade, or extended CONNECT (RFC 8441).</summary>
    public bool IsUpgrade => _protocol.Length > 0;

    public bool IsWebSocket => Ascii.EqualsIgnoreCase(Protocol, "websocket"u8);

    /// <summary>CONNECT to a host and port (not the extended one).</summary>
    public bool IsConnect => Method == Method.Connect && _protocol.Length == 0;

    public void Clear()
    {
        Headers.Clear();
        _method = _path = _authority = _protocol = default;
        _pathOnlyLength = 0;
        Method = Method.Other;
        Scheme = HttpScheme.Http;
        Version = HttpVersion.Http11;
        Body = BodyFraming.None;
        KeepAlive = ExpectsContinue = AcceptsTrailers = false;
    }

    public void SetMethod(Method method) => Method = method;

    public void SetMethod(ReadOnlySpan<byte> name)
    {
        Method = Methods.Find(name);
        if (Method == Method.Other) _method = Keep(name);
    }

    /// <summary>Path with query. The caller answers for it having no control character and no space.</summary>
    public void SetPath(ReadOnlySpan<byte> path) => UsePath(Keep(path));

    public void SetAuthority(ReadOnlySpan<byte> authority) => _authority = Keep(authority);

    public void SetProtocol(ReadOnlySpan<byte> protocol) => _protocol = Keep(protocol);

    /// <summary>No upgrade after all: the request goes on as an ordinary one.</summary>
    public void ClearProtocol() => _protocol = default;

    /// <summary>Everything of the other, field for field; for a retry or a mirror that edits its own copy.</summary>
    public void CopyFrom(RequestHead other)
    {
        Clear();
        Headers.AppendAll(other.Headers);
        if (other.Method == Method.Other) SetMethod(other.MethodName);
        else Method = other.Method;
        SetPath(other.Path);
        SetAuthority(other.Authority);
        SetProtocol(other.Protocol);
        Scheme = other.Scheme;
        Version = other.Version;
        Body = other.Body;
        KeepAlive = other.KeepAlive;
        ExpectsContinue = other.ExpectsContinue;
        AcceptsTrailers = other.AcceptsTrailers;
    }

    /// <summary>For logs and other cold paths.</summary>
    public override string ToString() => $"{Encoding.Latin1.GetString(MethodName)} {Encoding.Latin1.GetString(Path)} ({Encoding.Latin1.GetString(Authority)})";

    // ---- for the codecs: slices of what they already copied into the arena ----

    internal void UseMethod(Method method, Slice name)
    {
        Method = method;
        _method = name;
    }

    internal void UsePath(Slice path)
    {
        _path = path;
        var question = At(path).IndexOf((byte)'?');
        _pathOnlyLength = question < 0 ? path.Length : question;
    }

    internal void UseAuthority(Slice authority) => _authority = authority;

    internal void UseProtocol(Slice protocol) => _protocol = protocol;

    private Slice Keep(ReadOnlySpan<byte> bytes) => new(Headers.Store(bytes), bytes.Length);

    private ReadOnlySpan<byte> At(Slice slice) => Headers.Bytes(slice.Offset, slice.Length);
}
