using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Mesh.Http;
using Mesh.Http.H1;
using Mesh.Proxy.Observe;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Admin;

/// <summary>What an admin port was asked.</summary>
internal sealed record AdminRequest(string Method, string Path, IReadOnlyDictionary<string, string> Query, IReadOnlyDictionary<string, string> Headers, bool IsLocal);

/// <summary>What it answers.</summary>
internal sealed record AdminReply(int Status, string Text, string ContentType = "text/plain; charset=UTF-8")
{
    public static readonly AdminReply NotFound = new(404, "invalid path\n");

    public static AdminReply Ok(string text = "OK\n") => new(200, text);

    public static AdminReply Json(string text) => new(200, text, "application/json");

    /// <summary>A page of any length, sent part by part.</summary>
    public static AdminReply Metrics(IAsyncEnumerable<PooledText> parts) => new(200, "", "text/plain; version=0.0.4; charset=utf-8") { Parts = parts };

    /// <summary>Instead of the text: each part is sent before the next is asked for.</summary>
    public IAsyncEnumerable<PooledText>? Parts { get; init; }

    /// <summary>Done once the reply has left.</summary>
    public Action? Afterwards { get; init; }
}

/// <summary>
/// One port for people, probes and scrapers, off the loops: whatever is asked here never delays traffic. Few connections, small requests, everything bounded.
/// </summary>
internal sealed class AdminServer(EndPoint address, Func<AdminRequest, Task<AdminReply>> answer, ILogger log) : IDisposable
{
    private const int ConnectionsMax = 128, RequestBytesMax = 64 * 1024;
    private static readonly TimeSpan IdleMax = TimeSpan.FromSeconds(60);
    /// <summary>Who takes none of a reply for so long does not get the rest.</summary>
    private static readonly TimeSpan StallMax = TimeSpan.FromSeconds(10);

    private static readonly ReadOnlyMemory<byte> LineEnd = "\r\n"u8.ToArray(), LastChunk = Chunked.LastChunk.ToArray();

    private Socket? _socket;
    private int _connections;

    /// <summary>Where it listens really; null when it could not.</summary>
    public EndPoint? Local => _socket?.LocalEndPoint;

    public void Start()
    {
        var isUnix = address is UnixDomainSocketEndPoint;
        var socket = new Socket(address.AddressFamily, SocketType.Stream, isUnix ? ProtocolType.Unspecified : ProtocolType.Tcp);
        try
        {
            if (isUnix) File.Delete(address.ToString()!);
            else socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            socket.Bind(address);
            socket.Listen(ConnectionsMax);
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            socket.Dispose();
            Log.AdminUnavailable(log, (address as IPEndPoint)?.Port ?? 0, e.Message);
            return;
        }
        _socket = socket;
        _ = AcceptAsync(socket);
    }

    public void Dispose() => _socket?.Dispose();

