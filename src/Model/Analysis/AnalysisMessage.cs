using System.IO;

namespace Mesh.Model.Analysis;

/// <summary>One finding of the analysis.</summary>
/// <param name="Line">0 means: where the resource begins.</param>
public sealed record AnalysisMessage(MessageType Type, AnalyzedResource? Resource, string Text, int Line)
{
    private const string Documentation = "https://istio.io/v1.32/docs/reference/config/analysis";

    public string Code => Type.Code;
    public Level Level => Type.Level;

    /// <summary>For example <c>VirtualService shop/cart</c>; empty when nothing in particular is meant.</summary>
    public string Origin => Resource?.FriendlyName ?? "";

    /// <summary>file:line; only the file for JSON, empty for what came from no file.</summary>
    public string Reference
    {
        get
        {
            if (Resource is null || Resource.File.Length == 0) return "";
            var line = Line > 0 ? Line : Resource.Line;
            return line > 0 && Path.GetExtension(Resource.File) != ".json" ? $"{Resource.File}:{line}" : Resource.File;
        }
    }

    public string DocumentationUrl => Code.StartsWith("MESH", StringComparison.Ordinal) ? "docs/reference/analysis-messages.md" : $"{Documentation}/{Code.ToLowerInvariant()}/?ref=istioctl-analyze";

    /// <summary>Where: in parentheses, with the cluster in brackets when there are several.</summary>
    public string Where(bool showCluster)
    {
        if (Resource is null) return "";
        var reference = Reference;
        var cluster = showCluster && Resource.Cluster.Length > 0 ? $" [cluster-{Resource.Cluster}]" : "";
        return $"{cluster} ({Origin}{(reference.Length > 0 ? $" {reference}" : "")})";
    }

    public override string ToString() => $"{Level} [{Code}]{Where(false)} {Text}";
}
