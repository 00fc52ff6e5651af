using System.Text.Json;
using Mesh.Cli.Commands;

namespace Mesh.Tests.Cli;

/// <summary>meshctl analyze on files: what goes where, and which exit code CI sees.</summary>
public sealed class AnalyzeTests : IDisposable
{
    private const string Bad = "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d, namespace: shop}, spec: {host: cart, trafficPolicy: {}}}\n";
    private const string Warn = "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: s, namespace: shop}, spec: {workloadSelector: {}, egress: [{hosts: ['./*']}]}}\n";
    private const string Fine = "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d, namespace: shop}, spec: {host: cart}}\n";
    private readonly string folder = Directory.CreateTempSubdirectory().FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(Fine, "", 0)]
    [InlineData(Warn, "", 0)]
    [InlineData(Warn, "--failure-threshold Warning", 79)]
    [InlineData(Bad, "", 79)]
    [InlineData(Bad, "-o json", 0)]
    [InlineData("a: b: c\n", "", 65)]
    [InlineData("a: b: c\n", "--ignore-unknown", 0)]
    [InlineData(Fine, "--failure-threshold nosuch", 64)]
    [InlineData(Fine, "-o xml", 64)]
    [InlineData(Fine, "-S nonsense", 1)]
    public async Task The_exit_code_tells_what_was_found(string yaml, string options, int exit) =>
        Assert.Equal(exit, (await Run(yaml, options.Split(' ', StringSplitOptions.RemoveEmptyEntries))).Exit);

    [Fact]
    public async Task Json_has_the_keys_that_scripts_read()
    {
        var (_, output, _) = await Run(Bad, "-o", "json");

        var item = JsonDocument.Parse(output).RootElement[0];
        Assert.Equal(["code", "documentationUrl", "level", "message", "origin", "reference"], item.EnumerateObject().Select(p => p.Name));
        Assert.Equal($"{folder}/a.yaml:1", item.GetProperty("reference").GetString());
    }

    [Fact]
    public async Task Colour_is_off_where_the_output_is_no_terminal() => Assert.DoesNotContain('\e', (await Run(Bad)).Out);

    [Fact]
    public async Task A_file_of_configuration_alone_is_not_held_against_Services_nobody_gave() =>
        Assert.Equal($"✔ No validation issues found when analyzing {folder}/a.yaml.\n", (await Run(Fine)).Error);

    [Fact]
    public async Task A_suppressed_finding_is_neither_printed_nor_counted()
    {
        var (exit, output, _) = await Run(Bad, "-S", "IST0106=DestinationRule shop/*");

        Assert.Equal((0, "\n"), (exit, output));
    }

    [Fact]
    public async Task An_annotation_on_the_resource_suppresses_too()
    {
        var (exit, _, _) = await Run(Bad.Replace("namespace: shop}", "namespace: shop, annotations: {galley.istio.io/analyze-suppress: 'IST0001,IST0106'}}"));

        Assert.Equal(0, exit);
    }

    [Theory]
    [InlineData("", "[]")]
    [InlineData("--differences", "[MESH0004]")]
    public async Task What_is_different_here_is_told_of_files_when_asked_and_fails_nothing(string options, string codes)
    {
        const string Without = "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d, namespace: shop}, spec: {host: cart, trafficPolicy: {loadBalancer: {backendUtilization: {}}}}}\n";
        string[] given = options.Length == 0 ? [] : [options];

        var told = JsonDocument.Parse((await Run(Without, [.. given, "-o", "json"])).Out).RootElement.EnumerateArray().Select(item => item.GetProperty("code").GetString());

        Assert.Equal((codes, 0), ($"[{string.Join(", ", told)}]", (await Run(Without, [.. given, "--failure-threshold", "Warning"])).Exit));
    }

    [Fact]
    public async Task The_list_of_analyzers_is_Istios_with_more_when_asked()
    {
        var (_, plain, _) = await Run(Fine, "-L");
        var (_, all, _) = await Run(Fine, "-L", "--differences");

        Assert.DoesNotContain("WithoutEffect", plain);
        Assert.Contains("* field.WithoutEffectAnalyzer:", all);
    }

    private async Task<(int Exit, string Out, string Error)> Run(string yaml, params string[] options)
    {
        var file = Path.Combine(folder, "a.yaml");
        await File.WriteAllTextAsync(file, yaml);
        var (output, error) = (new StringWriter(), new StringWriter());
        var exit = await Root.RunAsync(["analyze", "--use-kube=false", "-A", .. options, file], new(TextReader.Null, output, error, false, _ => null, TimeProvider.System), default);
        return (exit, output.ToString(), error.ToString());
    }
}
