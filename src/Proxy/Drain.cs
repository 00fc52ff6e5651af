using Mesh.Proxy.Observe;

namespace Mesh.Proxy;

internal enum DrainStep
{
    /// <summary>Readiness fails, so that whoever spreads the traffic looks elsewhere; all else is as usual.</summary>
    Serve,

    /// <summary>Callers are asked to leave.</summary>
    Empty,

    End,
}

/// <summary>When what happens after the process was told to end.</summary>
/// <param name="Lead">So long only readiness tells: a connection that is closed before the load balancer has heard of it comes back to the same pod.</param>
/// <param name="Least">Not before.</param>
/// <param name="Most">Not later, though callers are still there.</param>
internal sealed record DrainPlan(TimeSpan Lead, TimeSpan Least, TimeSpan Most)
{
    /// <param name="quick">The application has ended, or somebody is impatient: nothing is waited for.</param>
    public static DrainPlan For(Bootstrap bootstrap, bool quick)
    {
        if (quick) return new(TimeSpan.Zero, TimeSpan.Zero, bootstrap.ExitOnZeroActiveConnections ? bootstrap.DrainDuration : TimeSpan.Zero);

        var least = bootstrap.ExitOnZeroActiveConnections ? bootstrap.MinimumDrain : bootstrap.TerminationDrain;
        return new(bootstrap.IsGateway ? least / 2 : TimeSpan.Zero, least, bootstrap.ExitOnZeroActiveConnections ? bootstrap.DrainDuration : least);
    }

    public DrainStep At(TimeSpan elapsed, int connections) =>
        elapsed < Lead ? DrainStep.Serve : elapsed < Least || connections > 0 && elapsed < Most ? DrainStep.Empty : DrainStep.End;
}

/// <summary>How the process ends: not ready, callers asked to leave, stopped. Outbound calls of the application work until the last moment.</summary>
internal sealed class Drain(Sidecar sidecar)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(200);

    /// <summary>Returns when nothing more is to be waited for.</summary>
    public async Task RunAsync(bool quick)
    {
        var plan = DrainPlan.For(sidecar.Bootstrap, quick);
        var began = sidecar.Time.GetTimestamp();
        Log.Draining(sidecar.Log, "begins", sidecar.Gate.Count);
        sidecar.LeaveRotation();
        await WhileAsync(DrainStep.Serve);
        sidecar.BeginDrain();
        await WhileAsync(DrainStep.Empty);
        sidecar.StopAccepting();
        Log.Draining(sidecar.Log, "ends", sidecar.Gate.Count);

        async Task WhileAsync(DrainStep step)
        {
            while (plan.At(sidecar.Time.GetElapsedTime(began), sidecar.Gate.Count) == step) await Task.Delay(LookEvery, sidecar.Time);
        }
    }
}