    private async Task AcceptAsync(Socket socket)
    {
        while (true)
        {
            Socket connection;
            try
            {
                connection = await socket.AcceptAsync();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                if (e is ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted }) return;

                continue;
            }
            if (Interlocked.Increment(ref _connections) > ConnectionsMax)
            {
                Interlocked.Decrement(ref _connections);
                connection.Dispose();
                continue;
            }
            _ = ServeAsync(connection);
        }
    }

    private async Task ServeAsync(Socket connection)
    {
        try
        {
            using (connection) await ConverseAsync(connection);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or IOException)
        {
            // The asker went away: nobody is left to tell.
            connection.Dispose();
        }
        finally
        {
            Interlocked.Decrement(ref _connections);
        }
    }

    private async Task ConverseAsync(Socket connection)
    {
        var parser = new H1Parser(HttpLimits.Default with { AcceptHttp10 = true });
        var head = new RequestHead();
        var buffer = new byte[RequestBytesMax];
        var length = 0;
        var isLocal = connection.RemoteEndPoint is not IPEndPoint peer || IPAddress.IsLoopback(peer.Address);
        while (true)
        {
            var status = parser.ParseRequest(buffer.AsSpan(0, length), head, out var consumed);
            if (status == ParseStatus.Error) return;
            if (status == ParseStatus.NeedMore)
            {
                if (length == buffer.Length) return;

                using var idle = new CancellationTokenSource(IdleMax);
                var read = await connection.ReceiveAsync(buffer.AsMemory(length), idle.Token);
                if (read == 0) return;

                length += read;
                continue;
            }

            // Bodies of requests to these ports mean nothing; what does not fit ends the connection.
            var body = head.Body.Kind == BodyKind.Length ? (int)Math.Min(head.Body.Length, int.MaxValue) : 0;
            if (head.Body.Kind == BodyKind.Streamed || consumed + body > buffer.Length) return;

            while (length < consumed + body)
            {
                using var idle = new CancellationTokenSource(IdleMax);
                var read = await connection.ReceiveAsync(buffer.AsMemory(length), idle.Token);
                if (read == 0) return;

                length += read;
            }
            buffer.AsSpan(consumed + body, length - consumed - body).CopyTo(buffer);
            length -= consumed + body;

            var reply = await answer(RequestOf(head, isLocal));
            // HTTP/1.0 has no other end for what comes in parts.
            var keepAlive = head.KeepAlive && (reply.Parts is null || head.Version != Mesh.Http.HttpVersion.Http10);
            await SendAsync(connection, head, reply, keepAlive);
            reply.Afterwards?.Invoke();
            if (!keepAlive) return;
        }
    }

    private static async Task SendAsync(Socket connection, RequestHead head, AdminReply reply, bool keepAlive)
    {
        var isHead = head.Method == Method.Head;
        var text = isHead ? [] : Encoding.UTF8.GetBytes(reply.Text);
        var response = new ResponseHead
        {
            Status = reply.Status,
            KeepAlive = keepAlive,
            Body = reply.Parts is null ? BodyFraming.OfLength(text.Length) : keepAlive ? BodyFraming.Streamed : BodyFraming.UntilClose,
        };
        response.Headers.Append(KnownHeader.ContentType, Encoding.ASCII.GetBytes(reply.ContentType));
        response.Headers.Append(KnownHeader.CacheControl, "no-cache, max-age=0"u8);
        response.Headers.Append(KnownHeader.XContentTypeOptions, "nosniff"u8);
        response.Headers.Append(KnownHeader.Server, "envoy"u8);
        var output = new ArrayBufferWriter<byte>(512 + text.Length);
        H1Writer.WriteResponse(response, head.Method, head.Version, output);
        output.Write(text);
        await SendAllAsync(connection, output.WrittenMemory);
        if (reply.Parts is null || isHead) return;

        await foreach (var part in reply.Parts)
        {
            if (part.Length == 0) continue;

            output.ResetWrittenCount();
            if (keepAlive) output.Write(Encoding.ASCII.GetBytes($"{part.Length:x}\r\n"));
            await SendAllAsync(connection, output.WrittenMemory);
            foreach (var piece in part.Pieces) await SendAllAsync(connection, piece);
            if (keepAlive) await SendAllAsync(connection, LineEnd);
        }
        if (keepAlive) await SendAllAsync(connection, LastChunk);
    }

    private static async Task SendAllAsync(Socket connection, ReadOnlyMemory<byte> rest)
    {
        if (rest.IsEmpty) return;

        using var stalled = new CancellationTokenSource(StallMax);
        while (!rest.IsEmpty)
        {
            rest = rest[await connection.SendAsync(rest, stalled.Token)..];
            stalled.CancelAfter(StallMax);
        }
    }

    private static AdminRequest RequestOf(RequestHead head, bool isLocal)
    {
        var query = new Dictionary<string, string>();
        foreach (var pair in Encoding.Latin1.GetString(head.Query).TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            query[Uri.UnescapeDataString(equals < 0 ? pair : pair[..equals])] = equals < 0 ? "" : Uri.UnescapeDataString(pair[(equals + 1)..]);
        }
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase) { ["host"] = Encoding.Latin1.GetString(head.Authority) };
        foreach (var field in head.Headers) headers[Encoding.Latin1.GetString(field.Name)] = Encoding.Latin1.GetString(field.Value);
        return new(Encoding.Latin1.GetString(head.MethodName), Encoding.Latin1.GetString(head.PathOnly), query, headers, isLocal);
    }
}
