namespace Mesh.Http;

/// <summary>A part of a head's arena.</summary>
internal readonly record struct Slice(int Offset, int Length);
