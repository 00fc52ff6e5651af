namespace Mesh.Cli.Local;

/// <summary>Where the mesh's other programs are. meshctl starts them; it does not contain them.</summary>
internal sealed record Programs(string Proxy, string ControlPlane, string SampleService, string Samples, string Redirect)
{
    /// <param name="home">The folder with the programs: MESH_HOME, or the one that meshctl itself is in.</param>
    /// <param name="missing">The sentence to show when a program is not there.</param>
    public static Programs? Find(string home, out string missing)
    {
        var programs = new Programs(
            Path.Combine(home, "mesh-proxy"), Path.Combine(home, "mesh-istiod"), Path.Combine(home, "mesh-service"),
            FindSource(home, "samples"), Path.Combine(FindSource(home, "iptables"), "redirect.sh"));
        missing = "";
        foreach (var program in (string[])[programs.Proxy, programs.ControlPlane, programs.SampleService])
            if (!File.Exists(program)) missing = $"{program} is not there: run the ./meshctl of the source tree once, which builds it, or set MESH_HOME to the folder that holds the programs";
        return missing.Length == 0 ? programs : null;
    }

    /// <summary>A folder of the source tree that the programs were built in.</summary>
    private static string FindSource(string home, string folder)
    {
        for (var at = new DirectoryInfo(home); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "Mesh.sln"))) return Path.Combine(at.FullName, folder);
        return Path.Combine(home, folder);
    }
}
