using System.Globalization;
using Mesh.Net.Epoll;

namespace Mesh.Net;

/// <summary>
/// Gives memory back that a start, or a large change of configuration, needed and a quiet proxy does not. Nothing here changes what the process does;
/// elsewhere than on Linux with the GNU library the native parts do nothing.
/// </summary>
public static class ProcessMemory
{
    /// <summary>One arena for native allocations: with one for each thread that ever allocated, each keeps what it once needed. Call before threads start.</summary>
    public static void UseOneNativeArena()
    {
        const int arenaMax = -8;
        if (OperatingSystem.IsLinux()) TryNative(static () => Libc.MallocOption(arenaMax, 1));
    }

    /// <summary>Collects, compacts and gives back; costs a pause of some milliseconds for a heap of some megabytes.</summary>
    public static void GiveBack()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        if (!OperatingSystem.IsLinux()) return;

        TryNative(static () => Libc.MallocTrim(0));
        foreach (var (start, length) in CleanFileMappings(File.ReadLines("/proc/self/smaps"))) Libc.Advise(start, length, Libc.AdviseDontNeed);
    }

    /// <summary>
    /// Mappings of files that nobody can have changed: their pages are read again from the page cache when they are needed next. Those that the loader or we wrote to
    /// (relocations, data) have anonymous pages, which would be lost.
    /// </summary>
    internal static List<(nint Start, nint Length)> CleanFileMappings(IEnumerable<string> smaps)
    {
        var found = new List<(nint, nint)>();
        var (start, length, isClean) = ((nint)0, (nint)0, false);
        foreach (var line in smaps)
        {
            if (TryReadHeader(line, out var from, out var to, out var isReadOnlyFile)) (start, length, isClean) = (from, to - from, isReadOnlyFile);
            else if (isClean && line.StartsWith("Anonymous:", StringComparison.Ordinal) && line.EndsWith(" 0 kB", StringComparison.Ordinal)) found.Add((start, length));
        }
        return found;
    }

    // 7f2c0a000000-7f2c0a021000 r-xp 00000000 fe:00 332131   /usr/lib/x86_64-linux-gnu/libcrypto.so.3
    private static bool TryReadHeader(string line, out nint from, out nint to, out bool isReadOnlyFile)
    {
        (from, to, isReadOnlyFile) = (0, 0, false);
        var dash = line.IndexOf('-', StringComparison.Ordinal);
        var space = line.IndexOf(' ', StringComparison.Ordinal);
        if (dash <= 0 || space < dash || !nint.TryParse(line.AsSpan(0, dash), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out from)
            || !nint.TryParse(line.AsSpan(dash + 1, space - dash - 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out to)) return false;

        isReadOnlyFile = line.Length > space + 5 && line[space + 1] == 'r' && line[space + 2] == '-' && line[space + 4] == 'p' && line.Contains(" /", StringComparison.Ordinal);
        return true;
    }

    /// <summary>Not every C library has them.</summary>
    private static void TryNative(Action call)
    {
        try
        {
            call();
        }
        catch (EntryPointNotFoundException)
        {
            // musl: there are no arenas to begin with.
            return;
        }
    }
}
