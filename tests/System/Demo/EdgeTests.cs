namespace Mesh.SystemTests.Demo;

/// <summary>A gateway that ends TLS, run from a folder, while the folder changes under load.</summary>
[Collection("demo")]
public sealed class EdgeTests : IDisposable
{
    private const int Changes = 60;

    private readonly Edge edge = new();

    public void Dispose() => edge.Dispose();

    [Fact]
    public async Task Certificate_and_routes_change_ten_times_a_second_and_no_request_fails()
    {
        await using var mesh = await edge.RunAsync();
        using var staying = edge.Client();
        using var coming = edge.Client(TimeSpan.Zero);

        using var over = new CancellationTokenSource();
        var load = Task.WhenAll(new[] { staying, staying, coming, coming }.Select(client => Task.Run(() => LoadAsync(client, over.Token))));
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        for (var i = 1; i <= Changes || edge.Shown.Count < edge.Certificates.Length; i++)
        {
            await tick.WaitForNextTickAsync(mesh.Patience);
            edge.UseCertificate(i / 5 % 2);
            edge.Write("route", Route(i));
        }
        await over.CancelAsync();
        var results = await load;

        Assert.Equal([], results.SelectMany(result => result.Failed));
        Assert.All(results, result => Assert.NotEqual(0, result.Asked));
    }

    private static string Route(int number) =>
        $"{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: shop, namespace: shop}}, spec: {{hosts: [shop.test], gateways: [edge], http: [{{name: n{number}, timeout: {10 + number}s, route: [{{destination: {{host: shop}}}}]}}]}}}}";

    private async Task<(int Asked, List<string> Failed)> LoadAsync(HttpClient client, CancellationToken over)
    {
        var (asked, failed) = (0, new List<string>());
        for (; !over.IsCancellationRequested; asked++)
            if (await edge.CallAsync(client, "/") is (not 200 and var status, var text)) failed.Add($"{status} {text}");
        return (asked, failed);
    }
}
