namespace Mesh.SystemTests.Demo;

/// <summary>The programs as tools/build publishes them.</summary>
internal static class Programs
{
    public static string Meshctl { get; } = Find("meshctl");
    public static string SampleService { get; } = Find("mesh-service");

    private static string Find(string name)
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "Mesh.sln"))) return Path.Combine(at.FullName, "artifacts", "bin", name);
        throw new InvalidOperationException("Mesh.sln is in no folder above the tests");
    }
}
