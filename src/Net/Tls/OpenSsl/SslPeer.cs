using System.Buffers;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Net.Tls.OpenSsl;

/// <summary>The peer's chain: out of the library, and judged.</summary>
internal static unsafe class SslPeer
{
    private const int ChainLengthMax = 16;

    // A verdict also depends on roots and lists that may run out; nobody notices one more verification a few times a day.
    private static readonly TimeSpan VerdictAgeMax = TimeSpan.FromHours(4);

    /// <summary>The digest at once, for the cache; the copies only if asked for, since a known chain needs none.</summary>
    internal static Func<PeerCertificates> Read(nint leaf, nint stack, out PeerVerdicts.Digest digest)
    {
        var all = new ArrayBufferWriter<byte>(2048);
        var lengths = new List<int>(2) { Append(leaf, all) };
        var count = stack == 0 ? 0 : Math.Min(LibSsl.StackCount(stack), ChainLengthMax);
        for (var i = 0; i < count; i++)
        {
            var x509 = LibSsl.StackValue(stack, i);
            if (x509 != leaf) lengths.Add(Append(x509, all));
        }

        digest = PeerVerdicts.DigestOf(all.WrittenSpan);
        return () =>
        {
            var bytes = all.WrittenMemory;
            var chain = new ReadOnlyMemory<byte>[lengths.Count];
            for (int i = 0, at = 0; i < chain.Length; at += lengths[i++]) chain[i] = bytes.Slice(at, lengths[i]);
            return new PeerCertificates(chain);
        };
    }

    /// <returns>Null when the library believes the chain.</returns>
    internal static PeerVerdict? VerifyByLibrary(nint storeContext, DateTimeOffset now)
    {
        LibSsl.StoreContextSetTime(storeContext, 0, now.ToUnixTimeSeconds());
        if (LibSsl.VerifyCertificate(storeContext) == 1) return null;

        return PeerVerdict.Refused(LibSsl.Text(LibSsl.VerifyErrorString(LibSsl.StoreContextGetError(storeContext))));
    }

    internal static PeerVerdict JudgeBySettings(TlsSettings settings, PeerCertificates peer, DateTimeOffset now)
    {
        if (!settings.PeerNames.IsEmpty && !SubjectNames.Matches(SubjectNames.Read(peer.Leaf), settings.PeerNames))
            return PeerVerdict.Refused($"the peer's certificate is for none of: {string.Join(", ", settings.PeerNames)}");

        if (settings.VerifyPeer is { } verify) return verify(peer);

        var until = now + VerdictAgeMax;
        foreach (var der in peer.Chain)
        {
            using var certificate = X509CertificateLoader.LoadCertificate(der.Span);
            var end = new DateTimeOffset(certificate.NotAfter.ToUniversalTime());
            if (end < until) until = end;
        }

        return PeerVerdict.Believed(until);
    }

    private static int Append(nint x509, ArrayBufferWriter<byte> all)
    {
        var length = LibSsl.CertificateToDer(x509, null);
        if (length <= 0) return 0;

        fixed (byte* start = all.GetSpan(length))
        {
            // The library moves the pointer it is given.
            var at = start;
            LibSsl.CertificateToDer(x509, &at);
        }

        all.Advance(length);
        return length;
    }
}
