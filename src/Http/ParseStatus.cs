namespace Mesh.Http;

public enum ParseStatus : byte
{
    /// <summary>Not all here yet: nothing is consumed; call again with the same bytes and more behind them.</summary>
    NeedMore = 0,
    Done,

    /// <summary>The peer broke a rule; the parser says which and must not be fed again.</summary>
    Error,
}
