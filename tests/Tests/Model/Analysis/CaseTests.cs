using Mesh.Cli.Commands;
using Mesh.Cli.Frame;
using Mesh.Model.Analysis;

namespace Mesh.Tests.Model.Analysis;

/// <summary>Every set of files of the cases leads to the findings that Istio's analysis has, at the same file and line.</summary>
public sealed class CaseTests
{
    private static readonly Dictionary<string, AnalysisCase> ByName = AnalysisCase.All().ToDictionary(c => c.Name);

    public static TheoryData<string> Names => [.. ByName.Keys];

    [Theory, MemberData(nameof(Names))]
    public void The_findings_are_Istios(string name)
    {
        var expected = ByName[name];
        var invocation = CommandLine.Parse(Root.Command, "meshctl", ["analyze", .. expected.Arguments],
            new(TextReader.Null, TextWriter.Null, TextWriter.Null, false, _ => null, TimeProvider.System)).Invocation!;
        var space = invocation.IsGiven("namespace") ? invocation.Text("namespace") : "";

        var resources = new ResourceSet();
        foreach (var (kind, file, text) in expected.Inputs)
        {
            if (kind == "networks") Analyst.AddMeshNetworks(resources, text, "istio-system");
            else new ResourceReader(resources, space, kind == "cluster" ? Path.GetFileNameWithoutExtension(file) : "").Read(text, file);
        }
        DefaultResources.AddTo(resources, "istio-system");

        var messages = Analyst.Analyze(resources, TimeProvider.System, new()
        {
            Namespace = space,
            Suppressions = [.. invocation.All("suppress").Select(s => (s.Split('=')[0], s.Split('=')[1]))],
        });

        var least = Enum.Parse<Level>(invocation.Text("output-threshold"));
        Assert.Equal(expected.Findings.Order(), messages.Where(m => m.Level >= least).Select(m => m.ToString()).Order());
    }

    [Theory, MemberData(nameof(Names))]
    public void Errors_come_first_and_codes_in_order(string name)
    {
        var resources = new ResourceSet();
        foreach (var (kind, file, text) in ByName[name].Inputs.Where(i => i.Kind == "file")) new ResourceReader(resources, "").Read(text, file);

        var messages = Analyst.Analyze(resources, TimeProvider.System, new());

        Assert.Equal(messages.Select(m => (-(int)m.Level, m.Code)).Order(), messages.Select(m => (-(int)m.Level, m.Code)));
    }
}
