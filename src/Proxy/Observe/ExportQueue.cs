using Mesh.Net;
using Mesh.Proxy.Http;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Observe;

/// <summary>
/// One loop's spans or log records on their way to one collector: gathered, sent together, one request at a time. No request of the traffic ever waits for it: what
/// finds no room is dropped and counted, and a collector that fails is asked again later and later. Loop thread only.
/// </summary>
internal sealed class ExportQueue
{
    public const int ItemsMax = 4096, BatchItemsMax = 512, AttemptsMax = 5;
    private const int BytesMax = 4 * 1024 * 1024, BatchBytesMax = 1024 * 1024;
    private static readonly TimeSpan GatherMax = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PauseFirst = TimeSpan.FromSeconds(1), PauseLast = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan TimeoutDefault = TimeSpan.FromSeconds(10);

    private readonly Worker _worker;
    private readonly Collector _collector;
    private readonly Queue<byte[]> _waiting = [];
    private readonly List<byte[]> _batch = [];
    private readonly LoopTimer _timer;
    private long _bytes;
    private int _attempts;
    private bool _isSending;

    public ExportQueue(Worker worker, Collector collector)
    {
        (_worker, _collector) = (worker, collector);
        _timer = new(worker.Loop, Flush);
    }

    public bool IsEmpty => _waiting.Count == 0 && _batch.Count == 0;

    private ref ExportCounts Counts => ref _worker.Counters.ExportsOf(_collector.Signal);

    public void Add(byte[] item)
    {
        if (_waiting.Count >= ItemsMax || _bytes + item.Length > BytesMax)
        {
            Counts.DroppedFull++;
            return;
        }
        _waiting.Enqueue(item);
        _bytes += item.Length;
        if (_isSending || _attempts > 0) return;

        if (_waiting.Count >= BatchItemsMax) Flush();
        else if (!_timer.IsArmed) _timer.Arm(Deadline.After(_worker.Loop.Clock, GatherMax));
    }

    public void Flush()
    {
        if (_isSending || IsEmpty) return;

        _timer.Disarm();
        _isSending = true;
        _ = SendAsync();
    }

    private async Task SendAsync()
    {
        FillBatch();
        var body = _collector.Body(_batch, _worker.Node);
        var timeout = _collector.Timeout > TimeSpan.Zero ? _collector.Timeout : TimeoutDefault;
        var answer = await SideCall.AskAsync(_worker, _collector.Cluster, _collector.Head(), body, timeout, answerBytesMax: 4096);
        _isSending = false;
        if (_collector.Took(answer)) Counts.Sent += _batch.Count;
        else
        {
            Counts.Failures++;
            if (++_attempts < AttemptsMax && _collector.IsWorthAnotherTry(answer))
            {
                _timer.Arm(Deadline.After(_worker.Loop.Clock, PauseAfter(_attempts)));
                return;
            }
            Counts.DroppedRefused += _batch.Count;
        }
        _attempts = 0;
        _batch.Clear();
        if (_waiting.Count > 0) _timer.Arm(Deadline.After(_worker.Loop.Clock, _waiting.Count >= BatchItemsMax ? TimeSpan.Zero : GatherMax));
    }

    /// <summary>A batch that failed stays as it is.</summary>
    private void FillBatch()
    {
        if (_batch.Count > 0) return;

        var bytes = 0;
        while (_batch.Count < BatchItemsMax && _waiting.TryPeek(out var next) && (_batch.Count == 0 || bytes + next.Length <= BatchBytesMax))
        {
            _batch.Add(_waiting.Dequeue());
            bytes += next.Length;
            _bytes -= next.Length;
        }
    }

    private TimeSpan PauseAfter(int attempts)
    {
        var longest = PauseFirst * Math.Pow(2, attempts - 1);
        return (longest < PauseLast ? longest : PauseLast) * (0.5 + _worker.Loop.Random.NextDouble() / 2);
    }
}

/// <summary>What became of one kind of items. One writer: the loop.</summary>
internal struct ExportCounts
{
    public long Sent, DroppedFull, DroppedRefused, Failures;
}
