namespace Mesh.Model.Analysis;

/// <summary>How bad it is; a higher value is worse.</summary>
public enum Level { Info, Warning, Error }
