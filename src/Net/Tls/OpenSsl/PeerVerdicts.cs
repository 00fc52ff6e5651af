using System.Security.Cryptography;

namespace Mesh.Net.Tls.OpenSsl;

/// <summary>
/// Which chains have been judged, by the digest of all their bytes, until their verdict expires. In a mesh the same few peers come again and again,
/// and judging a chain costs more than the rest of their handshake. Only belief is remembered; what was refused is judged anew.
/// </summary>
internal sealed class PeerVerdicts(int entriesMax)
{
    // Two generations: what was not asked for during a whole generation is forgotten with it.
    private Dictionary<Digest, Entry> _young = [];
    private Dictionary<Digest, Entry> _old = [];

    internal int Count => _young.Count + _old.Count;

    internal Entry? Find(Digest digest, DateTimeOffset now)
    {
        if (!_young.TryGetValue(digest, out var entry))
        {
            if (!_old.Remove(digest, out entry)) return null;

            Keep(digest, entry);
        }

        if (entry.Verdict.ValidUntil > now) return entry;

        _young.Remove(digest);
        return null;
    }

    internal void Add(Digest digest, PeerVerdict verdict, PeerCertificates peer) => Keep(digest, new(verdict, peer));

    private void Keep(Digest digest, Entry entry)
    {
        if (_young.Count >= entriesMax / 2)
        {
            _old = _young;
            _young = [];
        }

        _young[digest] = entry;
    }

    internal static Digest DigestOf(ReadOnlySpan<byte> chain)
    {
        Span<byte> bytes = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(chain, bytes);
        return new(BitConverter.ToUInt64(bytes), BitConverter.ToUInt64(bytes[8..]), BitConverter.ToUInt64(bytes[16..]), BitConverter.ToUInt64(bytes[24..]));
    }

    internal sealed record Entry(PeerVerdict Verdict, PeerCertificates Peer);

    internal readonly record struct Digest(ulong A, ulong B, ulong C, ulong D);
}
