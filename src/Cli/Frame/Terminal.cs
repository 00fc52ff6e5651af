namespace Mesh.Cli.Frame;

/// <summary>The world outside the process, read once in Program; tests hand in a StringWriter.</summary>
internal sealed record Terminal(TextReader In, TextWriter Out, TextWriter Error, bool HasColour, Func<string, string?> Environment, TimeProvider Time)
{
    /// <summary>Width in columns where known; 0 when the output is no terminal.</summary>
    public int Width { get; init; }

    public string Bold(string text) => HasColour ? $"\e[1m{text}\e[0m" : text;
    public string Red(string text) => HasColour ? $"\e[1;31m{text}\e[0m" : text;
    public string Yellow(string text) => HasColour ? $"\e[33m{text}\e[0m" : text;
    public string Green(string text) => HasColour ? $"\e[32m{text}\e[0m" : text;
}
