namespace Mesh.Net.Tls;

/// <summary>What the peer sent, DER, its own certificate first.</summary>
public sealed record PeerCertificates(IReadOnlyList<ReadOnlyMemory<byte>> Chain)
{
    public ReadOnlyMemory<byte> Leaf => Chain[0];
}

/// <summary>A judgement of a peer's chain.</summary>
/// <param name="Refusal">Null: believed. Otherwise the sentence that says why not.</param>
/// <param name="ValidUntil">Until when the same chain need not be judged again. The proof that the peer owns the key is made every time.</param>
/// <param name="Identity">What was read from the chain, for <see cref="TlsConnection.PeerIdentity"/>.</param>
public sealed record PeerVerdict(string? Refusal, DateTimeOffset ValidUntil, object? Identity = null)
{
    public bool IsBelieved => Refusal is null;

    public static PeerVerdict Believed(DateTimeOffset validUntil, object? identity = null) => new(null, validUntil, identity);

    public static PeerVerdict Refused(string why) => new(why, DateTimeOffset.MinValue);
}
