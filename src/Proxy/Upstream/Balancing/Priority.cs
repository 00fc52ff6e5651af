using Mesh.Proxy.Config;

namespace Mesh.Proxy.Upstream.Balancing;

/// <summary>The endpoints of one priority: which of them may be used, and how one is chosen.</summary>
internal sealed class Priority
{
    private readonly EndpointState[] all;
    private readonly EndpointState[] healthy;
    private readonly Dictionary<(int, Locality), uint>? weights;
    private EndpointPicker? picker;
    private Place[] places = [];

    public Priority(int number, EndpointState[] all, uint overprovisioning, Dictionary<(int, Locality), uint>? weights, double panicPercent)
    {
        (Number, this.all, this.weights) = (number, all, weights);
        healthy = [.. all.Where(state => state.IsHealthy)];
        Health = all.Length == 0 ? 0 : (int)Math.Min(100, (ulong)overprovisioning * (ulong)healthy.Length / (ulong)all.Length);
        IsBelowPanic = all.Length > 0 && 100.0 * healthy.Length / all.Length < panicPercent;
    }

    public int Number { get; }
    /// <summary>Percent: how much of the load these endpoints can take, with reserve.</summary>
    public int Health { get; }
    public bool IsBelowPanic { get; }
    public int Count => all.Length;
    /// <summary>Percent of the load that it gets.</summary>
    public int Load { get; set; }
    public bool IsUsable => picker is not null || places.Length > 0;

    public void Prepare(bool isPanic, uint overprovisioning, Func<EndpointState[], EndpointPicker> make, Random random)
    {
        var usable = isPanic ? all : healthy;
        if (usable.Length == 0) return;
        if (weights is null)
        {
            picker = make(usable);
            return;
        }
        places = [.. all.GroupBy(state => state.Locality).Select(group => PlaceOf(group.Key, [.. group], isPanic, overprovisioning, make)).OfType<Place>()];
        // Weights that say nothing of any place with an endpoint: all places alike.
        if (places.Length == 0) picker = make(usable);
        foreach (var place in places) place.Credit = random.NextDouble() * place.Weight;
    }

    public EndpointState? Pick(ulong hash, int attempt)
    {
        if (picker is not null) return picker.Pick(hash, attempt);
        return places.Length switch
        {
            0 => null,
            1 => places[0].Picker.Pick(hash, attempt),
            _ => Next().Picker.Pick(hash, attempt),
        };
    }

    private Place? PlaceOf(Locality locality, EndpointState[] here, bool isPanic, uint overprovisioning, Func<EndpointState[], EndpointPicker> make)
    {
        var usable = isPanic ? here : [.. here.Where(state => state.IsHealthy)];
        var weight = weights!.GetValueOrDefault((Number, locality));
        if (usable.Length == 0 || weight == 0) return null;

        var health = isPanic ? 1 : Math.Min(1, overprovisioning / 100.0 * usable.Length / here.Length);
        return new(make(usable), weight * health);
    }

    // Smooth weighted round robin: everyone earns its weight, the richest is taken and pays for all.
    private Place Next()
    {
        var (best, total) = (places[0], 0.0);
        foreach (var place in places)
        {
            place.Credit += place.Weight;
            total += place.Weight;
            if (place.Credit > best.Credit) best = place;
        }
        best.Credit -= total;
        return best;
    }

    private sealed class Place(EndpointPicker picker, double weight)
    {
        public EndpointPicker Picker => picker;
        public double Weight => weight;
        public double Credit { get; set; }
    }
}

/// <summary>How the load is divided among priorities: the best take what their health allows, the rest goes to the next.</summary>
internal static class Loads
{
    public static (int[] Loads, bool[] IsPanic) Of(ReadOnlySpan<Priority> priorities, double panicPercent)
    {
        var (loads, panic) = (new int[priorities.Length], new bool[priorities.Length]);
        if (priorities.IsEmpty) return (loads, panic);

        var total = 0;
        foreach (var priority in priorities) total += priority.Health;
        var normalized = Math.Min(100, total);
        var inPanic = 0;
        for (var i = 0; i < priorities.Length; i++)
        {
            panic[i] = normalized < 100 && priorities[i].IsBelowPanic;
            if (panic[i]) inPanic++;
        }
        if (inPanic == priorities.Length) return (ByCount(priorities), panic);
        if (normalized == 0)
        {
            loads[0] = 100;
            return (loads, panic);
        }
        var left = 100;
        var first = -1;
        for (var i = 0; i < priorities.Length; i++)
        {
            loads[i] = Math.Min(left, priorities[i].Health * 100 / normalized);
            left -= loads[i];
            if (first < 0 && priorities[i].Health > 0) first = i;
        }
        // What rounding left over goes to the best that has any health.
        if (left > 0 && first >= 0) loads[first] += left;
        return (loads, panic);
    }

    // When nothing is known to be well, every endpoint is as good as any other.
    private static int[] ByCount(ReadOnlySpan<Priority> priorities)
    {
        var loads = new int[priorities.Length];
        var hosts = 0;
        foreach (var priority in priorities) hosts += priority.Count;
        if (hosts == 0) return loads;

        var left = 100;
        for (var i = 0; i < priorities.Length; i++)
        {
            loads[i] = 100 * priorities[i].Count / hosts;
            left -= loads[i];
        }
        loads[0] += left;
        return loads;
    }
}
