using Mesh.Model.Analysis;
using Mesh.Tests.Tidy;

namespace Mesh.Tests.Model.Analysis;

public sealed class MessageTests
{
    [Fact]
    public void Codes_are_unique_and_in_order_of_topics() => Assert.Equal(MessageCatalogue.All.Count, MessageCatalogue.All.Select(m => m.Code).Distinct().Count());

    /// <summary>After a change of the table write the file anew: MESH_WRITE_DOCS=1 and run this test.</summary>
    [Fact]
    public void The_reference_says_what_the_table_says()
    {
        var file = Path.Combine(Source.Root, "docs/reference/analysis-messages.md");
        if (Environment.GetEnvironmentVariable("MESH_WRITE_DOCS") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, MessageReference.Markdown());
        }

        Assert.Equal(MessageReference.Markdown(), File.ReadAllText(file));
    }

    [Fact]
    public void A_page_names_cause_fix_and_how_to_be_left_alone()
    {
        var page = MessageReference.Page(MessageCatalogue.Find("ist0101")!);

        Assert.Contains("IST0101  ReferencedResourceNotFound  (Error)", page);
        Assert.Contains("Cause:", page);
        Assert.Contains("Fix:", page);
        Assert.Contains("analyze-suppress=IST0101", page);
    }
}
