using Mesh.Model.Yaml;

namespace Mesh.Model.Resources;

/// <summary>A field that cannot be read, told so that its author can mend it.</summary>
public sealed record FieldIssue(Origin Origin, string Path, string Message)
{
    public override string ToString() => $"{Origin}: {Path}: {Message}";
}
