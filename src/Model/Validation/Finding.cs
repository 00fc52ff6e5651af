using Mesh.Model.Yaml;

namespace Mesh.Model.Validation;

/// <summary>One thing said about a resource: in Istio's words, with the place it was written and the field it is about (empty: the whole resource).</summary>
public sealed record Finding(string Message, Origin Origin, string Field);
