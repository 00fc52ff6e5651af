using Mesh.Tests.Tidy;

namespace Mesh.Tests.Model.Validation;

/// <summary>One story of a .case file: a resource, and what the CLI, the webhook and the API server's schema answer.</summary>
internal sealed record ValidationCase(string Name, string Yaml, int Exit, string[] Errors, string[] Warnings, bool IsAllowed, string? WebhookError, string Schema, string[] SchemaErrors)
{
    public static IEnumerable<ValidationCase> All() =>
        Directory.EnumerateFiles(Path.Combine(Source.Root, "tests/Tests/Model/Validation/Cases"), "*.case").Order(StringComparer.Ordinal).SelectMany(f => Read(File.ReadAllText(f)));

    private static IEnumerable<ValidationCase> Read(string text)
    {
        foreach (var block in ("\n" + text).Split("\n==== ").Skip(1))
        {
            var parts = block.Split("\n---- ");
            var (name, yaml) = (parts[0][..parts[0].IndexOf('\n')], parts[0][(parts[0].IndexOf('\n') + 1)..] + "\n");
            var (cli, webhook, schema) = (Lines(parts[1]), Lines(parts[2]), Lines(parts[3]));
            yield return new(name, yaml, int.Parse(cli[0]["exit ".Length..]), Of(cli, "error: "), Of(cli, "warning: "),
                webhook[0] == "webhook allows", Of(webhook, "error: ").FirstOrDefault(), schema[0]["schema ".Length..], Of(schema, "error: "));
        }
    }

    private static string[] Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    private static string[] Of(string[] lines, string prefix) => [.. lines.Where(l => l.StartsWith(prefix, StringComparison.Ordinal)).Select(l => l[prefix.Length..])];
}
