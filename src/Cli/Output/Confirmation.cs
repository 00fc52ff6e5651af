using Mesh.Cli.Frame;

namespace Mesh.Cli.Output;

/// <summary>A question before something is changed. No answer is no.</summary>
internal static class Confirmation
{
    public static bool Ask(Invocation invocation, string question)
    {
        invocation.Out.Write(question);
        invocation.Out.Flush();
        return invocation.Terminal.In.ReadLine()?.Trim().ToLowerInvariant() is "y" or "yes";
    }
}
