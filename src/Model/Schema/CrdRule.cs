using Mesh.Model.Yaml;

namespace Mesh.Model.Schema;

/// <summary>One validation rule of a CRD: as CEL for the API server, and as code for where there is none.</summary>
/// <param name="Violated">True when the value breaks the rule.</param>
public sealed record CrdRule(string Name, string Cel, string Message, Func<Node, bool> Violated);
