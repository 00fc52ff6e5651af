using System.Text.RegularExpressions;

namespace Mesh.SystemTests.Iptables;

/// <summary>The kernel takes every case's rules; written twice they are as written once, and taken away nothing is left.</summary>
public sealed partial class KernelTests
{
    public static TheoryData<string, string> Cases
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var file in Directory.EnumerateFiles(Path.Combine(Programs.Root, "iptables/testdata"), "*.case").Order(StringComparer.Ordinal))
                foreach (var writer in (string[])["script", "binary", "nft"]) data.Add(Path.GetFileNameWithoutExtension(file), writer);
            return data;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void The_kernel_takes_the_rules_and_writing_them_twice_changes_nothing(string name, string writer)
    {
        Assert.SkipWhen(NetworkSpace.Missing is not null, NetworkSpace.Missing ?? "");
        var (options, environment) = Arguments(name);
        // The kernel knows groups by number; the names of the case are those of some container's /etc/group.
        foreach (var variable in environment.Keys.ToList())
            environment[variable] = environment[variable].Replace("java", "201", StringComparison.Ordinal).Replace("ftp", "889", StringComparison.Ordinal);
        using var space = new NetworkSpace();

        CaptureTests.Write(space, writer, options, environment);
        var once = State(space);
        CaptureTests.Write(space, writer, options, environment);

        Assert.Contains("istio", once, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(once, State(space));
        CaptureTests.Write(space, writer, options + " --cleanup-only", environment);
        Assert.DoesNotContain("istio", State(space), StringComparison.OrdinalIgnoreCase);
    }

    [Theory, MemberData(nameof(Cases))]
    public void The_script_says_the_same_rules_as_the_case(string name, string writer)
    {
        if (writer != "script") return;
        var text = File.ReadAllText(Path.Combine(Programs.Root, $"iptables/testdata/{name}.case"));
        var (options, environment) = Arguments(name);
        Assert.SkipWhen(NetworkSpace.Missing is not null, NetworkSpace.Missing ?? "");
        using var space = new NetworkSpace();

        Assert.Equal(text[(text.IndexOf("\n----\n", StringComparison.Ordinal) + 6)..], space.Tool($"sh {Programs.Root}/iptables/redirect.sh -n {options}", environment: environment));
    }

    private static (string Options, Dictionary<string, string> Environment) Arguments(string name)
    {
        var words = File.ReadLines(Path.Combine(Programs.Root, $"iptables/testdata/{name}.case")).First().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var environment = words.TakeWhile(word => char.IsAsciiLetterUpper(word[0])).Select(word => word.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        return (string.Join(' ', words.Skip(environment.Count)), environment);
    }

    private static string State(NetworkSpace space) =>
        Unstable().Replace(space.Tool("iptables-save") + space.Tool("ip6tables-save") + space.Tool("ip rule") + space.Tool("nft list ruleset"), "");

    [GeneratedRegex(@"^#.*\n|\[\d+:\d+\]|packets \d+ bytes \d+|^table.*\{\n(\tchain (PREROUTING|INPUT|OUTPUT|POSTROUTING) \{\n.*\n\t\}\n*)*\}\n", RegexOptions.Multiline)]
    private static partial Regex Unstable();
}
