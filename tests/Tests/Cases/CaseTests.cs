using Mesh.Model.Resources;
using Mesh.Model.Translate;
using Mesh.Tests.Tidy;

namespace Mesh.Tests.Cases;

/// <summary>The storybook: what the mesh makes of a user's YAML, one file a story. Each section but <c>apply</c> says what must come out.</summary>
public sealed class CaseTests
{
    private static readonly Dictionary<string, Func<CaseWorld, string>> Sections = new()
    {
        ["routes"] = world => Without(ConfigurationDump.Routes(world.ForCaller()), "  allow_any", "    prefix /  →  PassthroughCluster"),
        ["names"] = world => Without(ConfigurationDump.Routes(world.ForCaller(), withNames: true), "  allow_any", "    prefix /  →  PassthroughCluster"),
        ["listeners"] = world => ConfigurationDump.Listeners(Only(world.ForCaller(), inbound: false)),
        ["clusters"] = world => Without(ConfigurationDump.Clusters(world.ForCaller()), "BlackHoleCluster", "PassthroughCluster", "InboundPassthroughCluster"),
        ["endpoints"] = world => ConfigurationDump.Endpoints(world.ForCaller()),
        ["inbound"] = world => ConfigurationDump.Listeners(Only(world.ForServer(), inbound: true)),
        ["inbound clusters"] = world => Lines(ConfigurationDump.Clusters(world.ForServer()), line => line.StartsWith("inbound|", StringComparison.Ordinal)),
        ["gateway listeners"] = world => ConfigurationDump.Listeners(world.ForGateway()),
        ["gateway routes"] = world => ConfigurationDump.Routes(world.ForGateway()),
        ["inbound filters"] = world => ConfigurationDump.HttpFilters(Only(world.ForServer(), inbound: true)),
        ["patches refused"] = world => string.Join('\n', world.Build().Resources.OfType<EnvoyFilter>().SelectMany(PatchReader.Check).Select(issue => $"{issue.Path}: {issue.Message}")),
        ["gateway clusters"] = world => Without(ConfigurationDump.Clusters(world.ForGateway()), "BlackHoleCluster"),
        ["refused"] = world => string.Join('\n', world.Refused),
        ["status"] = world => StatusText.Of(world.Build().GatewayApi),
    };

    private static readonly Dictionary<string, Func<CaseWorld, StoryEntry>> Entries = new()
    {
        ["calls"] = StoryEntry.AtCaller,
        ["calls at the gateway"] = StoryEntry.AtGateway,
        ["calls at the server"] = StoryEntry.AtServer,
    };

    public static TheoryData<string> Stories => [.. Source.Files("tests/Tests/Cases", "*.case")];

    [Theory, MemberData(nameof(Stories))]
    public void The_story_comes_true(string file)
    {
        var story = CaseFile.Read(Path.Combine(Source.Root, file));
        var world = new CaseWorld(story.Topology);
        var golden = Environment.GetEnvironmentVariable("MESH_GOLDEN") == "1";
        for (var i = 0; i < story.Sections.Count; i++)
        {
            var (name, text) = story.Sections[i];
            if (name == "apply")
            {
                world.Apply(text);
                continue;
            }
            if (Entries.TryGetValue(name, out var entry))
            {
                var told = CallStory.Run(world, entry(world), text);
                if (golden) story.Sections[i] = (name, told);
                else if (!CallStory.Agree(text, told)) Assert.Equal(text.TrimEnd(), told);
                continue;
            }
            Assert.True(Sections.TryGetValue(name, out var render), $"no section is called \"{name}\"; there are apply, {string.Join(", ", Entries.Keys)}, {string.Join(", ", Sections.Keys)}");
            var actual = render(world).TrimEnd();
            if (golden) story.Sections[i] = (name, actual);
            else Assert.Equal(text.TrimEnd(), actual);
        }
        Assert.Contains(story.Sections, section => section.Name != "apply");
        if (golden) story.Write();
    }

    private static ProxyConfiguration Only(ProxyConfiguration all, bool inbound) => all.WithListeners(name => name == "virtualInbound" == inbound && name != "virtualOutbound");

    private static string Without(string text, params string[] starts) => Lines(text, line => !starts.Any(start => line.StartsWith(start, StringComparison.Ordinal)));

    private static string Lines(string text, Func<string, bool> keep) => string.Join('\n', text.Split('\n').Where(keep));
}
