using Mesh.ControlPlane;
using Mesh.ControlPlane.Serve;
using Mesh.Model.Resources;
using Mesh.Model.Yaml;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Tests.ControlPlane;

public sealed class WorldFeedTests
{
    [Fact]
    public async Task A_subscriber_that_fails_is_counted_and_the_others_go_on_being_told()
    {
        using var stop = new CancellationTokenSource();
        var metrics = new ServeMetrics(Prometheus.Metrics.NewCustomRegistry());
        var feed = new WorldFeed(new Options(), metrics, TimeProvider.System, NullLogger<WorldFeed>.Instance);
        var told = new List<long>();
        feed.Published += _ => throw new InvalidOperationException("this part has a fault");
        feed.Published += world => told.Add(world.Serial);
        var running = feed.RunAsync(stop.Token);

        feed.SubmitMesh(MeshConfig.Default);
        await feed.FlushAsync(TestContext.Current.CancellationToken);
        feed.Submit([ResourceEvent.Applied(ResourceReader.Read(YamlReader.Read("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}", "test", out _)[0], out _)!)]);
        await feed.FlushAsync(TestContext.Current.CancellationToken);
        await stop.CancelAsync();
        await running;

        Assert.Equal([1, 2], told);
        Assert.Equal(2, metrics.UnheardWorlds.Value);
    }
}
