using System.Globalization;
using System.Text.RegularExpressions;

namespace Mesh.SystemTests.Demo;

/// <summary>What the demo's introduction and its page invite to try, tried while it runs.</summary>
[Collection("demo")]
public sealed class LiveDemoTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("mesh-demo-test-").FullName;
    private readonly int firstPort = FreePorts.FourInARow();
    private RunningMesh demo = null!;
    private int secondVersion, controlPlane;

    private string Ingress => $"http://127.0.0.1:{firstPort}/";

    private string Canary => Path.Combine(folder, "03-canary.yaml");

    public async ValueTask InitializeAsync()
    {
        // So many services on the backend's port that its route table is sent host by host (VHDS), as in a large mesh.
        File.WriteAllText(Path.Combine(folder, "50-many.yaml"), string.Concat(Enumerable.Range(0, 40).Select(i =>
            $"---\napiVersion: v1\nkind: Service\nmetadata: {{name: other-{i}, namespace: demo}}\nspec: {{clusterIP: 10.96.79.{i + 1}, ports: [{{name: http, port: 8080}}]}}\n")));
        demo = RunningMesh.Start(["demo", "--folder", folder, "--ports-from", $"{firstPort}", "--rate", "20"]);
        secondVersion = Number(await demo.LineAsync(@"stop version 2 +kill (\d+)"));
        controlPlane = Number(await demo.LineAsync(@"no control plane +kill (\d+)"));
    }

    public async ValueTask DisposeAsync()
    {
        await demo.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Weights_edited_in_the_YAML_move_the_split_and_no_request_fails()
    {
        Edit("weight: 80", "weight: 0");
        Edit("weight: 20", "weight: 100");

        var answers = await demo.CallUntilAsync(Ingress, answers => answers.Count > 20 && answers.TakeLast(20).All(IsV2));

        Assert.All(answers, answer => Assert.Equal(200, answer.Status));
        await demo.LineAsync(@"backend +v2 .* 100% \(100%\)");
    }

    [Fact]
    public async Task A_version_that_is_stopped_fails_alone_with_flag_UF()
    {
        RunningMesh.Kill(secondVersion);

        var answers = await demo.CallUntilAsync(Ingress, answers => answers.Any(a => a.Status == 503) && answers.Count(IsV1) >= 20);

        Assert.All(answers.SkipWhile(a => a.Status == 200), answer => Assert.True(answer.Status == 503 || IsV1(answer), answer.Body));
        // Requests that were on the way when it died have another flag; those after them cannot connect.
        while (!Regex.IsMatch((await demo.CallAsync("http://127.77.0.13:15090/stats/prometheus")).Body, "istio_requests_total\\{[^}]*response_flags=\"[^\"]*UF"))
            await demo.CallAsync(Ingress);
    }

    [Fact]
    public async Task A_fault_set_in_the_YAML_shows_and_goes_with_it()
    {
        var healthy = File.ReadAllText(Canary);
        File.Copy(Path.ChangeExtension(Canary, "fault.example"), Canary, overwrite: true);
        var faulty = await demo.CallUntilAsync(Ingress, answers => answers.Count(a => a.Status == 500) >= 2 && answers.Any(a => a.Status == 200));

        File.WriteAllText(Canary, healthy);
        var answers = await demo.CallUntilAsync(Ingress, answers => answers.Count > 60 && answers.TakeLast(60).All(a => a.Status == 200));

        Assert.All(faulty.Concat(answers), answer => Assert.True(answer.Status is 200 or 500, answer.Body));
        Assert.Contains(faulty, answer => answer.Body.Contains("fault filter abort", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Bad_YAML_is_refused_with_file_line_field_and_remedy_while_the_last_good_state_serves()
    {
        var good = File.ReadAllText(Canary);
        var line = good[..good.IndexOf("weight: 80", StringComparison.Ordinal)].Count(c => c == '\n') + 1;
        Edit("weight: 80", "weight: many");

        var refusal = await demo.LineAsync("was refused");
        var answers = await demo.CallUntilAsync(Ingress, answers => answers.Count >= 60 && answers.Any(IsV1) && answers.Any(IsV2));
        File.WriteAllText(Canary, good);
        await demo.LineAsync("nothing is refused any more");

        Assert.All(answers, answer => Assert.Equal(200, answer.Status));
        Assert.Matches($"VirtualService/demo/backend in {Regex.Escape(Canary)}:{line} was refused: spec\\.http\\[0\\]\\.route\\[0\\]\\.weight: .*(integer|number)", Whole(refusal));
    }

    [Fact]
    public async Task Traffic_goes_on_without_the_control_plane_and_configuration_flows_when_it_is_back()
    {
        RunningMesh.Kill(controlPlane);
        var isBack = false;
        var without = await demo.CallUntilAsync(Ingress, answers => answers.Count >= 50 && (isBack |= demo.HasPrinted("the control plane is here again")));

        Edit("weight: 80", "weight: 0");
        Edit("weight: 20", "weight: 100");
        var after = await demo.CallUntilAsync(Ingress, answers => answers.Count > 20 && answers.TakeLast(20).All(IsV2));

        Assert.All(without.Concat(after), answer => Assert.Equal(200, answer.Status));
        Assert.Contains(without, IsV1);
    }

    [Fact]
    public async Task Configuration_that_changes_with_every_request_fails_none_and_the_last_word_counts()
    {
        const int Changes = 300;
        var good = File.ReadAllText(Canary);
        var answers = new List<(int Status, string Body)>();
        for (var i = 0; i < Changes; i++)
        {
            Replace(good.Replace("weight: 80", $"weight: {i % 100}", StringComparison.Ordinal).Replace("weight: 20", $"weight: {100 - i % 100}", StringComparison.Ordinal));
            answers.Add(await demo.CallAsync(Ingress));
        }
        Replace(good.Replace("weight: 80", "weight: 0", StringComparison.Ordinal).Replace("weight: 20", "weight: 100", StringComparison.Ordinal));
        answers.AddRange(await demo.CallUntilAsync(Ingress, last => last.Count > 20 && last.TakeLast(20).All(IsV2)));

        Assert.All(answers, answer => Assert.Equal(200, answer.Status));
    }

    /// <summary>Whole at once: nobody reads half a file.</summary>
    private void Replace(string text)
    {
        File.WriteAllText(Canary + ".new", text);
        File.Move(Canary + ".new", Canary, overwrite: true);
    }

    private void Edit(string from, string to) => File.WriteAllText(Canary, File.ReadAllText(Canary).Replace(from, to, StringComparison.Ordinal));

    private static bool IsV1((int Status, string Body) answer) => answer.Body.Contains("backend v1", StringComparison.Ordinal);

    private static bool IsV2((int Status, string Body) answer) => answer.Body.Contains("backend v2", StringComparison.Ordinal);

    private static int Number(Match match) => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);

    private static string Whole(Match match) => match.Result("$_");
}
