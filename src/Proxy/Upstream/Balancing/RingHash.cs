using System.Globalization;
using System.IO.Hashing;
using System.Text;

namespace Mesh.Proxy.Upstream.Balancing;

/// <summary>
/// Ketama: every endpoint at many places of a ring, a key at the next place behind its hash. Places and hash are Envoy's, so that a mesh of both
/// kinds of proxies sends one key to one endpoint.
/// </summary>
internal sealed class RingHash : EndpointPicker
{
    private readonly ulong[] hashes;
    private readonly EndpointState[] owners;

    public RingHash(EndpointState[] endpoints, double[] shares, Config.LoadBalancing settings)
        : base(endpoints)
    {
        var least = shares.Min();
        var scale = Math.Min(Math.Ceiling(least * settings.RingSizeMin) / least, settings.RingSizeMax);
        var places = new List<(ulong Hash, EndpointState Owner)>((int)Math.Ceiling(scale));
        var (current, target) = (0.0, 0.0);
        Span<byte> key = stackalloc byte[512];
        for (var i = 0; i < endpoints.Length; i++)
        {
            var name = HashKey.Of(endpoints[i], settings.UseHostnameForHashing);
            var length = Encoding.UTF8.GetBytes(name, key);
            key[length++] = (byte)'_';
            target += scale * shares[i];
            for (var n = 0; current < target; n++, current++)
            {
                n.TryFormat(key[length..], out var digits, default, CultureInfo.InvariantCulture);
                var bytes = key[..(length + digits)];
                places.Add((settings.HashFunction == Config.RingHashFunction.Murmur2 ? Murmur2.Hash(bytes) : XxHash64.HashToUInt64(bytes), endpoints[i]));
            }
        }
        // Stable by the order of the endpoints, should two places coincide.
        var sorted = places.OrderBy(place => place.Hash).ToArray();
        hashes = [.. sorted.Select(place => place.Hash)];
        owners = [.. sorted.Select(place => place.Owner)];
    }

    public int Size => hashes.Length;

    public override EndpointState Pick(ulong hash, int attempt)
    {
        var at = Array.BinarySearch(hashes, hash);
        if (at < 0) at = ~at;
        else while (at > 0 && hashes[at - 1] == hash) at--;
        return owners[(at + attempt) % owners.Length];
    }
}

/// <summary>By what an endpoint is known to the hash.</summary>
internal static class HashKey
{
    public static string Of(EndpointState endpoint, bool useHostname)
    {
        if (endpoint.Endpoint.Metadata.Get("envoy.lb", "hash_key")?.Text is { Length: > 0 } given) return given;
        return useHostname ? endpoint.Endpoint.Hostname : endpoint.Endpoint.Address.ToString();
    }
}

/// <summary>MurmurHash2 (64 bits, seed as in the C++ standard library), the ring's other hash function.</summary>
internal static class Murmur2
{
    private const ulong Seed = 0xc70f6907;
    private const ulong Mul = 0xc6a4a793_5bd1e995;

    public static ulong Hash(ReadOnlySpan<byte> bytes)
    {
        var hash = Seed ^ (ulong)bytes.Length * Mul;
        var rest = bytes;
        for (; rest.Length >= 8; rest = rest[8..]) hash = (hash ^ Mix(System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(rest) * Mul) * Mul) * Mul;
        if (!rest.IsEmpty)
        {
            ulong last = 0;
            for (var i = rest.Length - 1; i >= 0; i--) last = last << 8 | rest[i];
            hash = (hash ^ last) * Mul;
        }
        return Mix(Mix(hash) * Mul);
    }

    private static ulong Mix(ulong value) => value ^ value >> 47;
}
