using System.Runtime.CompilerServices;
using Mesh.Http;
using Mesh.Net;

namespace Mesh.Proxy.Http;

/// <summary>Room 7 of 8: carries the request to the upstream and the response back, and knows which side failed.</summary>
internal static class Forwarding
{
    /// <summary>Sends the request and waits for the response's head, which it leaves in <see cref="Exchange.Response"/>.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public static async ValueTask<Failure?> AskAsync(Exchange exchange, IUpstreamStream upstream, bool mayRetry)
    {
        upstream.WriteHead(exchange.Request);
        exchange.Upload.Attach(upstream, mayRetry);

        // While the body still comes, its pump flushes; the response may come before the body's end.
        if (!exchange.Upload.IsPumping)
        {
            var sent = await upstream.FlushAsync(Deadline.Never);
            if (sent is not IoStatus.Ok && upstream.Backlog > 0 && sent is IoStatus.Aborted) return FailureOf(exchange, upstream, sent);
        }

        do
        {
            IoStatus status;
            while (!upstream.TryReadHead(exchange.OwnResponse, out status))
            {
                status = await upstream.WaitHeadAsync(Deadline.Never);
                if (status != IoStatus.Ok) break;
            }
            if (status != IoStatus.Ok) return FailureOf(exchange, upstream, status);
            if (upstream.Head.Status == 100 && (exchange.Request.ExpectsContinue || exchange.Settings.Proxy100Continue)) exchange.Downstream.WriteInterim(upstream.Head);
        }
        while (upstream.Head.IsInterim);

        exchange.UpstreamFirstByteAt = exchange.Clock.GetTimestamp();
        exchange.Moved();
        exchange.Response = upstream.Head;
        PeerExchange.FromUpstream(exchange, upstream.Connection);
        return null;
    }

    /// <summary>Passes the response on to the caller. From here on a failure can only cut it short.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public static async ValueTask<Failure?> AnswerAsync(Exchange exchange, IUpstreamStream upstream)
    {
        var caller = exchange.Downstream;
        var isTunnel = exchange.Response.Body.Kind == BodyKind.Tunnel;
        exchange.ResponseStarted = true;
        exchange.ResponseStartedAt = exchange.Clock.GetTimestamp();
        caller.WriteHead(exchange.Response);
        if (isTunnel) BeginTunnel(exchange, upstream);

        while (true)
        {
            if (upstream.TryRead(out var piece))
            {
                if (!piece.Bytes.IsEmpty) Pass(exchange, caller, piece.Bytes);
                if (piece.Ends) break;
                if (caller.Backlog <= Upload.BacklogBytesMax) continue;
            }

            // About to wait: let the caller have what is there.
            if (caller.Backlog > 0 && await caller.FlushAsync(Deadline.Never) is not IoStatus.Ok) return Gone(exchange);
            if (exchange.CutBy is not null) return FailureOf(exchange, upstream, IoStatus.Aborted);

            var status = await upstream.WaitAsync(Deadline.Never);
            if (status != IoStatus.Ok) return FailureOf(exchange, upstream, status);
        }

        exchange.UpstreamEndedAt = exchange.Clock.GetTimestamp();
        CopyTrailers(exchange, upstream);
        if (upstream.Finish()) exchange.ForgetUpstream();
        caller.End(exchange.ResponseTrailers);
        return await caller.FlushAsync(Deadline.Never) is IoStatus.Ok ? null : Gone(exchange);
    }

    private static void Pass(Exchange exchange, IDownstreamStream caller, ReadOnlyMemory<byte> bytes)
    {
        exchange.ResponseBytes += bytes.Length;
        exchange.Moved();
        caller.Write(bytes.Span);
    }

    private static void BeginTunnel(Exchange exchange, IUpstreamStream upstream)
    {
        exchange.StopTimers();
        exchange.Downstream.WatchCaller(false);
        exchange.Downstream.BeginTunnel();
        upstream.BeginTunnel();
        exchange.Upload.BeginTunnel(upstream);
    }

    private static void CopyTrailers(Exchange exchange, IUpstreamStream upstream)
    {
        var trailers = upstream.Trailers;
        if (trailers.Count == 0) return;

        exchange.ResponseTrailers.AppendAll(trailers);
        if (exchange.IsGrpc && Grpc.StatusIn(trailers) is { } status) exchange.GrpcStatus = status;
    }

    private static Failure Gone(Exchange exchange) => new(exchange.CutBy ?? exchange.Downstream.GoneAs, Side.Downstream);

    private static Failure FailureOf(Exchange exchange, IUpstreamStream upstream, IoStatus status)
    {
        if (exchange.CutBy is { } cut)
        {
            var side = cut is FailureKind.DownstreamClosed or FailureKind.DownstreamReset or FailureKind.DownstreamProtocolError or FailureKind.BadHttp1 or FailureKind.RequestTimeout ? Side.Downstream : Side.Upstream;
            return new(cut, side);
        }
        return new(upstream.Explain(status), Side.Upstream) { BeforeRequestSent = !upstream.RequestSent };
    }
}
