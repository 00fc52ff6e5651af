using Mesh.Cli.Commands;

namespace Mesh.Tests.Cli;

/// <summary>meshctl validate: what a script reads and which exit code CI sees.</summary>
public sealed class ValidateTests : IDisposable
{
    private const string Head = "apiVersion: networking.istio.io/v1\n";
    private const string Fine = Head + "kind: DestinationRule\nmetadata: {name: d, namespace: shop}\nspec: {host: cart}\n";
    private const string Bad = Head + "kind: DestinationRule\nmetadata: {name: d, namespace: shop}\nspec: {host: cart, trafficPolicy: {}}\n";
    private const string Warn = Head + "kind: Sidecar\nmetadata: {name: s, namespace: shop}\nspec: {workloadSelector: {}, egress: [{hosts: ['./*']}]}\n";
    private const string Complaint = "Error: 1 error occurred:\n\t* DestinationRule/shop/d: traffic policy must have at least one field\n\n\n";
    private const string Advice = "\t* Sidecar/shop/s: sidecar: workload selector specified without labels, will be applied to all services in namespace\n\n";
    private readonly string folder = Directory.CreateTempSubdirectory().FullName;

    public ValidateTests()
    {
        Directory.CreateDirectory($"{folder}/dir/sub");
        foreach (var (name, text) in new[] { ("ok.yaml", Fine), ("bad.yaml", Bad), ("warn.yaml", Warn), ("two.yaml", Fine + "---\n" + Bad), ("dir/a.yaml", Fine), ("dir/sub/b.yml", Warn), ("dir/notes.txt", "a: b: c") })
            File.WriteAllText($"{folder}/{name}", text);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("ok.yaml", 0, "\"{0}/ok.yaml\" is valid\n")]
    [InlineData("bad.yaml", 1, Complaint)]
    [InlineData("two.yaml", 1, Complaint)]
    [InlineData("warn.yaml", 0, "\"{0}/warn.yaml\" has warnings: \n" + Advice)]
    [InlineData("dir", 0, "\"{0}/dir/a.yaml\" is valid\n\"{0}/dir/sub/b.yml\" has warnings: \n" + Advice)]
    [InlineData("nosuch.yaml", 1, "Error: 1 error occurred:\n\t* cannot stat file \"{0}/nosuch.yaml\": stat {0}/nosuch.yaml: no such file or directory\n\n\n")]
    public async Task A_file_or_folder_is_judged_as_istioctl_does(string path, int exit, string error) =>
        Assert.Equal((exit, "", string.Format(error, folder)), await Run("-f", $"{folder}/{path}"));

    [Fact]
    public async Task One_bad_file_of_several_fails_them_all() =>
        Assert.Equal((1, "", Complaint), await Run("-f", $"{folder}/ok.yaml", "-f", $"{folder}/bad.yaml"));

    [Fact]
    public async Task Without_a_file_it_says_how_to_name_one() => Assert.Equal(1, (await Run()).Exit);

    [Fact]
    public async Task A_file_without_the_flag_is_a_usage_error() => Assert.Equal(64, (await Run($"{folder}/ok.yaml")).Exit);

    [Fact]
    public async Task Where_adds_file_line_and_field() =>
        Assert.Contains("bad.yaml:4", (await Run("--where", "-f", $"{folder}/bad.yaml")).Error);

    private static async Task<(int Exit, string Out, string Error)> Run(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var exit = await Root.RunAsync(["validate", .. arguments], new(TextReader.Null, output, error, false, _ => null, TimeProvider.System), default);
        return (exit, output.ToString(), error.ToString());
    }
}
