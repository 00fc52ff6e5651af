using Mesh.Cli.Commands;
using Mesh.Model.Schema;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Tests.Model.Validation;

/// <summary>Every resource of the case files gets the verdict that Istio gives: from the command line, at the webhook, and by the CRD's schema.</summary>
public sealed class CaseTests
{
    private static readonly Dictionary<string, ValidationCase> ByName = ValidationCase.All().ToDictionary(c => c.Name);

    public static TheoryData<string> Names => [.. ByName.Keys];

    /// <summary>Where we say it otherwise on purpose. Parsers' own words may differ; all else is Istio's.</summary>
    private static readonly Dictionary<string, string> OtherWords = new()
    {
        ["vs-wrong-type"] = "names field and value instead of the JSON parser's position",
        ["ra-jwks-parse"] = "the JSON parser's own words",
        ["tl-tag-override-upsert-no-value"] = "our rule asks for the key before it reads it, so the API server needs not fail on it",
        ["k8s-duplicate-key"] = "the YAML parser's own words",
    };

    [Theory, MemberData(nameof(Names))]
    public async Task The_command_line_says_what_istioctl_says(string name)
    {
        var expected = ByName[name];
        var folder = Directory.CreateTempSubdirectory();
        var file = Path.Combine(folder.FullName, $"{name}.yaml");
        await File.WriteAllTextAsync(file, expected.Yaml, TestContext.Current.CancellationToken);
        var error = new StringWriter();
        var exit = await Root.RunAsync(["validate", "-f", file], new(TextReader.Null, TextWriter.Null, error, false, _ => null, TimeProvider.System), default);
        folder.Delete(recursive: true);

        Assert.Equal(expected.Exit, exit);
        var said = error.ToString();
        var errors = said.Contains("Error: ") ? said[said.IndexOf("Error: ", StringComparison.Ordinal)..] : "";
        if (!OtherWords.ContainsKey(name)) Assert.Equal(expected.Errors.Order(), Items(errors).Order());
        Assert.Equal(expected.Warnings.Order(), Items(said[..(said.Length - errors.Length)]).Order());
    }

    [Theory, MemberData(nameof(Names))]
    public void The_webhook_decides_as_Istios_does(string name)
    {
        var expected = ByName[name];
        var documents = YamlReader.Read(expected.Yaml, name, out _);
        if (documents.Count == 0) return; // an API server keeps the last of two equal keys; we read none

        var answer = Validator.Admit(documents[0]);

        Assert.Equal(expected.IsAllowed, answer.IsAllowed);
        if (OtherWords.ContainsKey(name)) return;
        if (expected.WebhookError is { } said) Assert.Equal(said, answer.Message);
        else if (!expected.IsAllowed) Assert.Equal(expected.Errors.Order(), Validator.CheckAdmission(documents[0]).Errors.Select(e => e.Message.Contains("occurred:") ? Flat(e.Message) : e.Message).Order());
        if (expected.IsAllowed) Assert.Equal(expected.Warnings.Order(), answer.Warnings.Order());
    }

    [Theory, MemberData(nameof(Names))]
    public void The_schema_refuses_what_the_API_server_refuses(string name)
    {
        var expected = ByName[name];
        var documents = YamlReader.Read(expected.Yaml, name, out _);
        if (expected.Schema == "none" || documents.Count == 0) return;

        var resource = (MapNode)documents[0];
        var kind = Catalogue.Find(new Resource(resource).Group, new Resource(resource).Kind);
        var verdict = CrdCheck.Check(kind!, resource);

        Assert.Equal(expected.Schema == "refuses", !verdict.IsAllowed);
        if (expected.Schema == "refuses" && !OtherWords.ContainsKey(name)) Assert.Equal(expected.SchemaErrors[0].Replace("<nil>", "spec"), verdict.Errors[0].Message);
    }

    private static string Flat(string message) => string.Join(" | ", message.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.TrimStart('\t', ' ').Replace("* ", "")));

    /// <summary>The points of a list, without the resource they begin with.</summary>
    private static List<string> Items(string text)
    {
        var items = new List<string>();
        foreach (var line in text.Split('\n').Where(l => l.Length > 0))
        {
            if (!line.StartsWith("\t* ", StringComparison.Ordinal))
            {
                if (items.Count > 0 && !line.StartsWith('"')) items[^1] += $" | {line.Trim()}";
                continue;
            }
            var item = System.Text.RegularExpressions.Regex.Replace(line[3..], @"^\w+/[\w.-]*/[\w.-]+: ", "");
            if (items.Count > 0 && items[^1].EndsWith("error occurred:", StringComparison.Ordinal)) items[^1] += $" | {line[3..]}";
            else items.Add(item);
        }
        return items;
    }
}
