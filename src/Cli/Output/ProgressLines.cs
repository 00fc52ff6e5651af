using Mesh.Cli.Frame;

namespace Mesh.Cli.Output;

/// <summary>One live line that says what is going on, and lines that stay. Without a terminal only those that stay, each once.</summary>
internal sealed class ProgressLines(Terminal terminal) : IDisposable
{
    private bool isLive;

    public void Live(string text)
    {
        if (terminal.Width == 0) return;
        terminal.Out.Write("\r" + Cut("- " + text).PadRight(terminal.Width - 1));
        isLive = true;
    }

    public void Kept(string text)
    {
        Clear();
        terminal.Out.WriteLine(text);
    }

    public void Dispose() => Clear();

    private void Clear()
    {
        if (isLive) terminal.Out.Write("\r" + new string(' ', terminal.Width - 1) + "\r");
        isLive = false;
    }

    private string Cut(string text) => text.Length < terminal.Width ? text : text[..Math.Max(0, terminal.Width - 2)] + "…";
}
