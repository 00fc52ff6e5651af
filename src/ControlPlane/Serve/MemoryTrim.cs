namespace Mesh.ControlPlane.Serve;

/// <summary>
/// Gives back what reading a whole cluster or a storm of connections left behind: a control plane works in bursts and is idle most of its life.
/// Collects only in quiet moments, and only when much was allocated since the last time.
/// </summary>
internal sealed class MemoryTrim(WorldFeed feed, TimeProvider time, ILogger<MemoryTrim> log)
{
    private const long WorthwhileBytes = 64 << 20;
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(4);

    private long allocatedAtLast, allocatedAtLook;

    public async Task RunAsync(CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(LookEvery, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellation)) Look();
        }
        catch (OperationCanceledException)
        {
            log.LogDebug("no longer looking after memory");
        }
    }

    private void Look()
    {
        var allocated = GC.GetTotalAllocatedBytes();
        var isCalm = allocated - allocatedAtLook < WorthwhileBytes / 16 && time.GetUtcNow() - (feed.Current?.Published ?? default) > Quiet;
        allocatedAtLook = allocated;
        if (!isCalm || allocated - allocatedAtLast < WorthwhileBytes) return;

        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        allocatedAtLast = allocated;
    }
}
