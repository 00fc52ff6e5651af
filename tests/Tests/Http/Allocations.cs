namespace Mesh.Tests.Http;

/// <summary>Counts the bytes that an action allocates once it is warm.</summary>
internal static class Allocations
{
    public static long Of(Action action, int rounds = 100)
    {
        for (var i = 0; i < rounds; i++) action();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < rounds; i++) action();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
