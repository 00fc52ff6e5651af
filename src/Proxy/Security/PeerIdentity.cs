using System.Collections.Immutable;

namespace Mesh.Proxy.Security;

/// <summary>Who showed a certificate that was believed. Made once per certificate and shared by all its connections.</summary>
internal sealed record PeerIdentity
{
    /// <summary>"spiffe://trust.domain/ns/x/sa/y"; empty when the certificate has no URI.</summary>
    public string SpiffeId { get; init; } = "";
    public ImmutableArray<string> Uris { get; init; } = [];
    public ImmutableArray<string> DnsNames { get; init; } = [];
    /// <summary>As RFC 2253 writes it.</summary>
    public string Subject { get; init; } = "";
    public string Issuer { get; init; } = "";
    public string Serial { get; init; } = "";
    /// <summary>Lower-case hex SHA-256 of the certificate's DER.</summary>
    public string Sha256 { get; init; } = "";
    public ReadOnlyMemory<byte> Der { get; init; }
    public DateTimeOffset NotBefore { get; init; }
    public DateTimeOffset NotAfter { get; init; }
    /// <summary>False when it was accepted without a trusted chain.</summary>
    public bool IsValidated { get; init; } = true;

    /// <summary>The clock's timestamp at which the certificate is over: what it opened carries nothing new from then on. One that was over already, and accepted all the same, sets no end.</summary>
    public long EndsAt(TimeProvider clock)
    {
        var left = NotAfter - clock.GetUtcNow();
        if (left <= TimeSpan.Zero) return long.MaxValue;

        if (left > EndsLookedAt) left = EndsLookedAt;
        return clock.GetTimestamp() + (long)(left.TotalSeconds * clock.TimestampFrequency);
    }

    // No connection is older.
    private static readonly TimeSpan EndsLookedAt = TimeSpan.FromDays(3650);

    /// <summary>The namespace of a SPIFFE id in Istio's form; empty for others.</summary>
    public string Namespace => field ??= Part("/ns/");

    /// <summary>The service account of a SPIFFE id in Istio's form; empty for others.</summary>
    public string ServiceAccount => field ??= Part("/sa/");

    private string Part(string marker)
    {
        var at = SpiffeId.IndexOf(marker, StringComparison.Ordinal);
        if (at < 0) return "";

        var rest = SpiffeId.AsSpan(at + marker.Length);
        var end = rest.IndexOf('/');
        return (end < 0 ? rest : rest[..end]).ToString();
    }
}
