using System.Globalization;
using System.Text;

namespace Mesh.Model.Analysis;

/// <summary>The catalogue as text: a page for one code, and the reference of all.</summary>
public static class MessageReference
{
    /// <summary>What <c>meshctl explain CODE</c> prints.</summary>
    public static string Page(MessageType type)
    {
        var page = new StringBuilder();
        page.AppendLine(CultureInfo.InvariantCulture, $"{type.Code}  {type.Name}  ({type.Level})").AppendLine();
        page.AppendLine(CultureInfo.InvariantCulture, $"Message:  {Shown(type)}").AppendLine();
        Section(page, "Cause", type.Cause);
        Section(page, "Fix", type.Fix);
        page.AppendLine("Not to be told of it for one resource:");
        page.AppendLine(CultureInfo.InvariantCulture, $"  meshctl analyze -S \"{type.Code}=<Kind> <namespace>/<name>\"");
        page.AppendLine(CultureInfo.InvariantCulture, $"  kubectl annotate <kind> <name> galley.istio.io/analyze-suppress={type.Code}");
        return page.ToString();
    }

    /// <summary>docs/reference/analysis-messages.md, whole.</summary>
    public static string Markdown()
    {
        var text = new StringBuilder("""
            # Analysis messages

            What `meshctl analyze` may say, by code. The codes, names and words are Istio's, but for those of MESH, which tell what Istio does and this mesh does not: they are given where the cluster is read, and for files alone
            with `--differences`, so that a pipeline that analyzes files finds what `istioctl analyze` finds. `meshctl explain CODE` prints one entry offline.
            Made from the message table in `src/Model/Analysis/MessageCatalogue.cs`; do not edit by hand.


            """);
        foreach (var type in MessageCatalogue.All)
        {
            text.Append(CultureInfo.InvariantCulture, $"## {type.Code} {type.Name}\n\n*{type.Level}*: {Shown(type).Replace("<", "\\<", StringComparison.Ordinal)}\n\n");
            text.Append(CultureInfo.InvariantCulture, $"Cause: {type.Cause}\n\nFix: {type.Fix}\n\n");
        }
        return text.ToString().TrimEnd('\n') + "\n";
    }

    private static void Section(StringBuilder page, string title, string text)
    {
        const int Width = 96;
        page.AppendLine(CultureInfo.InvariantCulture, $"{title}:");
        var line = new StringBuilder();
        foreach (var word in text.Split(' '))
        {
            if (line.Length + word.Length >= Width)
            {
                page.AppendLine(CultureInfo.InvariantCulture, $" {line}");
                line.Clear();
            }
            line.Append(' ').Append(word);
        }
        page.AppendLine(CultureInfo.InvariantCulture, $" {line}").AppendLine();
    }

    /// <summary>The template with letters for what is filled in.</summary>
    private static string Shown(MessageType type) =>
        string.Format(CultureInfo.InvariantCulture, type.Template, "<A>", "<B>", "<C>", "<D>", "<E>");
}
