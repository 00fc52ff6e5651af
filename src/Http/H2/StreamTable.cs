using System.Diagnostics;

namespace Mesh.Http.H2;

/// <summary>
/// Streams by id. Ids of one side are every other number and rise, so the low bits of id / 2 spread live streams perfectly: a look-up is
/// one probe as long as the oldest stream is younger than the table is wide.
/// </summary>
internal sealed class StreamTable
{
    private H2Stream?[] _slots = new H2Stream?[16];

    public int Count { get; private set; }

    /// <summary>Slots to walk with <see cref="At"/>; many are empty.</summary>
    public int Width => _slots.Length;

    public H2Stream? At(int slot) => _slots[slot];

    public H2Stream? Find(int id)
    {
        var mask = _slots.Length - 1;
        for (var slot = (id >> 1) & mask; ; slot = (slot + 1) & mask)
        {
            var stream = _slots[slot];
            if (stream is null || stream.Id == id) return stream;
        }
    }

    public void Add(H2Stream stream)
    {
        Debug.Assert(Find(stream.Id) is null);
        if (Count * 2 >= _slots.Length) Grow();
        Insert(stream);
        Count++;
    }

    public void Remove(H2Stream stream)
    {
        var mask = _slots.Length - 1;
        var slot = (stream.Id >> 1) & mask;
        while (_slots[slot] != stream)
        {
            if (_slots[slot] is null) return;
            slot = (slot + 1) & mask;
        }

        _slots[slot] = null;
        Count--;

        // Close the gap, so that a probe never has to pass a tombstone.
        for (var next = (slot + 1) & mask; _slots[next] is { } moved; next = (next + 1) & mask)
        {
            _slots[next] = null;
            Insert(moved);
        }
    }

    private void Insert(H2Stream stream)
    {
        var mask = _slots.Length - 1;
        var slot = (stream.Id >> 1) & mask;
        while (_slots[slot] is not null) slot = (slot + 1) & mask;
        _slots[slot] = stream;
    }

    private void Grow()
    {
        var old = _slots;
        _slots = new H2Stream?[old.Length * 2];
        foreach (var stream in old)
        {
            if (stream is not null) Insert(stream);
        }
    }
}
