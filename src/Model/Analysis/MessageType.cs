namespace Mesh.Model.Analysis;

/// <summary>One kind of finding. <paramref name="Template"/> takes its parameters as {0}, {1}…; cause and fix are what <c>meshctl explain</c> shows.</summary>
public sealed record MessageType(string Code, Level Level, string Name, string Template, string Cause, string Fix);
