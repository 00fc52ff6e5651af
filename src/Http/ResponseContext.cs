namespace Mesh.Http;

/// <summary>What a response answers: without it the length of its body cannot be known (RFC 9112 §6.3).</summary>
public readonly record struct ResponseContext(bool ToHead, bool ToConnect, bool ToUpgrade)
{
    public static ResponseContext For(RequestHead request) =>
        new(request.Method == Method.Head, request.IsConnect, request.IsUpgrade);
}
