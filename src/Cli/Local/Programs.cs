namespace Mesh.Cli.Local;

/// <summary>Where the mesh's other programs are. meshctl starts them; it does not contain them.</summary>
internal sealed record Programs(string Proxy, string ControlPlane, string SampleService, string Samples, string Redirect)
{
    /// <param name="home">MESH_HOME; empty when it is not set: then beside meshctl itself, or one folder up, where tools/build puts them.</param>
    /// <param name="missing">The sentence to show when a program is not there.</param>
    public static Programs? Find(string home, out string missing)
    {
        var beside = AppContext.BaseDirectory.TrimEnd('/');
        string[] homes = home.Length > 0 ? [home] : [beside, Path.GetDirectoryName(beside) ?? beside];
        var folder = homes.FirstOrDefault(h => File.Exists(Path.Combine(h, "mesh-istiod"))) ?? homes[^1];
        var programs = new Programs(
            Path.Combine(folder, "mesh-proxy"), Path.Combine(folder, "mesh-istiod"), Path.Combine(folder, "mesh-service"),
            FindSource(folder, "samples"), Path.Combine(FindSource(folder, "iptables"), "redirect.sh"));
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
