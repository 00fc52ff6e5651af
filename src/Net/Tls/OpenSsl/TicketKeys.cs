using System.Security.Cryptography;

namespace Mesh.Net.Tls.OpenSsl;

/// <summary>
/// What session tickets are sealed with: the same for all loops of the process, so that a caller may come back to any of them; another every few hours,
/// so that a key opens little if it leaks. Any thread.
/// </summary>
internal sealed class TicketKeys(TimeProvider time)
{
    /// <summary>A name, a key to sign and one to encrypt; the library takes as many of the bytes as its kinds of key need.</summary>
    public const int Bytes = 80;

    private static readonly TimeSpan Age = TimeSpan.FromHours(12);

    private readonly Lock _renewal = new();
    private volatile Keys? _keys;

    public byte[] Current()
    {
        if (_keys is { } keys && time.GetElapsedTime(keys.Since) < Age) return keys.Secret;

        lock (_renewal)
        {
            if (_keys is not { } young || time.GetElapsedTime(young.Since) >= Age) _keys = new(RandomNumberGenerator.GetBytes(Bytes), time.GetTimestamp());
            return _keys.Secret;
        }
    }

    private sealed record Keys(byte[] Secret, long Since);
}
