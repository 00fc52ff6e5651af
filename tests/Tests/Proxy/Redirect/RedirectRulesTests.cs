using Mesh.Proxy.Redirect;

namespace Mesh.Tests.Proxy.Redirect;

public sealed class RedirectRulesTests
{
    public static TheoryData<string> Cases => RedirectCase.Names;

    [Theory, MemberData(nameof(Cases))]
    public async Task The_rules_are_those_istio_writes_for_the_same_options(string name)
    {
        var example = RedirectCase.Read(name);
        using var output = new StringWriter();
        using var error = new StringWriter();

        var exit = await Redirection.RunAsync(["-n", .. example.Words], example.Environment.GetValueOrDefault, output, error, TestContext.Current.CancellationToken);

        Assert.Equal("", error.ToString());
        Assert.Equal(0, exit);
        Assert.Equal(example.Rules, output.ToString());
    }

    [Theory]
    [InlineData("-m tproxy", "-m tproxy: REDIRECT or TPROXY is wanted")]
    [InlineData("-d 15090,70000", "-d: \"70000\" is no port")]
    [InlineData("-i 10.0.0.1", "-i: \"10.0.0.1\" is no range such as 10.0.0.0/8")]
    [InlineData("-u root", "-u, -g: \"root\" is no numeric id")]
    [InlineData("-c eth0;reboot", "\"eth0;reboot\" is no name of an interface or group")]
    [InlineData("--nonsense=1", "unknown option --nonsense")]
    [InlineData("-p", "option -p needs a value")]
    public async Task A_wrong_option_is_named_and_nothing_is_written(string words, string expected)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();

        var exit = await Redirection.RunAsync(["-n", .. words.Split(' ')], _ => null, output, error, TestContext.Current.CancellationToken);

        Assert.Equal(1, exit);
        Assert.Equal($"Error: {expected}\n", error.ToString());
        Assert.Equal("", output.ToString());
    }

    [Fact]
    public void Written_again_the_rules_replace_themselves_in_one_step()
    {
        var options = RedirectOptions.Parse(["-b", "*", "-i", "*"], _ => null, out _)!;
        var rules = RedirectRules.Build(options, v6: false);
        const string saved = "*nat\n:PREROUTING ACCEPT [0:0]\n:ISTIO_OUTPUT - [0:0]\n:ISTIO_OLD - [0:0]\n-A PREROUTING -p tcp -j ISTIO_INBOUND\n-A OUTPUT -j ISTIO_OUTPUT\n-A ISTIO_OUTPUT -j ISTIO_REDIRECT\nCOMMIT\n";

        var input = RestoreInput.Replacing(rules, saved, []);

        Assert.Contains("-D PREROUTING -p tcp -j ISTIO_INBOUND\n-D OUTPUT -j ISTIO_OUTPUT\n", input, StringComparison.Ordinal);
        Assert.Contains(":ISTIO_OUTPUT - [0:0]\n", input, StringComparison.Ordinal);
        Assert.Contains("-X ISTIO_OLD\n", input, StringComparison.Ordinal);
        Assert.Single(input.Split('\n'), line => line == "-A OUTPUT -j ISTIO_OUTPUT");
    }
}
