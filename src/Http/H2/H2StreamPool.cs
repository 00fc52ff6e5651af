namespace Mesh.Http.H2;

/// <summary>
/// Streams that wait to be used again. One for each session: a stream that is held on to by mistake must not turn up on another connection. Loop thread only.
/// </summary>
public sealed class H2StreamPool(int keepMax = 64)
{
    private readonly Stack<H2Stream> _idle = new();

    public int Count => _idle.Count;

    internal H2Stream Rent() => _idle.TryPop(out var stream) ? stream : new();

    internal void Return(H2Stream stream)
    {
        stream.Clear();
        if (_idle.Count < keepMax) _idle.Push(stream);
    }
}
