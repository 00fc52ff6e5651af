using System.Runtime.CompilerServices;

namespace Mesh.Net;

/// <summary>Bytes both ways until both sides have ended, one failed, or nothing moved for the idle time.</summary>
public static class Relay
{
    // Below it the two copies cost less than the pipe; small messages never get here.
    private const int BulkFromBytes = 128 * 1024;

    /// <summary>Counts while it runs, so that a long connection can be reported before its end.</summary>
    public sealed class Progress
    {
        /// <summary>From the downstream to the upstream.</summary>
        public long BytesUp { get; internal set; }

        /// <summary>From the upstream to the downstream.</summary>
        public long BytesDown { get; internal set; }

        internal long LastMove;
    }

    /// <summary>How it ended: Ok when both sides said their end; otherwise which side broke it and how. TimedOut: idle, neither side's fault.</summary>
    public readonly record struct Outcome(IoStatus Status, bool BrokenByUpstream);

    /// <summary>Leaves both connections to the caller: in good order when Ok, aborted otherwise.</summary>
    /// <param name="beforeDown">Reads what the upstream says first and is not to be passed on, while the other direction is already under way.</param>
    public static async ValueTask<Outcome> RunAsync(Connection downstream, Connection upstream, TimeSpan idle, Progress progress, Func<ValueTask>? beforeDown = null)
    {
        progress.LastMove = downstream.Loop.Clock.GetTimestamp();
        var up = PumpAsync(downstream, upstream, idle, progress, isUp: true);
        var down = beforeDown is null ? PumpAsync(upstream, downstream, idle, progress, isUp: false) : PumpAfterAsync(beforeDown, upstream, downstream, idle, progress);
        var (upStatus, upByWriter) = await up;
        var (downStatus, downByWriter) = await down;

        if (upStatus == IoStatus.End && downStatus == IoStatus.End) return new(IoStatus.Ok, false);

        // The second to fail was aborted by the first: Aborted is never the cause.
        var upIsCause = upStatus is not (IoStatus.End or IoStatus.Aborted);
        return upIsCause ? new(upStatus, upByWriter) : new(downStatus, !downByWriter);
    }

    private static async ValueTask<(IoStatus Status, bool ByWriter)> PumpAfterAsync(Func<ValueTask> before, Connection upstream, Connection downstream, TimeSpan idle, Progress progress)
    {
        await before();
        return await PumpAsync(upstream, downstream, idle, progress, isUp: false);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private static async ValueTask<(IoStatus Status, bool ByWriter)> PumpAsync(
        Connection from, Connection to, TimeSpan idle, Progress progress, bool isUp)
    {
        var clock = from.Loop.Clock;
        long moved = 0;
        while (true)
        {
            if (!from.Input.IsEmpty)
            {
                var bytes = from.Input.Memory;
                // Counted as handed over, as Envoy counts them: the other side may have read them and gone before we hear that they were sent.
                Count(progress, isUp, bytes.Length, clock);
                var written = await to.WriteAsync(bytes, Deadline.After(clock, idle));
                if (written != IoStatus.Ok) return Broken(from, to, written, byWriter: true);

                from.Input.Consume(bytes.Length);
                moved += bytes.Length;
            }

            if (moved >= BulkFromBytes && from.BulkPipeTo(to) is { } pipe) return await PumpBulkAsync(from, to, pipe, idle, progress, isUp);

            var filled = await from.FillAsync(Deadline.After(clock, idle));
            if (filled == IoStatus.TimedOut && clock.GetElapsedTime(progress.LastMove) < idle) continue;
            if (filled == IoStatus.End) return await EndAsync(to, idle);
            if (filled != IoStatus.Ok) return Broken(from, to, filled, byWriter: false);
        }
    }

    private static async ValueTask<(IoStatus Status, bool ByWriter)> PumpBulkAsync(
        Connection from, Connection to, IBulkPipe pipe, TimeSpan idle, Progress progress, bool isUp)
    {
        var clock = from.Loop.Clock;
        Action<int> count = bytes => Count(progress, isUp, bytes, clock);
        while (true)
        {
            var (status, byWriter) = await pipe.MoveAsync(idle, count);
            if (status == IoStatus.End) return await EndAsync(to, idle);
            if (status != IoStatus.WouldBlock) return Broken(from, to, status, byWriter);

            var readable = await pipe.ReadableAsync(Deadline.After(clock, idle));
            if (readable == IoStatus.TimedOut && clock.GetElapsedTime(progress.LastMove) < idle) continue;
            if (readable == IoStatus.End) return await EndAsync(to, idle);
            if (readable != IoStatus.Ok) return Broken(from, to, readable, byWriter: false);
        }
    }

    private static void Count(Progress progress, bool isUp, int bytes, LoopClock clock)
    {
        progress.LastMove = clock.GetTimestamp();
        if (isUp) progress.BytesUp += bytes;
        else progress.BytesDown += bytes;
    }

    // The end itself may have to wait for room, and whoever closes after us must not cut it off.
    private static async ValueTask<(IoStatus Status, bool ByWriter)> EndAsync(Connection to, TimeSpan idle)
    {
        to.ShutdownWrite();
        await to.FlushAsync(Deadline.After(to.Loop.Clock, idle));
        return (IoStatus.End, false);
    }

    private static (IoStatus Status, bool ByWriter) Broken(Connection from, Connection to, IoStatus status, bool byWriter)
    {
        from.Abort();
        to.Abort();
        return (status, byWriter);
    }
}
