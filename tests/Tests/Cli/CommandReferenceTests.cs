using Mesh.Cli.Commands;
using Mesh.Cli.Frame;
using Mesh.Tests.Tidy;

namespace Mesh.Tests.Cli;

public sealed class CommandReferenceTests
{
    /// <summary>After a change of a command or flag write the file anew: MESH_WRITE_DOCS=1 and run this test.</summary>
    [Fact]
    public void The_reference_says_what_the_commands_declare()
    {
        var file = Path.Combine(Source.Root, "docs/reference/meshctl.md");
        if (Environment.GetEnvironmentVariable("MESH_WRITE_DOCS") == "1") File.WriteAllText(file, CommandReference.Markdown(Root.Command));

        Assert.Equal(CommandReference.Markdown(Root.Command), File.ReadAllText(file));
    }
}
