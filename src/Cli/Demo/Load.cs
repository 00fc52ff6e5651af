using System.Net;

namespace Mesh.Cli.Demo;

/// <summary>A steady stream of requests from outside the mesh: open loop, at most <see cref="InFlightMax"/> at a time.</summary>
internal sealed class Load(Uri target, int perSecond, TimeProvider time) : IDisposable
{
    private const int InFlightMax = 64;

    private readonly HttpClient client = new(new SocketsHttpHandler { UseProxy = false, MaxConnectionsPerServer = InFlightMax }) { Timeout = TimeSpan.FromSeconds(10) };
    private readonly SemaphoreSlim inFlight = new(InFlightMax);
    private long sent, failed;

    public long Sent => Interlocked.Read(ref sent);

    /// <summary>No answer, or one of 5xx.</summary>
    public long Failed => Interlocked.Read(ref failed);

    /// <summary>Runs until cancelled, then waits for what is in flight.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        using var tick = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / perSecond), time);
        try
        {
            while (await tick.WaitForNextTickAsync(cancel))
                if (inFlight.Wait(0, CancellationToken.None)) _ = CallAsync();
        }
        catch (OperationCanceledException)
        {
            for (var i = 0; i < InFlightMax; i++) await inFlight.WaitAsync(TimeSpan.FromSeconds(10), CancellationToken.None);
        }
    }

    public void Dispose()
    {
        client.Dispose();
        inFlight.Dispose();
    }

    private async Task CallAsync()
    {
        Interlocked.Increment(ref sent);
        try
        {
            using var answer = await client.GetAsync(target);
            if (answer.StatusCode >= HttpStatusCode.InternalServerError) Interlocked.Increment(ref failed);
            await answer.Content.ReadAsByteArrayAsync();
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException or IOException)
        {
            Interlocked.Increment(ref failed);
        }
        finally
        {
            inFlight.Release();
        }
    }
}
