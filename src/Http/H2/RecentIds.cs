using System.Runtime.CompilerServices;

namespace Mesh.Http.H2;

/// <summary>The last streams that ended, to tell a frame that crossed our reset from one on a stream that never was.</summary>
internal struct RecentIds
{
    private const int Kept = 64;

    private Ids _ids;
    private int _next;

    public void Add(int id) => _ids[_next++ & (Kept - 1)] = id;

    public readonly bool Has(int id) => ((ReadOnlySpan<int>)_ids).Contains(id);

    [InlineArray(Kept)]
    private struct Ids
    {
        private int _element;
    }
}
