using Mesh.Proxy.Observe;

namespace Mesh.Proxy;

/// <summary>How the process ends: ask inbound callers to leave, wait, stop. Outbound calls of the application work until the last moment.</summary>
internal sealed class Drain(Sidecar sidecar)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(200);

    /// <summary>Returns when nothing more is to be waited for.</summary>
    public async Task RunAsync(bool quick)
    {
        Log.Draining(sidecar.Log, "begins", sidecar.Gate.Count);
        sidecar.BeginDrain();
        var bootstrap = sidecar.Bootstrap;
        var began = sidecar.Time.GetTimestamp();
        var least = quick ? TimeSpan.Zero : bootstrap.ExitOnZeroActiveConnections ? bootstrap.MinimumDrain : bootstrap.TerminationDrain;
        while (true)
        {
            var elapsed = sidecar.Time.GetElapsedTime(began);
            var mustWait = elapsed < least || bootstrap.ExitOnZeroActiveConnections && sidecar.Gate.Count > 0 && elapsed < bootstrap.DrainDuration;
            if (!mustWait) break;

            await Task.Delay(LookEvery, sidecar.Time);
        }
        sidecar.StopAccepting();
        Log.Draining(sidecar.Log, "ends", sidecar.Gate.Count);
    }
}
