namespace Mesh.Proxy.Upstream.Balancing;

/// <summary>Chooses one of a fixed set of endpoints. Made anew when the set or its health changes. Loop thread only.</summary>
internal abstract class EndpointPicker(EndpointState[] endpoints)
{
    protected EndpointState[] Endpoints => endpoints;

    /// <param name="hash">For consistent hashing; a random number where the request has none.</param>
    /// <param name="attempt">Zero at first; more when an earlier choice of this pick was not liked.</param>
    public abstract EndpointState Pick(ulong hash, int attempt);
}

/// <summary>Any of them, whatever its weight.</summary>
internal sealed class RandomPicker(EndpointState[] endpoints, Random random) : EndpointPicker(endpoints)
{
    public override EndpointState Pick(ulong hash, int attempt) => Endpoints[random.Next(Endpoints.Length)];
}

/// <summary>One after the other.</summary>
internal sealed class RoundRobinPicker(EndpointState[] endpoints, Random random) : EndpointPicker(endpoints)
{
    // Proxies that start together must not march in step.
    private uint next = (uint)random.Next();

    public override EndpointState Pick(ulong hash, int attempt) => Endpoints[next++ % (uint)Endpoints.Length];
}

/// <summary>The least busy of some random ones. Constant time at any cluster size.</summary>
internal sealed class LeastRequestPicker(EndpointState[] endpoints, Random random, int choices) : EndpointPicker(endpoints)
{
    public override EndpointState Pick(ulong hash, int attempt)
    {
        var best = Endpoints[random.Next(Endpoints.Length)];
        for (var i = 1; i < choices; i++)
        {
            var other = Endpoints[random.Next(Endpoints.Length)];
            if (other.ActiveRequests < best.ActiveRequests) best = other;
        }
        return best;
    }
}

/// <summary>
/// By weight, evenly spread over time: the endpoint whose turn is due first (earliest deadline first), its next turn the sooner the more it weighs.
/// The weight is asked at every turn, so that it may depend on load and on how long the endpoint has been there.
/// </summary>
internal sealed class WeightedPicker : EndpointPicker
{
    private readonly PriorityQueue<EndpointState, (double Due, ulong Order)> turns = new();
    private readonly Func<EndpointState, double> weightOf;
    private double now;
    private ulong order;

    public WeightedPicker(EndpointState[] endpoints, Func<EndpointState, double> weightOf, Random random)
        : base(endpoints)
    {
        this.weightOf = weightOf;
        foreach (var endpoint in endpoints) Schedule(endpoint);
        for (var skip = random.Next(endpoints.Length); skip > 0; skip--) Pick(0, 0);
    }

    public override EndpointState Pick(ulong hash, int attempt)
    {
        turns.TryDequeue(out var endpoint, out var at);
        now = at.Due;
        Schedule(endpoint!);
        return endpoint!;
    }

    private void Schedule(EndpointState endpoint) => turns.Enqueue(endpoint, (now + 1 / Math.Max(weightOf(endpoint), 1e-9), order++));
}
