namespace Mesh.Tests.Cases;

/// <summary>One story: a topology, then sections under <c>---- name</c>. Written by hand; <c>MESH_GOLDEN=1</c> rewrites what is expected.</summary>
internal sealed class CaseFile
{
    private const string Mark = "---- ";

    private CaseFile(string path, List<string> topology, List<(string Name, string Text)> sections) => (Path, Topology, Sections) = (path, topology, sections);

    public string Path { get; }

    public List<string> Topology { get; }

    public List<(string Name, string Text)> Sections { get; }

    public static CaseFile Read(string path)
    {
        var topology = new List<string>();
        var sections = new List<(string, string)>();
        List<string>? lines = null;
        var name = "";
        foreach (var line in File.ReadLines(path))
        {
            if (line.StartsWith(Mark, StringComparison.Ordinal))
            {
                if (lines is not null) sections.Add((name, string.Join('\n', lines)));
                (name, lines) = (line[Mark.Length..].Trim(), []);
            }
            else if (lines is not null) lines.Add(line);
            else topology.Add(line);
        }
        if (lines is not null) sections.Add((name, string.Join('\n', lines)));
        return new(path, topology, sections);
    }

    public void Write()
    {
        var text = string.Join('\n', Topology) + "\n" + string.Concat(Sections.Select(section => $"{Mark}{section.Name}\n{section.Text.TrimEnd()}\n"));
        File.WriteAllText(Path, text.Replace("\n\n---- ", "\n---- ", StringComparison.Ordinal));
    }
}
