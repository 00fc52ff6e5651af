using System.Runtime.CompilerServices;
using Mesh.Http;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http.Filters;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http;

/// <summary>
/// THE SPINE: the life of one request, top to bottom. Every decision is made here; what it calls only computes or waits.
/// One instance per filter chain and loop.
/// </summary>
internal sealed class ExchangeRunner(FilterList filters)
{
    /// <returns>Null when the caller has its whole answer; otherwise why its connection or stream must be ended.</returns>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<Failure?> RunAsync(Exchange exchange)
    {
        if (exchange.Worker.Pressure == Pressure.Critical) return await ReplyAsync(exchange, Shed(exchange));
        if (RequestEntry.Prepare(exchange) is { } malformed) return await ReplyAsync(exchange, malformed);

        ChooseRoute(exchange);
        if (Downstream.Misdirection.IsOne(exchange)) return await ReplyAsync(exchange, Downstream.Misdirection.Answer(exchange));
        Tracing.Begin(exchange);
        if (RequestEntry.RefusesUpgrade(exchange)) return await ReplyAsync(exchange, new(FailureKind.UpgradeRefused, Side.Local));
        if (await filters.CheckAsync(exchange) is { } refusal) return await ReplyAsync(exchange, refusal);
        if (exchange.RouteIsStale) ChooseRoute(exchange);
        if (exchange.CutBy is { } cut) return await ReplyAsync(exchange, new(cut, Side.Downstream));
        if (exchange.Route is not { } route) return await ReplyAsync(exchange, new(FailureKind.NoRoute, Side.Local));
        if (route.Action is not Forward forward) return await ReplyAsync(exchange, RouteAnswer.Of(exchange, route.Action));

        if (exchange.Cluster is not { } cluster) return await ReplyAsync(exchange, new(FailureKind.ClusterNotFound, Side.Local), forward.ClusterNotFoundStatus);

        Router.EditRequest(exchange, forward);
        var retry = RetryPolicy.Of(exchange);
        exchange.Timeout = Timeouts.Of(exchange, forward);
        Timeouts.TellUpstream(exchange, forward, exchange.Timeout, retry?.PerTryTimeout);
        exchange.StartTimers();
        exchange.Upload.CopyTo(Router.MirrorsOf(exchange, forward));
        if (exchange.Request.Body.IsEmpty) exchange.OnRequestEnded();
        while (true)
        {
            exchange.Attempt++;
            var failure = await TryOnceAsync(exchange, cluster, retry);
            if (failure is { } lost && WasNotTakenUp(exchange, lost))
            {
                exchange.HasBeenAskedAgain = true;
                exchange.EndAttempt();
                exchange.Attempt--;
                continue;
            }
            var again = failure is { } f ? MayRetry(exchange, cluster, retry, f) : retry is not null && WantsBetter(exchange, cluster, retry);
            if (!again) return failure is { } last ? await ReplyAsync(exchange, last) : await AnswerAsync(exchange, cluster, forward);

            exchange.EndAttempt();
            Router.EditForRetry(exchange);
            await exchange.PauseAsync(RetryPolicy.Backoff(retry!, exchange.Attempt, exchange.Random));
            if (exchange.CutBy is { } by) return await ReplyAsync(exchange, new(by, Side.Upstream));
        }
    }

    /// <summary>Early, before anything is spent on it: better a quick no than a process killed with all it carries.</summary>
    private static Failure Shed(Exchange exchange)
    {
        exchange.Worker.Counters.RequestsShed++;
        return new(FailureKind.Overloaded, Side.Local);
    }

    /// <summary>Before the filters run, who look at route and cluster: an answer of theirs is counted and logged under both.</summary>
    private static void ChooseRoute(Exchange exchange)
    {
        exchange.Cluster = Router.TryMatch(exchange) && exchange.Route!.Action is Forward forward
            ? exchange.Worker.Cluster(Router.PickCluster(exchange, forward)) : null;
    }

    /// <summary>A request that could not be read as one: answered without filters or route.</summary>
    public ValueTask<Failure?> RejectAsync(Exchange exchange, in Failure failure) => ReplyAsync(exchange, failure);

