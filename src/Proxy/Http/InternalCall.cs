using System.Net;
using Mesh.Http;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http;

/// <summary>What came of a call of our own.</summary>
/// <param name="Status">Zero when no answer came; <paramref name="Failure"/> says why.</param>
/// <param name="Body">Up to the bound the caller gave.</param>
internal sealed record InternalReply(int Status, Headers Headers, Headers Trailers, ReadOnlyMemory<byte> Body, Failure? Failure)
{
    public bool IsAnswered => Status != 0;
}

/// <summary>
/// One request of the proxy's own through one of its clusters, with that cluster's pools, TLS, limits and balancing: a mirror's copy, a question to an
/// authorizer, a fetch of keys. Loop thread only.
/// </summary>
internal sealed class InternalCall : IDownstreamStream
{
    private static readonly HttpConnectionSettings Settings = new();

    private readonly Worker worker;
    private readonly Exchange exchange;
    private readonly RequestHead head = new();
    private readonly ReadOnlyMemory<byte> body;
    private bool bodyWasRead;

    private InternalCall(Worker worker, ReadOnlyMemory<byte> body)
    {
        (this.worker, this.body) = (worker, body);
        exchange = new(worker);
    }

    /// <param name="write">Fills the head; its body's framing is set here.</param>
    /// <param name="bodyBytesMax">More of the response's body is not kept.</param>
    public static async ValueTask<InternalReply> SendAsync(
        Worker worker, string cluster, Action<RequestHead> write, ReadOnlyMemory<byte> body, TimeSpan? timeout, int bodyBytesMax)
    {
        var call = new InternalCall(worker, body);
        write(call.head);
        call.head.Body = body.IsEmpty ? BodyFraming.None : BodyFraming.OfLength(body.Length);
        return await call.RunAsync(cluster, timeout, bodyBytesMax);
    }

    Headers IBodySource.Trailers { get; } = new();
    ProtocolError IBodySource.Problem => default;
    FailureKind IDownstreamStream.GoneAs => FailureKind.DownstreamClosed;
    int IBodySink.Backlog => 0;

    bool IBodySource.TryRead(out BodyPiece piece)
    {
        piece = new(body, true);
        if (bodyWasRead) return false;
        return bodyWasRead = true;
    }

    ValueTask<IoStatus> IBodySource.WaitAsync(Deadline deadline) => new(IoStatus.End);
    void IDownstreamStream.WriteHead(ResponseHead response) { }
    void IDownstreamStream.WriteInterim(ResponseHead response) { }
    void IDownstreamStream.BeginTunnel() { }
    void IDownstreamStream.WatchCaller(bool watch) { }
    void IDownstreamStream.Abort(ProtocolError reason) { }
    void IBodySink.Write(ReadOnlySpan<byte> bytes) { }
    void IBodySink.End(Headers? trailers) { }
    ValueTask<IoStatus> IBodySink.FlushAsync(Deadline deadline) => new(IoStatus.Ok);

    private async ValueTask<InternalReply> RunAsync(string clusterName, TimeSpan? timeout, int bodyBytesMax)
    {
        exchange.Begin(ClientOf(worker), Settings, worker.Snapshot, head, this);
        if (body.IsEmpty)
        {
            exchange.Upload.EndWithoutBody();
            exchange.OnRequestEnded();
        }
        if (worker.Cluster(clusterName) is not { } cluster) return Failed(new(FailureKind.ClusterNotFound, Side.Local));

        exchange.Cluster = cluster;
        exchange.Attempt = 1;
        var reply = await AskAsync(cluster, timeout, bodyBytesMax);
        exchange.StopTimers();
        exchange.EndAttempt();
        exchange.Upload.End();
        cluster.EndExchange(exchange);
        return reply;
    }

    private async ValueTask<InternalReply> AskAsync(ClusterState cluster, TimeSpan? timeout, int bodyBytesMax)
    {
        if (!cluster.TryPick(exchange, out var endpoint)) return Failed(new(FailureKind.NoHealthyUpstream, Side.Upstream));
        if (!cluster.TryBeginRequest(exchange, endpoint)) return Failed(new(FailureKind.Overflow, Side.Upstream));

        exchange.Endpoint = endpoint;
        var deadline = timeout is { } limit ? Deadline.After(exchange.Clock, limit) : Deadline.Never;
        var (stream, failure) = await endpoint.Pools.For(exchange).OpenAsync(exchange, deadline);
        if (stream is null) return Failed(failure ?? new(FailureKind.ConnectFailed, Side.Upstream));

        exchange.BeginAttempt(stream, timeout);
        if (await Forwarding.AskAsync(exchange, stream, mayRetry: false) is { } broken)
        {
            cluster.Report(exchange, broken);
            return Failed(broken);
        }
        cluster.Report(exchange, exchange.Response.Status);
        var (status, headers) = (exchange.Response.Status, new Headers());
        headers.AppendAll(exchange.Response.Headers);
        var (kept, ended) = await ReadBodyAsync(stream, bodyBytesMax);
        if (ended is not IoStatus.Ok) return Failed(new(exchange.CutBy ?? stream.Explain(ended), Side.Upstream));

        var trailers = new Headers();
        trailers.AppendAll(stream.Trailers);
        if (stream.Finish()) exchange.ForgetUpstream();
        return new(status, headers, trailers, kept, null);
    }

    private static async ValueTask<(byte[] Kept, IoStatus Status)> ReadBodyAsync(IUpstreamStream stream, int bytesMax)
    {
        var kept = new MemoryStream();
        while (true)
        {
            if (stream.TryRead(out var piece))
            {
                var room = (int)Math.Min(piece.Bytes.Length, bytesMax - kept.Length);
                if (room > 0) kept.Write(piece.Bytes.Span[..room]);
                if (piece.Ends) return (kept.ToArray(), IoStatus.Ok);
            }
            else if (await stream.WaitAsync(Deadline.Never) is not IoStatus.Ok and var status)
            {
                return ([], status);
            }
        }
    }

    private static InternalReply Failed(Failure failure) => new(0, new(), new(), default, failure);

    private static ClientConnection ClientOf(Worker worker)
    {
        var nobody = new IPEndPoint(IPAddress.Loopback, 0);
        return new()
        {
            Id = worker.NextConnectionId(),
            Listener = new() { Name = "internal", Address = SocketTarget.At(nobody), BindToPort = false, Direction = TrafficDirection.Outbound },
            LocalSocket = nobody,
            Destination = nobody,
            DirectSource = nobody,
            Source = nobody,
            StartedAt = worker.Loop.Clock.GetTimestamp(),
        };
    }
}
