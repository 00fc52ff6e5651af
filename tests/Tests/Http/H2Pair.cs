using System.Buffers;
using Mesh.Http;
using Mesh.Http.H2;

namespace Mesh.Tests.Http;

/// <summary>Two sessions and the bytes between them; events as text.</summary>
internal sealed class H2Pair
{
    private readonly H2StreamPool _pool = new();

    public H2Pair(H2Settings? serverSettings = null)
    {
        Client = new(H2Role.Client, H2Settings.Default, HttpLimits.Default, ClientOutput, _pool);
        Server = new(H2Role.Server, serverSettings ?? H2Settings.Default, HttpLimits.Default, ServerOutput, _pool);
    }

    public H2Session Client { get; }
    public H2Session Server { get; }
    public ArrayBufferWriter<byte> ClientOutput { get; } = new(1 << 20);
    public ArrayBufferWriter<byte> ServerOutput { get; } = new(1 << 20);
    public Dictionary<int, H2Stream> ClientStreams { get; } = [];
    public Dictionary<int, H2Stream> ServerStreams { get; } = [];

    /// <summary>Lets both sides' opening frames cross.</summary>
    public void Exchange()
    {
        ToServer();
        ToClient();
        ToServer();
    }

    public List<string> ToServer(long nowMs = 0, int pieceBytes = int.MaxValue) => Deliver(Server, ClientOutput, ServerStreams, nowMs, pieceBytes);

    public List<string> ToClient(long nowMs = 0, int pieceBytes = int.MaxValue) => Deliver(Client, ServerOutput, ClientStreams, nowMs, pieceBytes);

    /// <summary>Delivers without telling: the stream of the last event.</summary>
    public H2Stream? Pump(H2Session to, ArrayBufferWriter<byte> from, long nowMs)
    {
        H2Stream? last = null;
        var input = from.WrittenSpan;
        for (var e = to.Read(ref input, nowMs); e.Kind != H2EventKind.None; e = to.Read(ref input, nowMs))
        {
            if (e.Stream is not null) last = e.Stream;
            if (e.Kind == H2EventKind.Data) to.Consumed(e.Stream!, e.Data.Length);
        }

        from.ResetWrittenCount();
        return last;
    }

    private static List<string> Deliver(H2Session to, ArrayBufferWriter<byte> from, Dictionary<int, H2Stream> streams, long nowMs, int pieceBytes)
    {
        var events = new List<string>();
        var bytes = from.WrittenMemory.ToArray();
        from.ResetWrittenCount();
        var start = 0;
        for (var end = (int)Math.Min(pieceBytes, bytes.Length); ; end = (int)Math.Min((long)end + pieceBytes, bytes.Length))
        {
            ReadOnlySpan<byte> input = bytes.AsSpan(start, end - start);
            for (var e = to.Read(ref input, nowMs); e.Kind != H2EventKind.None; e = to.Read(ref input, nowMs))
            {
                if (e.Stream is not null) streams[e.Stream.Id] = e.Stream;
                if (e.Kind != H2EventKind.Settings || to.Role == H2Role.Client) events.Add(Tell(e));
            }

            start = end - input.Length;
            if (end == bytes.Length) return events;
        }
    }

    public static string Tell(H2Event e) => (e.Kind switch
    {
        H2EventKind.Request => $"Request {e.Stream!.Request}",
        H2EventKind.RefusedRequest => $"RefusedRequest {e.Error.Status} {e.Error.Details}",
        H2EventKind.Response => $"Response {e.Stream!.Response.Status}",
        H2EventKind.Data => $"Data {H1Probe.Text(e.Data)}",
        H2EventKind.Trailers => $"Trailers {e.Stream!.Trailers}".TrimEnd(),
        H2EventKind.Reset => $"Reset {e.Stream?.Id} {e.Code}",
        H2EventKind.Writable => $"Writable {e.Stream!.Id}",
        H2EventKind.GoAway => $"GoAway {e.Code}",
        H2EventKind.ConnectionError => $"ConnectionError {e.Code}",
        _ => e.Kind.ToString(),
    }) + (e.EndStream && e.Kind != H2EventKind.Trailers ? " end" : "");
}
