namespace Mesh.Model.Validation.Rules;

/// <summary>Load balancing of a traffic policy, with hashing and localities.</summary>
internal static class LoadBalancers
{
    private const int MaglevTableMax = 5_000_011;
    private static readonly string[] TopologyLabels = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"];

    /// <param name="policy">Has the loadBalancer, and the outlierDetection that failover needs.</param>
    public static void Check(Message policy, Report report, bool warnings)
    {
        if (policy.Child("loadBalancer") is not { } balancer) return;

        CheckHash(balancer.Child("consistentHash"), report, warnings);
        var (locality, zones) = (balancer.Child("localityLbSetting"), balancer.Child("zoneAwareLbSetting"));
        if (locality is not null && zones is not null) report.Error("only one of localityLbSetting and zoneAwareLbSetting can be set", balancer.Source);
        CheckLocality(locality, policy.Has("outlierDetection"), report, warnings);
        CheckZones(zones, policy.Has("outlierDetection"), report, warnings);

        if (balancer.Child("warmup") is not { } warmup) return;
        if (warmup.Duration("duration") is null) report.Error("duration is required", warmup.Source);
        else TrafficPolicies.Duration(warmup, "duration", report);
        if (warmup.Double("minimumPercent") > 100) report.Error("minimumPercent value should be less than or equal to 100", warmup.At("minimumPercent"));
        if (warmup.Has("aggression") && warmup.Double("aggression") <= 0) report.Error("aggression should be greater than 0", warmup.At("aggression"));
    }

    public static void CheckLocality(Message? locality, bool hasOutliers, Report report, bool warnings = true)
    {
        if (locality is null) return;

        var (distribute, failover, priority) = (locality.Children("distribute"), locality.Children("failover"), locality.Texts("failoverPriority"));
        if (distribute.Count > 0 && failover.Count > 0)
        {
            report.Error("can not simultaneously specify 'distribute' and 'failover'", locality.Source);
            return;
        }
        if (failover.Count > 0 && priority.FirstOrDefault(TopologyLabels.Contains) is { } label)
        {
            report.Error($"can not simultaneously set 'failover' and topology label '{label}' in 'failover_priority'", locality.At("failoverPriority"));
            return;
        }

        foreach (var entry in distribute)
        {
            var total = 0L;
            foreach (var (_, value) in entry.Map("to"))
            {
                var weight = (long)value;
                if (weight is <= 0 or > 100)
                {
                    report.Error("locality weight must be in range [1, 100]", entry.At("to"));
                    return;
                }
                total += weight;
            }
            if (total != 100)
            {
                report.Error($"total locality weight {total} != 100", entry.At("to"));
                return;
            }
            report.Error(Localities.Problem(entry.Map("to").Select(t => t.Key)), entry.At("to"));
        }
        report.Error(Localities.Problem(distribute.Select(d => d.Text("from"))), locality.At("distribute"));

        CheckFailover(failover, priority, hasOutliers, locality, report, warnings, "locality lb", "only specify region");
    }

    public static void CheckZones(Message? zones, bool hasOutliers, Report report, bool warnings = true)
    {
        if (zones is null) return;

        foreach (var label in zones.Texts("failoverPriority").Where(TopologyLabels.Contains))
            report.Error($"'failover_priority' for zone aware lb must not use topology label '{label}'; region- and zone-level routing are handled automatically",
                zones.At("failoverPriority"));
        CheckFailover(zones.Children("failover"), zones.Texts("failoverPriority"), hasOutliers, zones, report, warnings,
            "zone aware lb", "only specifies region; zone and subzone failover are handled automatically");
    }

    private static void CheckFailover(IReadOnlyList<Message> failover, IReadOnlyList<string> priority, bool hasOutliers, Message setting, Report report, bool warnings,
        string what, string onlyRegion)
    {
        if (warnings && !hasOutliers && (failover.Count > 0 || priority.Count > 0)) report.Warn("outlier detection policy must be provided for failover", setting.Source);
        foreach (var entry in failover)
        {
            var (from, to) = (entry.Text("from"), entry.Text("to"));
            if (from == to) report.Error($"{what} failover settings must specify different regions", entry.Source);
            if (from.Contains('/') || to.Contains('/')) report.Error($"{what} failover {onlyRegion}", entry.Source);
            if (from.Contains('*') || to.Contains('*')) report.Error($"{what} failover region should not contain '*' wildcard", entry.Source);
        }
    }

    private static void CheckHash(Message? hash, Report report, bool warnings)
    {
        if (hash is null) return;

        if (hash.Child("httpCookie") is { } cookie)
        {
            if (!cookie.Has("name")) report.Error("name required for HttpCookie", cookie.Source);
            var names = new HashSet<string>();
            foreach (var attribute in cookie.Children("attributes"))
            {
                var name = attribute.Text("name");
                if (name.Length == 0) report.Error("cookie attribute name cannot be empty", attribute.Source);
                else if (!names.Add(name)) report.Error($"duplicate cookie attribute name: {name}", attribute.Source);
            }
        }
        if (hash.Has("minimumRingSize"))
        {
            if (warnings) report.Warn("consistent hash MinimumRingSize is deprecated, use ConsistentHashLB's RingHash configuration instead", hash.At("minimumRingSize"));
            if (hash.Which("hash_algorithm") is not null) report.Error("only one of MinimumRingSize or Maglev/Ringhash can be specified", hash.Source);
        }
        if (hash.Child("maglev") is not { } maglev) return;

        var size = maglev.Number("tableSize");
        if (size == 0) report.Error("tableSize must be set for maglev", maglev.Source);
        if (size >= MaglevTableMax) report.Error("tableSize must be less than 5000011 for maglev", maglev.At("tableSize"));
        if (!IsPrime(size)) report.Error("tableSize must be a prime number for maglev", maglev.At("tableSize"));
    }

    private static bool IsPrime(long x)
    {
        if (x is > 0 and < 4) return true; // 1 passes, as it does in Envoy
        if (x % 2 == 0) return false;

        var limit = (long)Math.Sqrt(x);
        if (limit > 1_000_000) return false; // far above the allowed table size anyway
        for (var factor = 3L; factor <= limit; factor += 2)
            if (x % factor == 0) return false;
        return true;
    }
}
