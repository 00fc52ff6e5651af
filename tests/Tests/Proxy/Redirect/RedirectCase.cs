using System.Collections.Immutable;
using Mesh.Tests.Tidy;

namespace Mesh.Tests.Proxy.Redirect;

/// <summary>One file of iptables/testdata: arguments, ----, the rules they mean.</summary>
internal sealed record RedirectCase(ImmutableArray<string> Words, ImmutableDictionary<string, string> Environment, string Rules)
{
    public static TheoryData<string> Names => [.. Source.Files("iptables/testdata", "*.case").Select(file => Path.GetFileNameWithoutExtension(file)!)];

    public static RedirectCase Read(string name)
    {
        var text = Source.Text($"iptables/testdata/{name}.case");
        var line = text.IndexOf("\n----\n", StringComparison.Ordinal);
        var words = text[..line].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => word.Trim('\'')).ToList();
        var settings = words.TakeWhile(word => char.IsAsciiLetterUpper(word.FirstOrDefault())).Select(word => word.Split('=', 2)).ToImmutableDictionary(pair => pair[0], pair => pair[1]);
        return new([.. words.Skip(settings.Count)], settings, text[(line + 6)..]);
    }
}
