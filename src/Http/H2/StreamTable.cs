using System.Diagnostics;

namespace Mesh.Http.H2;

/// <summary>
/// Streams by id. Ids of one side are every other number and rise, so the low bits of id / 2 spread live streams perfectly: a look-up is
/// one probe as long as the oldest stream is younger than the table is wide. Ids lie in an array of their own: probing touches no stream.
/// </summary>
internal sealed class StreamTable
{
    private H2Stream?[] _slots = new H2Stream?[16];
    private int[] _ids = new int[16]; // 0: free

    public int Count { get; private set; }

    /// <summary>Slots to walk with <see cref="At"/>; many are empty.</summary>
    public int Width => _slots.Length;

    public H2Stream? At(int slot) => _slots[slot];

    public H2Stream? Find(int id)
    {
        var mask = _ids.Length - 1;
        for (var slot = (id >> 1) & mask; ; slot = (slot + 1) & mask)
        {
            if (_ids[slot] == id) return _slots[slot];
            if (_ids[slot] == 0) return null;
        }
    }

    public void Add(H2Stream stream)
    {
        Debug.Assert(stream.Id != 0 && Find(stream.Id) is null);
        if (Count * 2 >= _slots.Length) Grow();
        Insert(stream, stream.Id);
        Count++;
    }

    public void Remove(H2Stream stream)
    {
        var mask = _ids.Length - 1;
        var hole = (stream.Id >> 1) & mask;
        while (_slots[hole] != stream)
        {
            if (_ids[hole] == 0) return;
            hole = (hole + 1) & mask;
        }

        Count--;

        // Close the gap with those that had to go past it, so that a probe never has to pass a tombstone. One at its own place stays there.
        for (var next = (hole + 1) & mask; _ids[next] != 0; next = (next + 1) & mask)
        {
            var home = (_ids[next] >> 1) & mask;
            if (((next - home) & mask) < ((next - hole) & mask)) continue;

            (_ids[hole], _slots[hole]) = (_ids[next], _slots[next]);
            hole = next;
        }
        (_ids[hole], _slots[hole]) = (0, null);
    }

    private void Insert(H2Stream stream, int id)
    {
        var mask = _ids.Length - 1;
        var slot = (id >> 1) & mask;
        while (_ids[slot] != 0) slot = (slot + 1) & mask;
        (_ids[slot], _slots[slot]) = (id, stream);
    }

    private void Grow()
    {
        var (ids, slots) = (_ids, _slots);
        (_ids, _slots) = (new int[ids.Length * 2], new H2Stream?[ids.Length * 2]);
        for (var i = 0; i < ids.Length; i++)
        {
            if (ids[i] != 0) Insert(slots[i]!, ids[i]);
        }
    }
}