    /// <summary>Pick, connect, ask.</summary>
    private static ValueTask<Failure?> TryOnceAsync(Exchange exchange, ClusterState cluster, RetrySettings? retry) =>
        cluster.IsResolving ? ResolveAndTryAsync(exchange, cluster, retry) : TryResolvedAsync(exchange, cluster, retry);

    private static async ValueTask<Failure?> ResolveAndTryAsync(Exchange exchange, ClusterState cluster, RetrySettings? retry)
    {
        await cluster.ResolvedAsync(DeadlineOf(exchange, retry));
        return await TryResolvedAsync(exchange, cluster, retry);
    }

    private static ValueTask<Failure?> TryResolvedAsync(Exchange exchange, ClusterState cluster, RetrySettings? retry)
    {
        if (!cluster.TryPick(exchange, out var endpoint)) return new(new Failure(FailureKind.NoHealthyUpstream, Side.Upstream));
        if (!cluster.TryBeginRequest(exchange, endpoint)) return new(new Failure(FailureKind.Overflow, Side.Upstream) { BeforeRequestSent = true });

        exchange.Endpoint = endpoint;
        exchange.UpstreamRemote = endpoint.Endpoint.Address.Ip;
        exchange.RememberTried(endpoint);
        if (exchange.Route?.Action is Forward { AutoHostRewrite: true } forward) Rewrites.RewriteHostTo(exchange, forward, endpoint.Endpoint.Hostname);
        var pool = endpoint.Pools.For(exchange);
        return pool.TryOpen(exchange) is { } stream ? AskAsync(exchange, stream, retry) : ConnectAndAskAsync(exchange, pool, retry);
    }

    private static async ValueTask<Failure?> ConnectAndAskAsync(Exchange exchange, ConnectionPool pool, RetrySettings? retry)
    {
        var (stream, failure) = await pool.OpenAsync(exchange, DeadlineOf(exchange, retry));
        if (stream is null) return exchange.CutBy is { } why ? new(why, Side.Upstream) : failure;

        return await AskAsync(exchange, stream, retry);
    }

    private static ValueTask<Failure?> AskAsync(Exchange exchange, IUpstreamStream stream, RetrySettings? retry)
    {
        exchange.BeginAttempt(stream, retry?.PerTryTimeout);
        if (exchange.CutBy is { } cut) return new(new Failure(cut, exchange.CallerIsGone ? Side.Downstream : Side.Upstream));

        PeerExchange.ToUpstream(exchange, stream);
        return Forwarding.AskAsync(exchange, stream, mayRetry: retry is not null && exchange.Attempt <= retry.RetriesMax);
    }

    /// <summary>
    /// The request met a pooled connection that was just closing, and the upstream has said that it did not take it up: its GOAWAY names an earlier last stream,
    /// or the stream was refused (RFC 9113 §8.7). So whatever it is, it may be asked again, once, on another connection; that is no retry and is not counted as one.
    /// An end without such a word proves nothing: then only the route's own policy may try again.
    /// </summary>
    private static bool WasNotTakenUp(Exchange exchange, in Failure failure) =>
        failure.Kind == FailureKind.UpstreamRefusedStream && !exchange.HasBeenAskedAgain && exchange.CutBy is null && exchange.Upstream is { IsReused: true }
        && (exchange.Request.Body.IsEmpty || exchange.Upload.IsReplayable);

    private static Deadline DeadlineOf(Exchange exchange, RetrySettings? retry) =>
        retry?.PerTryTimeout is { } limit ? Deadline.After(exchange.Clock, limit).Sooner(exchange.Deadline) : exchange.Deadline;

    private static bool MayRetry(Exchange exchange, ClusterState cluster, RetrySettings? retry, in Failure failure)
    {
        cluster.Report(exchange, failure);
        if (retry is null || exchange.CallerIsGone || exchange.CutBy == FailureKind.Timeout || !RetryPolicy.Wants(retry, failure)) return false;

        return HasRetryLeft(exchange, cluster, retry);
    }

    /// <summary>The upstream answered, but the policy hopes for a better answer.</summary>
    private static bool WantsBetter(Exchange exchange, ClusterState cluster, RetrySettings retry) =>
        RetryPolicy.Wants(retry, exchange) && HasRetryLeft(exchange, cluster, retry) && Reported(exchange, cluster);

    private static bool Reported(Exchange exchange, ClusterState cluster)
    {
        cluster.Report(exchange, exchange.Response.Status);
        return true;
    }

