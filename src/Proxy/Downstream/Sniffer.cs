using System.Collections.Immutable;
using Mesh.Net;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Downstream;

/// <summary>Room 2 of 8, the looking: what do the first bytes say? Reads, consumes nothing (but a PROXY header). Waits no longer than the listener allows.</summary>
internal static class Sniffer
{
    /// <summary>More of a request line than this and it is not HTTP that anybody routes.</summary>
    private const int RequestLineBytesMax = 64 * 1024;

    private static readonly ImmutableArray<string> Http11 = ["http/1.1"], Http10 = ["http/1.0"], H2c = ["h2c"];

    /// <returns>Ok: go on with what is known. Anything else: the connection is over.</returns>
    public static async ValueTask<IoStatus> LookAsync(Listener listener, ClientConnection client, Connection io)
    {
        var deadline = listener.FiltersTimeout is { Ticks: > 0 } limit ? Deadline.After(io.Loop.Clock, limit) : Deadline.Never;
        var (tls, http) = (false, false);
        foreach (var filter in listener.Filters)
        {
            if (!filter.IsEnabledFor(client.Destination.Port)) continue;

            tls |= filter.Kind == ListenerFilterKind.TlsInspector;
            http |= filter.Kind == ListenerFilterKind.HttpInspector;
        }

        while (tls || http)
        {
            if (!io.Input.IsEmpty)
            {
                if (tls && !LooksForMoreTls(client, io.Input.Span)) tls = false;
                if (!tls && (!http || client.IsTls || !LooksForMoreHttp(client, io.Input.Span))) return IoStatus.Ok;
                // A request line without end: no chain would serve it, and it must not be taken for another protocol.
                if (!tls && io.Input.Length >= RequestLineBytesMax) return IoStatus.Full;
            }

            var status = await io.FillAsync(deadline);
            if (status == IoStatus.Ok || status == IoStatus.Full) continue;
            if (status == IoStatus.TimedOut) return listener.ContinueOnFiltersTimeout ? IoStatus.Ok : status;

            return status; // it left before it could be told what it wants
        }
        return IoStatus.Ok;
    }

    private static bool LooksForMoreTls(ClientConnection client, ReadOnlySpan<byte> bytes)
    {
        var status = HelloPeek.TryRead(bytes, out var serverName, out var protocols);
        if (status == PeekStatus.NeedMore) return true;
        if (status == PeekStatus.NotTls) return false;

        client.IsTls = true;
        client.ServerName = serverName.ToLowerInvariant();
        client.ApplicationProtocols = protocols;
        return false;
    }

    private static bool LooksForMoreHttp(ClientConnection client, ReadOnlySpan<byte> bytes)
    {
        var preface = AcceptLoop.Preface[..Math.Min(16, bytes.Length)];
        if (bytes.StartsWith(preface))
        {
            if (preface.Length < 16) return true;

            client.ApplicationProtocols = H2c;
            return false;
        }

        var end = bytes.IndexOf((byte)'\n');
        var line = end < 0 ? bytes : bytes[..end];
        if (!BeginsLikeARequest(line)) return false;
        if (end is < 0 or > RequestLineBytesMax) return true;

        line = (line is [.., (byte)'\r'] ? line[..^1] : line).TrimEnd((byte)' ');
        if (!HasTarget(line)) return false;
        if (line.EndsWith(" HTTP/1.1"u8)) client.ApplicationProtocols = Http11;
        else if (line.EndsWith(" HTTP/1.0"u8)) client.ApplicationProtocols = Http10;
        return false;
    }

    /// <summary>A path, a whole address or a star between method and version: what else stands there no HTTP server is asked for.</summary>
    private static bool HasTarget(ReadOnlySpan<byte> line)
    {
        var (first, last) = (line.IndexOf((byte)' '), line.LastIndexOf((byte)' '));
        var target = first < last ? line[(first + 1)..last].Trim((byte)' ') : default;
        if (target.IsEmpty || target.IndexOfAnyExceptInRange((byte)'!', (byte)'~') >= 0) return false;
        return target[0] is (byte)'/' or (byte)'*' || target.IndexOf("://"u8) > 0 || line.StartsWith("CONNECT "u8);
    }

    /// <summary>A method of letters, a space, and no control character so far.</summary>
    private static bool BeginsLikeARequest(ReadOnlySpan<byte> line)
    {
        var space = line.IndexOf((byte)' ');
        var method = space < 0 ? line : line[..space];
        if (method.IsEmpty || method.Length > 32) return false;

        foreach (var b in method)
            if (!char.IsAsciiLetter((char)b) && b is not ((byte)'-' or (byte)'_')) return false;
        return line.IndexOfAnyInRange((byte)0, (byte)8) < 0;
    }
}
