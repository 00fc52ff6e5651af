namespace Mesh.Tests.Http;

/// <summary>Counts the bytes that an action allocates once it is warm.</summary>
internal static class Allocations
{
    private const int Windows = 5;

    /// <returns>
    /// The least of a few windows, each of so many rounds. What an action itself allocates is in every window; what the runtime allocates on its behalf once,
    /// whenever it compiles a path anew, is in one.
    /// </returns>
    public static long Of(Action action, int rounds = 100)
    {
        var least = long.MaxValue;
        for (var i = 0; i < rounds; i++) action();
        for (var window = 0; window < Windows && least > 0; window++) least = Math.Min(least, InOneWindow(action, rounds));
        return least;
    }

    private static long InOneWindow(Action action, int rounds)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < rounds; i++) action();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