    private static bool HasRetryLeft(Exchange exchange, ClusterState cluster, RetrySettings retry)
    {
        if (exchange.Attempt > retry.RetriesMax)
        {
            exchange.Raise(ResponseFlag.URX);
            return false;
        }
        if (!exchange.Upload.IsReplayable) return false;
        if (cluster.TryBeginRetry(exchange)) return true;

        exchange.Raise(ResponseFlag.UO);
        return false;
    }

    /// <summary>The upstream's answer to the caller.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<Failure?> AnswerAsync(Exchange exchange, ClusterState cluster, Forward forward)
    {
        cluster.Report(exchange, exchange.Response.Status);
        exchange.Upload.OnAnswered();
        exchange.Details = "via_upstream";
        if (exchange.IsGrpc && Grpc.StatusIn(exchange.Response.Headers) is { } grpc) exchange.GrpcStatus = grpc;
        exchange.Status = exchange.Response.Status;
        ResponseExit.FromUpstream(exchange);
        Router.EditResponse(exchange, forward);
        filters.OnResponse(exchange);
        ResponseExit.Finish(exchange);

        var failure = await Forwarding.AnswerAsync(exchange, exchange.Upstream!);
        return failure is { } broken ? Broken(exchange, broken) : null;
    }

    /// <summary>An answer of our own.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<Failure?> ReplyAsync(Exchange exchange, Failure failure, int statusWhenKnown = 0)
    {
        exchange.EndAttempt();
        if (exchange.CallerIsGone || failure.Entry.Http == 0 && failure.Answer is null) return Broken(exchange, failure);

        if (HasWaited(exchange, failure)) exchange.Upload.TakeWhatIsHere();
        var body = LocalReply.Compose(exchange, failure, statusWhenKnown);
        filters.OnResponse(exchange);
        ResponseExit.Finish(exchange);
        exchange.ResponseStarted = true;
        exchange.ResponseStartedAt = exchange.Clock.GetTimestamp();
        exchange.ResponseBytes = body.Length;
        var caller = exchange.Downstream;
        caller.WriteHead(exchange.Response);
        caller.Write(body.Span);
        caller.End(null);
        return await caller.FlushAsync(Deadline.Never) is IoStatus.Ok ? null : Broken(exchange, new(caller.GoneAs, Side.Downstream));
    }

    /// <summary>Time went by before this answer was known, in which the rest of a small request has come: it need not end the connection.</summary>
    private static bool HasWaited(Exchange exchange, in Failure failure) => failure.Kind switch
    {
        FailureKind.NoHealthyUpstream or FailureKind.Overflow => exchange.Attempt > 1,
        FailureKind.ExternalDenied or FailureKind.ExternalFailed => true,
        _ => failure.Side == Side.Upstream || exchange.Flags.Has(ResponseFlag.DI),
    };

    /// <summary>No answer, or no whole one, is possible.</summary>
    private static Failure Broken(Exchange exchange, in Failure failure)
    {
        var entry = failure.Entry;
        exchange.Raise(entry.Flag);
        if (failure.Side == Side.Downstream || exchange.CallerIsGone)
        {
            exchange.Details = entry.Details;
            if (!exchange.ResponseStarted) exchange.Status = 0;
        }
        else if (exchange.ResponseStarted)
        {
            exchange.Details = entry.ResetReason.Length == 0 ? entry.Details : Failures.Unspaced($"upstream_reset_after_response_started{{{entry.ResetReason}}}");
        }
        else
        {
            exchange.Details = Failures.DetailsOf(failure);
        }
        return failure;
    }

    /// <summary>Room 8 of 8: everything that is said of an exchange is said here, exactly once.</summary>
    public void Record(Exchange exchange)
    {
        exchange.StopTimers();
        exchange.EndedAt = exchange.Clock.GetTimestamp();
        filters.OnEnd(exchange);
        RequestStats.Record(exchange);
        exchange.Worker.Logs.Record(exchange);
        Tracing.End(exchange);
        exchange.Worker.Samples.Offer(exchange);
        exchange.EndAttempt();
        exchange.Upload.End();
        exchange.Cluster?.EndExchange(exchange);
        exchange.Client.BytesReceived += exchange.RequestBytes;
        exchange.Client.BytesSent += exchange.ResponseBytes;
    }
}
