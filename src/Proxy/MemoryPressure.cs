using System.Globalization;

namespace Mesh.Proxy;

/// <summary>How near the process is to the memory it may have.</summary>
internal enum Pressure
{
    None,
    /// <summary>Connections are closed after the exchange they carry, spare memory is given back.</summary>
    High,
    /// <summary>New requests are answered 503, new connections refused: what is under way may end.</summary>
    Critical,
}

/// <summary>
/// Watches memory against the container's limit, because whoever passes it is killed with all the traffic he carries. Looks every second, ten times a second when it is near.
/// A level is left three points below where it was entered, so that it does not flutter.
/// </summary>
/// <param name="share">Used memory as a share of the limit; 0 when there is no limit.</param>
/// <param name="tell">Called when the level changes, and again at each look while it is critical.</param>
internal sealed class MemoryPressure(TimeProvider time, Func<double> share, Action<Pressure> tell) : IDisposable
{
    internal const double HighFrom = 0.92, CriticalFrom = 0.95, Slack = 0.03, NearFrom = 0.80;
    internal static readonly TimeSpan Usually = TimeSpan.FromSeconds(1), WhenNear = TimeSpan.FromMilliseconds(100);

    private ITimer? _timer;
    private Pressure _now;

    public Pressure Now => _now;

    public void Start() => _timer = time.CreateTimer(_ => Look(), null, Usually, Timeout.InfiniteTimeSpan);

    public void Dispose() => _timer?.Dispose();

    private void Look()
    {
        var used = share();
        var next = LevelOf(used, _now);
        if (next != _now || next == Pressure.Critical) tell(next);
        _now = next;
        _timer?.Change(used >= NearFrom ? WhenNear : Usually, Timeout.InfiniteTimeSpan);
    }

    internal static Pressure LevelOf(double used, Pressure now)
    {
        var (high, critical) = (HighFrom - (now >= Pressure.High ? Slack : 0), CriticalFrom - (now == Pressure.Critical ? Slack : 0));
        return used >= critical ? Pressure.Critical : used >= high ? Pressure.High : Pressure.None;
    }
}

/// <summary>The container's memory limit and what is used of it, as the kernel tells.</summary>
internal sealed class ContainerMemory
{
    private const string Root = "/sys/fs/cgroup";

    private readonly string? _usage, _statistics;
    private readonly long _limit;

    public ContainerMemory()
        : this(path => File.Exists(path) ? File.ReadAllText(path) : null)
    {
    }

    /// <param name="read">A file's text; null when it is not there.</param>
    internal ContainerMemory(Func<string, string?> read)
    {
        // Version 2 names one path; within a container it is mostly the root.
        var own = read("/proc/self/cgroup")?.Split('\n').FirstOrDefault(line => line.StartsWith("0::", StringComparison.Ordinal))?[3..].Trim().TrimEnd('/') ?? "";
        foreach (var (limit, usage, statistics) in (ReadOnlySpan<(string, string, string)>)
            [
                ($"{Root}{own}/memory.max", $"{Root}{own}/memory.current", $"{Root}{own}/memory.stat"),
                ($"{Root}/memory.max", $"{Root}/memory.current", $"{Root}/memory.stat"),
                ($"{Root}/memory/memory.limit_in_bytes", $"{Root}/memory/memory.usage_in_bytes", $"{Root}/memory/memory.stat"),
            ])
        {
            // Version 1 says "no limit" with a number that no machine has.
            if (!long.TryParse(read(limit)?.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) || bytes is <= 0 or >= 1L << 50) continue;

            (_limit, _usage, _statistics) = (bytes, usage, statistics);
            return;
        }
    }

    /// <summary>Null when there is none.</summary>
    public long? LimitBytes => _usage is null ? null : _limit;

    /// <summary>What cannot be had back at once: usage without the page cache that the kernel would drop first. 0 without a limit.</summary>
    public double Share() => Share(path => File.Exists(path) ? File.ReadAllText(path) : null);

    internal double Share(Func<string, string?> read)
    {
        if (_usage is null || !long.TryParse(read(_usage)?.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var used)) return 0;

        var cache = read(_statistics!)?.Split('\n').FirstOrDefault(line => line.StartsWith("inactive_file ", StringComparison.Ordinal) || line.StartsWith("total_inactive_file ", StringComparison.Ordinal));
        if (cache is not null && long.TryParse(cache.AsSpan(cache.IndexOf(' ', StringComparison.Ordinal) + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var idle)) used -= idle;
        return Math.Max(0, used) / (double)_limit;
    }
}
