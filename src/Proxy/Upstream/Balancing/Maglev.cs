using System.IO.Hashing;
using System.Text;

namespace Mesh.Proxy.Upstream.Balancing;

/// <summary>Maglev's table: every endpoint fills slots in an order of its own, in turns by weight; a key's slot is its hash by the table's size. Filled as Envoy fills it.</summary>
internal sealed class Maglev : EndpointPicker
{
    private readonly EndpointState[] table;

    public Maglev(EndpointState[] endpoints, double[] shares, Config.LoadBalancing settings)
        : base(endpoints)
    {
        var size = settings.MaglevTableSize;
        table = new EndpointState[size];
        var entries = new Entry[endpoints.Length];
        for (var i = 0; i < endpoints.Length; i++)
        {
            var key = Encoding.UTF8.GetBytes(HashKey.Of(endpoints[i], settings.UseHostnameForHashing));
            entries[i] = new() { Endpoint = endpoints[i], Offset = XxHash64.HashToUInt64(key) % size, Skip = XxHash64.HashToUInt64(key, 1) % (size - 1) + 1, Share = shares[i] };
        }
        Fill(entries, shares.Max());
    }

    public override EndpointState Pick(ulong hash, int attempt)
    {
        if (attempt > 0) hash ^= ulong.MaxValue - (ulong)attempt + 1;
        return table[hash % (ulong)table.Length];
    }

    private void Fill(Entry[] entries, double most)
    {
        var filled = 0;
        for (var round = 1; ; round++)
        {
            foreach (var entry in entries)
            {
                // One with a third of the largest share gets a turn in every third round.
                if (round * entry.Share < entry.Target) continue;

                entry.Target += most;
                var slot = entry.Slot(table.Length);
                while (table[slot] is not null)
                {
                    entry.Next++;
                    slot = entry.Slot(table.Length);
                }
                table[slot] = entry.Endpoint;
                entry.Next++;
                if (++filled == table.Length) return;
            }
        }
    }

    private sealed class Entry
    {
        public required EndpointState Endpoint { get; init; }
        public ulong Offset { get; init; }
        public ulong Skip { get; init; }
        public double Share { get; init; }
        public double Target { get; set; }
        public ulong Next { get; set; }

        public ulong Slot(int size) => (Offset + Skip * Next) % (ulong)size;
    }
}
