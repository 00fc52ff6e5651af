using Mesh.ControlPlane.Serve;
using Mesh.Model.World;

namespace Mesh.ControlPlane.Kube;

/// <summary>Work that is done anew with each World, one at a time: what came meanwhile is one round, not many.</summary>
internal static class AfterEachWorld
{
    /// <param name="atLeast">So often even when nothing is new: somebody may have changed what was written.</param>
    public static async Task RunAsync(WorldFeed feed, TimeProvider time, TimeSpan atLeast, Func<World, CancellationToken, Task> work, CancellationToken cancel)
    {
        var news = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Tell(PublishedWorld world) => Volatile.Read(ref news).TrySetResult();
        feed.Published += Tell;
        try
        {
            while (!cancel.IsCancellationRequested)
            {
                Volatile.Write(ref news, new(TaskCreationOptions.RunContinuationsAsynchronously)); // before the look: what comes after it wakes again
                if (feed.Current is { } now) await work(now.World, cancel);
                await Task.WhenAny(news.Task, Task.Delay(atLeast, time, cancel));
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            return; // its term is over
        }
        finally
        {
            feed.Published -= Tell;
        }
    }
}
