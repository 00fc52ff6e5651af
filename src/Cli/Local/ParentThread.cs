using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Mesh.Cli.Local;

/// <summary>
/// The one thread that starts child processes. The kernel takes the thread that forked, not the process, for the parent whose death ends a child
/// (PR_SET_PDEATHSIG): a thread of the pool that retires after some idle seconds would take its children with it.
/// </summary>
internal static class ParentThread
{
    // Nobody starts more at a time than a mesh has processes.
    private const int StartsWaitingMax = 1_000;

    private static readonly BlockingCollection<Action> Starts = new(StartsWaitingMax);

    static ParentThread() => new Thread(Work) { IsBackground = true, Name = "parent of all children" }.Start();

    /// <summary>Runs it there and waits until it is done.</summary>
    public static void Run(Action start)
    {
        using var done = new ManualResetEventSlim();
        Exception? fault = null;
        Starts.Add(() =>
        {
            try
            {
                start();
            }
            catch (Exception e)
            {
                fault = e; // the caller's to handle, on its own thread
            }
            done.Set();
        });
        done.Wait();
        if (fault is not null) ExceptionDispatchInfo.Throw(fault);
    }

    private static void Work()
    {
        foreach (var start in Starts.GetConsumingEnumerable()) start();
    }
}
