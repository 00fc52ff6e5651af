using System.Text.Json.Nodes;

namespace Mesh.Kube;

/// <summary>What the API server said to one request. A refusal is an answer too; only a lost connection is not.</summary>
/// <param name="Status">HTTP status; 0 when the server could not be reached.</param>
public sealed record KubeAnswer(int Status, JsonObject? Body, string Message)
{
    public bool IsFine => Status is >= 200 and < 300;
    public bool IsAbsent => Status == 404;
    public bool IsConflict => Status == 409;
    public bool IsGone => Status == 410;
    public bool IsUnreachable => Status == 0;

    /// <summary>Worth another try without a change: the server is busy, starting, or away.</summary>
    public bool IsPassing => Status is 0 or 429 or 500 or 502 or 503 or 504;

    public override string ToString() => IsUnreachable ? Message : $"{Status}: {Message}";
}
