using System.Globalization;

namespace Mesh.Injector;

/// <summary>May the proxy be a native sidecar? Only when every node that may run the pod knows them.</summary>
public static class NativeSidecars
{
    private const int MinorVersionMin = 33; // sidecar containers became stable in Kubernetes 1.33

    /// <param name="kubeletVersions">Of the pod's own node when it is known, else of all nodes; empty = no node is known to be old.</param>
    public static bool Supported(NativeSidecarMode mode, IEnumerable<string>? kubeletVersions) => mode switch
    {
        NativeSidecarMode.Enabled => true,
        NativeSidecarMode.Disabled => false,
        _ => kubeletVersions is not null && kubeletVersions.All(IsNewEnough),
    };

    private static bool IsNewEnough(string version)
    {
        var parts = version.TrimStart('v').Split('.', 3);
        if (parts.Length < 2 || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var major)) return false;

        var digits = parts[1].TakeWhile(char.IsAsciiDigit).ToArray(); // "29+" on some clouds
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var minor)
            && (major > 1 || minor >= MinorVersionMin);
    }
}
