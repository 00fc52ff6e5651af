using Mesh.Cli.Commands;
using Mesh.Cli.Frame;
using Mesh.Cli.Output;

namespace Mesh.Tests.Cli;

/// <summary>The frame every command stands in: words, flags, usage errors and exit codes as istioctl's users know them.</summary>
public sealed class CommandLineTests
{
    private static async Task<(int Exit, string Out, string Error)> Run(params string[] words)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var exit = await Root.RunAsync(words, new(TextReader.Null, output, error, false, _ => null, TimeProvider.System), default);
        return (exit, output.ToString(), error.ToString());
    }

    [Theory]
    [InlineData("waypoint apply -n demo", "Error: waypoint belongs to ambient mode")]
    [InlineData("x wait virtualservice a", "Error: experimental wait is gone, as from istioctl: `meshctl proxy-status`")]
    [InlineData("profile list", "Error: profile is gone, as from istioctl: `meshctl manifest generate")]
    public async Task Verbs_of_istioctl_that_are_not_here_say_so_and_what_to_do(string words, string error)
    {
        var result = await InProcessCli.RunAsync(words.Split(' '));

        Assert.Equal((1, ""), (result.Exit, result.Out));
        Assert.StartsWith(error, result.Error);
    }

    [Theory]
    [InlineData("nosuch", "Error: unknown command \"nosuch\" for \"meshctl\"\nRun 'meshctl --help' for usage.\n")]
    [InlineData("validate --nosuch", "Error: unknown flag: --nosuch\n")]
    [InlineData("validate -Z", "Error: unknown shorthand flag: 'Z' in -Z\n")]
    [InlineData("validate -f", "Error: flag needs an argument: 'f' in -f\n")]
    [InlineData("validate in/ok.yaml", "Error: unknown command \"in/ok.yaml\" for \"meshctl validate\"\n")]
    public async Task Wrong_usage_is_told_on_stderr_and_exits_64(string words, string error) =>
        Assert.Equal((64, "", error), await Run(words.Split(' ')));

    [Fact]
    public async Task Without_words_the_help_is_printed() => Assert.StartsWith("Install, inspect", (await Run()).Out);

    [Fact]
    public void Flags_stand_anywhere_and_take_their_value_in_four_ways()
    {
        var command = new Command("x", "") { Arguments = "FILE", Flags = [Flag.Switch("all", "", 'A'), Flag.Many("file", "", 'f')], Run = (_, _) => Task.FromResult(Outcome.Fine) };
        var root = new Command("meshctl", "") { Commands = [command] };

        var parsed = CommandLine.Parse(root, "meshctl", ["-n", "shop", "x", "one", "-Afa,b", "--file=c", "--file", "d", "--", "-e"],
            new(TextReader.Null, TextWriter.Null, TextWriter.Null, false, _ => null, TimeProvider.System)).Invocation!;

        Assert.Equal("shop", parsed.Text("namespace"));
        Assert.True(parsed.Is("all"));
        Assert.Equal(["a", "b", "c", "d"], parsed.Many("file"));
        Assert.Equal(["one", "-e"], parsed.Arguments);
        Assert.Equal("istio-system", parsed.Text("istioNamespace"));
    }

    [Fact]
    public void A_table_pads_all_but_the_last_cell_and_a_short_row_ends_a_column()
    {
        var text = new StringWriter();
        new Table(gap: 5).Add("NAME", "PORT", "X").Add("a", "15001", "✔").Add("note").Add("longer-name", "1").Write(text);

        Assert.Equal("NAME     PORT      X\na        15001     ✔\nnote\nlonger-name     1\n", text.ToString());
    }
}
