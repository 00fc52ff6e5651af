using Mesh.Cli.Commands;
using Mesh.Cli.Frame;

namespace Mesh.Tests.Cli;

/// <summary>What a shell offers when Tab is pressed.</summary>
public sealed class CompletionTests
{
    private static string Offered(params string[] words) => string.Join(' ', Completion.Of(Root.Command, words).Select(c => c.Word));

    [Theory]
    [InlineData("proxy-c", "proxy-config")]
    [InlineData("pc c", "cluster")]
    [InlineData("-n shop proxy-config rou", "route")]
    [InlineData("proxy-config --namespace=shop rou", "route")]
    [InlineData("proxy-config cluster web.shop --fq", "--fqdn")]
    [InlineData("analyze --failure", "--failure-threshold")]
    [InlineData("analyze -A --failure", "--failure-threshold")]
    public void The_word_being_typed_is_completed_from_the_commands(string words, string offered) => Assert.Equal(offered, Offered(words.Split(' ')));

    [Theory]
    [InlineData("analyze -f ")]
    [InlineData("analyze --namespace sh")]
    [InlineData("analyze some.yaml ver")]
    [InlineData("analyze -- --recur")]
    public void Where_a_value_or_a_file_stands_nothing_is_offered(string words) => Assert.Equal("", Offered(words.Split(' ')));

    [Fact]
    public void Verbs_that_only_say_why_they_are_absent_are_not_offered() => Assert.DoesNotContain("waypoint", Offered("").Split(' '));

    [Fact]
    public async Task The_script_asks_the_program_itself()
    {
        Assert.Contains("meshctl __complete --", (await InProcessCli.RunAsync(["completion", "bash"])).Out);
        Assert.StartsWith("proxy-config\t", (await InProcessCli.RunAsync(["__complete", "--", "proxy-c"])).Out);
    }

    [Fact]
    public async Task An_unknown_shell_is_wrong_usage() =>
        Assert.Equal((64, "Error: there is no completion for tcsh: bash, zsh or fish\n"), (await InProcessCli.RunAsync(["completion", "tcsh"])) is var r ? (r.Exit, r.Error) : default);
}
