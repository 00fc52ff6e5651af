using System.Globalization;

namespace Mesh.Proxy;

/// <summary>What the operating system lets the process have.</summary>
internal static class ProcessLimits
{
    private const int ConnectionsWanted = 10_000;

    /// <summary>Each downstream connection may need an upstream one, and some descriptors must be left for everything else.</summary>
    public static int ConnectionsMax() => Math.Min(ConnectionsWanted, (int)(OpenFiles() * 0.45));

    private static long OpenFiles()
    {
        const string path = "/proc/self/limits";
        if (!File.Exists(path)) return 65_536;

        var line = File.ReadLines(path).FirstOrDefault(l => l.StartsWith("Max open files", StringComparison.Ordinal));
        var soft = line?["Max open files".Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        return long.TryParse(soft, CultureInfo.InvariantCulture, out var files) ? files : 65_536;
    }
}
