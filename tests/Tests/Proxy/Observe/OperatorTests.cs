using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;
using Mesh.Tests.Tidy;

namespace Mesh.Tests.Proxy.Observe;

/// <summary>operators.tsv says of each operator, with and without arguments and length, whether Envoy 1.40 takes it in an access log.</summary>
public sealed class OperatorTests
{
    [Fact]
    public void An_operator_is_taken_or_refused_as_Envoy_does()
    {
        var wrong = File.ReadLines(Path.Combine(Source.Root, "tests/Tests/Proxy/Observe/operators.tsv")).Select(line => line.Split('\t'))
            .Where(line => IsTaken(line[0]) != (line[1] == "yes")).Select(line => $"%{line[0]}% {line[1]}");

        Assert.Equal("", string.Join("\n", wrong));
    }

    [Fact]
    public void A_refused_operator_is_named_with_what_is_wrong()
    {
        Assert.Equal("operator %PROTOCOL(x)% takes no argument", Refusal("%PROTOCOL(x)%"));
        Assert.Equal("operator %REQ()% wants an argument in parentheses", Refusal("%REQ()%"));
        Assert.Equal("operator %GRPC_STATUS(FOO)%: 'FOO' is none of CAMEL_STRING, SNAKE_STRING, NUMBER", Refusal("%GRPC_STATUS(FOO)%"));
        Assert.Equal("operator %DURATION:3%: ':3' is not a length, or there can be none", Refusal("%DURATION:3%"));
    }

    private static bool IsTaken(string text) => Refusal($"X %{text}% Y") is null;

    private static string? Refusal(string format)
    {
        try
        {
            LineFormat.Compile(format);
            return null;
        }
        catch (ConfigRefusedException e)
        {
            return e.Why;
        }
    }
}
