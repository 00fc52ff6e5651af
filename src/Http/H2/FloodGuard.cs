namespace Mesh.Http.H2;

/// <summary>
/// Counts what costs us and not the peer (RFC 9113 §10.5). Resets are counted whoever sends them, since a peer can make us send them
/// (CVE-2023-44487, CVE-2025-8671). Times are the caller's milliseconds.
/// </summary>
internal sealed class FloodGuard(H2Settings settings)
{
    private const int StreamsBeforeRatio = 500; // from then on more than half reset within a second is abuse at any rate
    private const int PrematureMs = 1000;

    private Bucket _resets = new(settings.ResetBurst);
    private Bucket _pings = new(settings.PingBurst);
    private long _streams;
    private long _premature;
    private long _priorities;
    private long _windowUpdates;
    private long _dataFramesSent;
    private int _emptyInRow;

    public void StreamOpened() => _streams++;

    /// <summary>Peers measure the line with a PING for what they receive (gRPC's bandwidth estimation): each DATA frame of ours allows one more.</summary>
    public void DataSent()
    {
        _dataFramesSent++;
        _pings.Give(1, settings.PingBurst);
    }

    /// <summary>A stream that ran to its end allows half a reset more: a line that many share has many who lose patience, too.</summary>
    public void StreamCompleted() => _resets.Give(0.5, settings.ResetBurst);

    /// <param name="openedMs">When the stream began; the same as now for one that was refused at once.</param>
    public bool AllowsReset(long nowMs, long openedMs)
    {
        if (nowMs - openedMs < PrematureMs) _premature++;
        return _resets.Take(nowMs, settings.ResetBurst, settings.ResetsPerSecond) && (_streams < StreamsBeforeRatio || _premature * 2 <= _streams);
    }

    public bool AllowsPing(long nowMs) => _pings.Take(nowMs, settings.PingBurst, settings.PingsPerSecond);

    public bool AllowsPriority() => ++_priorities <= 100 * (1 + _streams);

    public bool AllowsWindowUpdate() => ++_windowUpdates <= 5 + 2 * (_streams + 10 * _dataFramesSent);

    public bool AllowsEmpty() => ++_emptyInRow <= settings.EmptyFramesMax;

    public void SawContent() => _emptyInRow = 0;

    private struct Bucket(int burst)
    {
        private double _tokens = burst;
        private long _lastMs;

        public void Give(double tokens, int burst) => _tokens = Math.Min(burst, _tokens + tokens);

        public bool Take(long nowMs, int burst, int perSecond)
        {
            _tokens = Math.Min(burst, _tokens + Math.Max(0, nowMs - _lastMs) * perSecond / 1000.0);
            _lastMs = nowMs;
            if (_tokens < 1) return false;

            _tokens--;
            return true;
        }
    }
}
