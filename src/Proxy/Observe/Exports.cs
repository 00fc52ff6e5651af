using Mesh.Proxy.Config;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Observe;

/// <summary>One loop's queues to all collectors that its configuration has named. Loop thread only.</summary>
internal sealed class Exports(Worker worker)
{
    /// <summary>Beyond it, queues that have nothing to send are forgotten; if all have, nothing more is taken.</summary>
    private const int QueuesMax = 32;

    private readonly Dictionary<string, ExportQueue> _queues = [];
    private (Collector? Collector, ExportQueue? Queue) _last;

    public void Report(SpanRecord span)
    {
        if (Collector.Of(span.Settings) is not { } collector || QueueOf(collector) is not { } queue) return;

        for (var next = span; next is not null; next = next.UpstreamCall) queue.Add(collector.Protocol == CollectorProtocol.Zipkin ? Zipkin.Span(next) : Otlp.Span(next));
    }

    public void Report(AccessLog log, in FormatSource source)
    {
        if (log.Collector is not { } collector || QueueOf(collector) is not { } queue) return;

        queue.Add(log.Record(source));
    }

    public void Flush()
    {
        foreach (var queue in _queues.Values) queue.Flush();
    }

    private ExportQueue? QueueOf(Collector collector)
    {
        if (ReferenceEquals(collector, _last.Collector)) return _last.Queue;
        if (!_queues.TryGetValue(collector.Key, out var queue))
        {
            if (_queues.Count >= QueuesMax)
                foreach (var (key, idle) in _queues.Where(pair => pair.Value.IsEmpty).ToList()) _queues.Remove(key);
            if (_queues.Count >= QueuesMax)
            {
                worker.Counters.ExportsOf(collector.Signal).DroppedFull++;
                return null;
            }
            _queues[collector.Key] = queue = new(worker, collector);
        }
        _last = (collector, queue);
        return queue;
    }
}
