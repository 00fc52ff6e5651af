using Prometheus;

namespace Mesh.ControlPlane.Serve;

/// <summary>
/// What this process uses, under the names that Istio's dashboards ask for: the usual process_* ones, and .NET's equivalents of Go's.
/// Read when somebody scrapes. What .NET does not measure (stacks in use, number of allocations) is left out or said to be nothing.
/// </summary>
internal static class RuntimeMetrics
{
    public static void Register(CollectorRegistry registry)
    {
        var factory = Metrics.WithCustomRegistry(registry);
        var processor = factory.CreateCounter("process_cpu_seconds_total", "Processor time used, in seconds.");
        var allocated = factory.CreateCounter("go_memstats_alloc_bytes_total", "Bytes allocated since the start (.NET: all allocations of the managed heap).");
        var gauges = new (Gauge Gauge, Func<double> Read)[]
        {
            (factory.CreateGauge("process_resident_memory_bytes", "Resident memory in bytes."), () => Environment.WorkingSet),
            (factory.CreateGauge("process_virtual_memory_bytes", "Virtual memory in bytes."), VirtualBytes),
            (factory.CreateGauge("process_open_fds", "Open file descriptors."), () => Directory.Exists(Descriptors) ? Directory.EnumerateFileSystemEntries(Descriptors).Count() : 0),
            (factory.CreateGauge("go_goroutines", "Threads of the pool (.NET has no goroutines)."), () => ThreadPool.ThreadCount),
            (factory.CreateGauge("go_memstats_heap_alloc_bytes", "Bytes of live and not yet collected objects."), () => GC.GetTotalMemory(false)),
            (factory.CreateGauge("go_memstats_alloc_bytes", "The same as go_memstats_heap_alloc_bytes."), () => GC.GetTotalMemory(false)),
            (factory.CreateGauge("go_memstats_heap_inuse_bytes", "Heap size after the last collection."), () => GC.GetGCMemoryInfo().HeapSizeBytes),
            (factory.CreateGauge("go_memstats_heap_sys_bytes", "Bytes committed for the managed heap."), () => GC.GetGCMemoryInfo().TotalCommittedBytes),
            (factory.CreateGauge("go_memstats_stack_inuse_bytes", "Not measured by .NET: always 0."), () => 0),
        };
        registry.AddBeforeCollectCallback(() =>
        {
            processor.IncTo(Environment.CpuUsage.TotalTime.TotalSeconds);
            allocated.IncTo(GC.GetTotalAllocatedBytes());
            foreach (var (gauge, read) in gauges) gauge.Set(read());
        });
    }

    private const string Descriptors = "/proc/self/fd";

    private static double VirtualBytes()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return process.VirtualMemorySize64;
    }
}
