using System.Buffers;
using System.Net;
using Mesh.Http;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http;

/// <summary>What came of a call of our own.</summary>
/// <param name="Failure">Null when an answer came.</param>
internal sealed record SideAnswer(Failure? Failure, ResponseHead Head, ReadOnlyMemory<byte> Body, Headers Trailers)
{
    public int Status => Failure is null ? Head.Status : 0;
}

/// <summary>
/// A request of the proxy itself, to an authorizer or a rate limiter, or as the mirror of another request: through the same clusters and pools, on the same loop, with a
/// time limit and a bound on the answer. It stands where a caller's stream stands otherwise.
/// </summary>
internal sealed class SideCall : IDownstreamStream
{
    public const int AnswerBytesMax = 1024 * 1024;

    private static readonly HttpConnectionSettings Settings = new() { SuppressEnvoyHeaders = true };
    private static readonly Listener NoListener = new() { Name = "side calls", Address = SocketTarget.At(new(IPAddress.Loopback, 0)), BindToPort = false };

    private readonly ReadOnlyMemory<byte> _body;
    private readonly ArrayBufferWriter<byte> _answer = new();
    private readonly int _answerBytesMax;
    private bool _bodyGiven;

    private SideCall(ReadOnlyMemory<byte> body, int answerBytesMax) => (_body, _answerBytesMax) = (body, answerBytesMax);

    public FailureKind GoneAs => FailureKind.LocalReset;
    public FailureKind BrokenAs => FailureKind.LocalReset;
    public ProtocolError Problem => default;
    public Headers Trailers { get; } = new();
    public int Backlog => 0;

    /// <summary>Asks and waits for the whole answer. The head is the caller's to reuse afterwards.</summary>
    public static async ValueTask<SideAnswer> AskAsync(Worker worker, string cluster, RequestHead head, ReadOnlyMemory<byte> body, TimeSpan timeout, int answerBytesMax = AnswerBytesMax)
    {
        var call = new SideCall(body, answerBytesMax);
        var exchange = new Exchange(worker);
        var nowhere = new IPEndPoint(IPAddress.Loopback, 0);
        var client = new ClientConnection { Listener = NoListener, LocalSocket = nowhere, Destination = nowhere, DirectSource = nowhere, Source = nowhere, StartedAt = worker.Loop.Clock.GetTimestamp() };
        // Who asked for a length of nothing gets it said.
        if (!body.IsEmpty) head.Body = BodyFraming.OfLength(body.Length);
        else if (head.Body != BodyFraming.OfLength(0)) head.Body = BodyFraming.None;
        head.KeepAlive = true;
        exchange.Begin(client, Settings, worker.Snapshot, head, call);
        exchange.Timeout = timeout > TimeSpan.Zero ? timeout : null;
        if (body.IsEmpty) exchange.Upload.EndWithoutBody();
        exchange.OnRequestEnded();
        var failure = await RunAsync(exchange, cluster);
        exchange.StopTimers();
        var answer = new SideAnswer(failure, Copy(exchange.Response), call._answer.WrittenMemory, Copy(exchange.ResponseTrailers));
        exchange.EndAttempt();
        exchange.Upload.End();
        exchange.Cluster?.EndExchange(exchange);
        return answer;
    }

    private static async ValueTask<Failure?> RunAsync(Exchange exchange, string clusterName)
    {
        if (exchange.Worker.Cluster(clusterName) is not { } cluster) return new(FailureKind.ClusterNotFound, Side.Local);

        exchange.Cluster = cluster;
        if (!cluster.TryPick(exchange, out var endpoint)) return new(FailureKind.NoHealthyUpstream, Side.Upstream);
        if (!cluster.TryBeginRequest(exchange, endpoint)) return new(FailureKind.Overflow, Side.Upstream);

        exchange.Attempt = 1;
        exchange.Endpoint = endpoint;
        var (stream, failure) = await endpoint.Pools.For(exchange).OpenAsync(exchange, exchange.Deadline);
        if (stream is null) return failure;

        exchange.BeginAttempt(stream, null);
        if (await Forwarding.AskAsync(exchange, stream, mayRetry: false) is { } unasked) return unasked;

        cluster.Report(exchange, exchange.Response.Status);
        return await Forwarding.AnswerAsync(exchange, stream);
    }

    public bool TryRead(out BodyPiece piece)
    {
        piece = new(_bodyGiven ? default : _body, true);
        _bodyGiven = true;
        return true;
    }

    public ValueTask<IoStatus> WaitAsync(Deadline deadline) => new(IoStatus.Ok);

    public void WriteHead(ResponseHead head) { }

    public void WriteInterim(ResponseHead head) { }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        // More than the bound is not kept: whoever asks looks at the beginning.
        var room = _answerBytesMax - _answer.WrittenCount;
        _answer.Write(bytes.Length <= room ? bytes : bytes[..Math.Max(room, 0)]);
    }

    public void End(Headers? trailers) { }

    public ValueTask<IoStatus> FlushAsync(Deadline deadline) => new(IoStatus.Ok);

    public void BeginTunnel() { }

    public void WatchCaller(bool watch) { }

    public void Abort(ProtocolError reason = default) { }

    private static ResponseHead Copy(ResponseHead head)
    {
        var copy = new ResponseHead { Status = head.Status, Version = head.Version, Body = head.Body };
        copy.Headers.AppendAll(head.Headers);
        return copy;
    }

    private static Headers Copy(Headers fields)
    {
        var copy = new Headers();
        copy.AppendAll(fields);
        return copy;
    }
}
