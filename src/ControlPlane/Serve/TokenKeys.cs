using System.Text.Json;
using Mesh.Model.World;

namespace Mesh.ControlPlane.Serve;

/// <summary>
/// Fetches the key sets of token issuers that RequestAuthentications name by URI, so that proxies need not. Until the first success their tokens
/// are refused; afterwards the last good set stays while an issuer cannot be reached.
/// </summary>
internal sealed class TokenKeys(WorldFeed feed, HttpClient http, TimeProvider time, ILogger<TokenKeys> log)
{
    private const int KeySetBytesMax = 1 << 20;   // a key is a kilobyte; nobody has a thousand
    private const int IssuersMax = 1_000;

    private static readonly TimeSpan RefreshEvery = TimeSpan.FromMinutes(20);
    private static readonly TimeSpan FetchPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RetryFirst = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RetryLongest = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, Issuer> issuers = [];

    private sealed record Issuer(DateTimeOffset Next, TimeSpan Retry, string? Keys);

    public async Task RunAsync(CancellationToken stop)
    {
        using var stirred = new SemaphoreSlim(1, 1);
        void Stir(PublishedWorld world)
        {
            if (stirred.CurrentCount == 0) stirred.Release();
        }
        feed.Published += Stir;
        try
        {
            while (!stop.IsCancellationRequested)
            {
                await stirred.WaitAsync(await RoundAsync(stop), stop);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
            return;
        }
        finally
        {
            feed.Published -= Stir;
        }
    }

    /// <summary>Fetches what is due.</summary>
    /// <returns>How long nothing is due.</returns>
    internal async Task<TimeSpan> RoundAsync(CancellationToken stop)
    {
        var wanted = feed.Current is { } current ? Wanted(current.World) : [];
        foreach (var gone in issuers.Keys.Except(wanted).ToList())
        {
            issuers.Remove(gone);
            feed.SubmitKeys(gone, null);
        }
        foreach (var uri in wanted.Take(IssuersMax))
        {
            var now = time.GetUtcNow();
            if (issuers.TryGetValue(uri, out var known) && known.Next > now) continue;

            var (keys, trouble) = await FetchAsync(uri, stop);
            if (trouble is not null) log.LogWarning("token keys of {Uri} cannot be had ({Trouble}); {Consequence}", uri, trouble, known?.Keys is null ? "its tokens are refused" : "the former ones stay");
            var retry = known is { Retry.Ticks: > 0 } ? Min(known.Retry * 2, RetryLongest) : RetryFirst;
            issuers[uri] = keys is null ? new(now + retry, retry, known?.Keys) : new(now + RefreshEvery, TimeSpan.Zero, keys);
            if (keys is not null && keys != known?.Keys) feed.SubmitKeys(uri, keys);
        }
        if (issuers.Count == 0) return RefreshEvery;
        var next = issuers.Values.Min(issuer => issuer.Next) - time.GetUtcNow();
        return next > TimeSpan.FromMilliseconds(10) ? next : TimeSpan.FromMilliseconds(10);
    }

    private static List<string> Wanted(World world) => [.. world.Policies.Tokens.All.SelectMany(policy => policy.Rules).Select(rule => rule.KeysFrom).OfType<string>().Distinct()];

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private async Task<(string? Keys, string? Trouble)> FetchAsync(string uri, CancellationToken stop)
    {
        try
        {
            using var patience = new CancellationTokenSource(FetchPatience, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, stop);
            var text = await ReadAsync(uri, both.Token);
            using var document = JsonDocument.Parse(text);
            if (document.RootElement.ValueKind != JsonValueKind.Object) return (null, "the answer is no JSON object");
            if (document.RootElement.TryGetProperty("keys", out var keys) && keys.ValueKind == JsonValueKind.Array) return (text, null);
            if (!document.RootElement.TryGetProperty("jwks_uri", out var where) || where.GetString() is not { } real) return (null, "the answer holds no keys");

            text = await ReadAsync(real, both.Token);
            using var set = JsonDocument.Parse(text);
            return set.RootElement.TryGetProperty("keys", out _) ? (text, null) : (null, $"{real} holds no keys");
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or InvalidDataException or UriFormatException or InvalidOperationException)
        {
            return (null, e.Message);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return (null, $"no answer within {FetchPatience.TotalSeconds} seconds");
        }
    }

    private async Task<string> ReadAsync(string uri, CancellationToken stop)
    {
        using var answer = await http.GetAsync(new Uri(uri), HttpCompletionOption.ResponseHeadersRead, stop);
        answer.EnsureSuccessStatusCode();
        await using var body = await answer.Content.ReadAsStreamAsync(stop);
        var buffer = new byte[KeySetBytesMax + 1];
        var length = 0;
        int read;
        while (length < buffer.Length && (read = await body.ReadAsync(buffer.AsMemory(length), stop)) > 0) length += read;
        return length <= KeySetBytesMax ? System.Text.Encoding.UTF8.GetString(buffer, 0, length) : throw new InvalidDataException($"the answer is larger than {KeySetBytesMax} bytes");
    }
}
