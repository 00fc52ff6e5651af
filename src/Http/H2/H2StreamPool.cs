namespace Mesh.Http.H2;

/// <summary>
/// Streams that wait to be used again. One for each session: a stream that is held on to by mistake must not turn up on another connection. Loop thread only.
/// </summary>
/// <param name="keepMax">As many as a connection has at once, or each burst of streams is made anew.</param>
public sealed class H2StreamPool(int keepMax = 1024)
{
    private readonly Stack<H2Stream> _idle = new();

    public int Count => _idle.Count;

    /// <summary>For a connection that has been quiet for a while.</summary>
    public void LetGo()
    {
        _idle.Clear();
        _idle.TrimExcess();
    }

    internal H2Stream Rent() => _idle.TryPop(out var stream) ? stream : new();

    internal void Return(H2Stream stream)
    {
        stream.Clear();
        if (_idle.Count < keepMax) _idle.Push(stream);
    }
}
