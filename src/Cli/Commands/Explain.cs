using Mesh.Cli.Frame;
using Mesh.Model.Analysis;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl explain IST0101</c>: the page about a finding, offline.</summary>
internal static class Explain
{
    public static Command Command { get; } = new("explain", "Explain a message of analyze: its cause and how to fix it")
    {
        Arguments = "<code>",
        Example = "  meshctl explain IST0101",
        Run = (invocation, _) => Task.FromResult(Run(invocation)),
    };

    private static Outcome Run(Invocation invocation)
    {
        if (invocation.Arguments.Count == 0)
        {
            foreach (var type in MessageCatalogue.All) invocation.Out.WriteLine($"{type.Code}  {type.Level,-7}  {type.Name}");
            return Outcome.Fine;
        }
        foreach (var code in invocation.Arguments)
        {
            if (MessageCatalogue.Find(code) is not { } type) return Outcome.Failed($"no message has the code \"{code}\"; 'meshctl explain' lists them");
            invocation.Out.Write(MessageReference.Page(type));
        }
        return Outcome.Fine;
    }
}
