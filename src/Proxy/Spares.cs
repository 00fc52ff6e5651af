namespace Mesh.Proxy;

/// <summary>Objects between two uses, last returned first given. What a burst needed beyond what is used since is let go with <see cref="LetGoOfUnused"/>. Loop thread only.</summary>
/// <param name="most">Beyond it what comes back is garbage.</param>
/// <param name="least">So few are kept whether they are used or not: the next requests find them.</param>
internal sealed class Spares<T>(int most, int least)
    where T : class
{
    private readonly Stack<T> _free = new();
    private int _untouched;

    public int Count => _free.Count;

    /// <summary>Waiting may bring something to let go of.</summary>
    public bool HasMany => _free.Count > least;

    public T? TryTake()
    {
        if (!_free.TryPop(out var item)) return null;

        if (_free.Count < _untouched) _untouched = _free.Count;
        return item;
    }

    public void Keep(T item)
    {
        if (_free.Count < most) _free.Push(item);
    }

    /// <summary>Drops as many as have lain here untouched since the last call.</summary>
    public void LetGoOfUnused()
    {
        for (; _untouched > 0 && _free.Count > least; _untouched--) _free.Pop();
        _untouched = _free.Count;
    }
}
