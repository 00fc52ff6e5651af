using Mesh.Proxy.Config;

namespace Mesh.Proxy.Upstream.Balancing;

/// <summary>What a pick depends on beside the endpoints.</summary>
internal readonly record struct PickRequest
{
    /// <summary>Null: nothing to hash by.</summary>
    public ulong? Hash { get; init; }
    /// <summary>Endpoints earlier attempts of this request went to; null or empty at the first.</summary>
    public IReadOnlyList<EndpointState>? Tried { get; init; }
    public RetrySettings? Retry { get; init; }
}

/// <summary>Chooses among a cluster's endpoints: priority by health, then locality by weight, then the policy's own way. Loop thread only.</summary>
internal sealed class Balancer(LoadBalancing settings, Random random, TimeProvider time)
{
    private Priority[] priorities = [];
    private Dictionary<(int, Locality), uint>? localityWeights;

    public void Rebuild(IReadOnlyList<EndpointState> all, ClusterEndpoints? endpoints)
    {
        var overprovisioning = endpoints?.OverprovisioningFactor ?? 140;
        var weights = new Dictionary<(int, Locality), uint>();
        foreach (var place in endpoints?.Localities ?? [])
            if (place.Weight is { } weight) weights[(place.Priority, place.Locality)] = weight;

        // A key must find its endpoint wherever it lives: one ring for all localities, whose weights become shares of it.
        var isHashed = settings.Policy is BalancingPolicy.RingHash or BalancingPolicy.Maglev;
        localityWeights = isHashed && settings.Locality == LocalityMode.Weighted ? weights : null;
        priorities = [.. all.GroupBy(state => state.Priority).OrderBy(group => group.Key).Select(group => new Priority(
            group.Key, [.. group], overprovisioning, settings.Locality == LocalityMode.Weighted && !isHashed ? weights : null, settings.PanicPercent))];
        var loads = Loads.Of(priorities, settings.PanicPercent);
        for (var i = 0; i < priorities.Length; i++)
        {
            priorities[i].Load = loads.Loads[i];
            priorities[i].Prepare(loads.IsPanic[i], overprovisioning, MakePicker, random);
        }
    }

    /// <summary>Null when nothing may be used.</summary>
    public EndpointState? Pick(in PickRequest request)
    {
        var hash = request.Hash ?? (ulong)random.NextInt64() << 1 ^ (ulong)random.NextInt64();
        var isRetry = request.Tried is { Count: > 0 };
        var tries = isRetry && request.Retry is { AvoidPreviousHosts: true } retry ? retry.HostSelectionAttemptsMax + 1 : 1;
        EndpointState? last = null;
        for (var attempt = 0; attempt < tries; attempt++)
        {
            if (ChoosePriority(hash, request) is not { } priority) return null;
            last = priority.Pick(request.Hash is null && attempt > 0 ? (ulong)random.NextInt64() : hash, attempt);
            if (last is null || tries == 1 || !request.Tried!.Contains(last)) return last;
        }
        return last;
    }

    private Priority? ChoosePriority(ulong hash, in PickRequest request)
    {
        if (priorities.Length == 1) return priorities[0].IsUsable ? priorities[0] : null;

        var left = AvoidsTriedPriorities(request) ? Others(request) : null;
        var total = 0;
        foreach (var priority in priorities)
            if (Counts(priority, left)) total += priority.Load;
        if (total == 0) return left is null ? Array.Find(priorities, priority => priority.IsUsable) : ChoosePriority(hash, request with { Retry = null });

        var roll = (int)(hash % (ulong)total);
        foreach (var priority in priorities)
        {
            if (!Counts(priority, left)) continue;
            if (roll < priority.Load) return priority;
            roll -= priority.Load;
        }
        return null;
    }

    private static bool Counts(Priority priority, HashSet<int>? left) => priority.IsUsable && (left is null || left.Contains(priority.Number));

    // Every so many attempts the request gives up on the priorities it has tried, if there are others.
    private static bool AvoidsTriedPriorities(in PickRequest request) =>
        request is { Tried: { Count: > 0 } tried, Retry.PreviousPrioritiesUpdateFrequency: { } frequency } && tried.Count >= frequency;

    private HashSet<int>? Others(in PickRequest request)
    {
        var left = priorities.Where(priority => priority.IsUsable).Select(priority => priority.Number).ToHashSet();
        var settled = request.Tried!.Count / request.Retry!.PreviousPrioritiesUpdateFrequency!.Value * request.Retry.PreviousPrioritiesUpdateFrequency.Value;
        foreach (var endpoint in request.Tried.Take((int)settled)) left.Remove(endpoint.Priority);
        if (left.Count == 0) return null;
        // A priority that had no load, because better ones took all, gets it now.
        foreach (var priority in priorities)
            if (left.Contains(priority.Number) && priority.Load == 0) priority.Load = 1;
        return left;
    }

    private EndpointPicker MakePicker(EndpointState[] endpoints)
    {
        var isWeighted = settings.SlowStart is not null || endpoints.Any(state => state.Endpoint.Weight != endpoints[0].Endpoint.Weight);
        return settings.Policy switch
        {
            BalancingPolicy.RingHash => new RingHash(endpoints, Shares(endpoints), settings),
            BalancingPolicy.Maglev => new Maglev(endpoints, Shares(endpoints), settings),
            BalancingPolicy.Random => new RandomPicker(endpoints, random),
            BalancingPolicy.LeastRequest when isWeighted => new WeightedPicker(endpoints, state => WeightOf(state) / Math.Pow(state.ActiveRequests + 1, settings.ActiveRequestBias), random),
            BalancingPolicy.LeastRequest => new LeastRequestPicker(endpoints, random, (int)settings.Choices),
            _ when isWeighted => new WeightedPicker(endpoints, WeightOf, random),
            _ => new RoundRobinPicker(endpoints, random),
        };
    }

    private double WeightOf(EndpointState state)
    {
        if (settings.SlowStart is not { } slow) return state.Endpoint.Weight;
        var age = time.GetElapsedTime(state.AddedAt) / slow.Window;
        if (age >= 1) return state.Endpoint.Weight;
        return state.Endpoint.Weight * Math.Max(slow.MinWeightPercent / 100, Math.Pow(Math.Max(age, 0), 1 / slow.Aggression));
    }

    private double[] Shares(EndpointState[] endpoints)
    {
        var here = endpoints.GroupBy(state => state.Locality).ToDictionary(group => group.Key, group => group.Sum(state => (double)state.Endpoint.Weight));
        var shares = endpoints.Select(ShareOf).ToArray();
        var sum = shares.Sum();
        return sum > 0 ? [.. shares.Select(share => share / sum)] : [.. endpoints.Select(_ => 1.0 / endpoints.Length)];

        double ShareOf(EndpointState state)
        {
            var own = (double)state.Endpoint.Weight;
            return localityWeights is null ? own : localityWeights.GetValueOrDefault((state.Priority, state.Locality)) * own / here[state.Locality];
        }
    }
}
