namespace Mesh.SystemTests.Iptables;

/// <summary>Where the programs under test are.</summary>
internal static class Programs
{
    public static string Root { get; } = FindRoot();

    /// <summary>Built beside these tests: the system tests refer to its project.</summary>
    public static string Proxy => Path.Combine(AppContext.BaseDirectory, "mesh-proxy");

    private static string FindRoot()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "Mesh.sln"))) at = at.Parent;
        return at?.FullName ?? throw new InvalidOperationException("Mesh.sln is in no folder above the tests");
    }
}
