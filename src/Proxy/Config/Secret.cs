using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Proxy.Config;

/// <summary>A certificate with key, or a set of trusted roots; has a name and an expiry.</summary>
internal abstract record Secret(string Name);

/// <param name="ChainPem">Leaf first.</param>
internal sealed record CertificateSecret(string Name, ReadOnlyMemory<byte> ChainPem, ReadOnlyMemory<byte> KeyPem, DateTimeOffset NotBefore, DateTimeOffset NotAfter, string Serial)
    : Secret(Name)
{
    public ReadOnlyMemory<byte> OcspStaple { get; init; }

    public bool Equals(CertificateSecret? other) =>
        other is not null && Name == other.Name && ChainPem.Span.SequenceEqual(other.ChainPem.Span)
        && KeyPem.Span.SequenceEqual(other.KeyPem.Span) && OcspStaple.Span.SequenceEqual(other.OcspStaple.Span);

    public override int GetHashCode() => HashCode.Combine(Name, Serial);
    // Never the key: records print their members, and logs print records.
    public override string ToString() => $"certificate {Name} serial {Serial} until {NotAfter:u}";
}

/// <summary>Whom to believe, as delivered under a name.</summary>
internal sealed record TrustSecret(string Name, PeerValidation Validation) : Secret(Name);

/// <summary>TLS session ticket keys; accepted and unused: tickets are sealed with keys of the process's own.</summary>
internal sealed record TicketKeysSecret(string Name) : Secret(Name);

/// <summary>What a peer's certificate must fulfil.</summary>
internal sealed record PeerValidation
{
    /// <summary>Null: the roots of the operating system when <see cref="UseSystemRoots"/>, otherwise no chain is checked.</summary>
    public TrustedRoots? Roots { get; init; }
    public bool UseSystemRoots { get; init; }
    /// <summary>Roots by trust domain (SPIFFE bundle validator); empty: <see cref="Roots"/> for all.</summary>
    public ImmutableDictionary<string, TrustedRoots> RootsByTrustDomain { get; init; } = ImmutableDictionary<string, TrustedRoots>.Empty;
    /// <summary>Any one of them must match one subject alternative name; empty: any name is accepted.</summary>
    public ImmutableArray<SubjectNameMatch> Names { get; init; } = [];
    /// <summary>Lower-case hex SHA-256 of the certificate, any one; together with <see cref="Spki"/>.</summary>
    public ImmutableArray<string> CertificateHashes { get; init; } = [];
    /// <summary>Base64 SHA-256 of the public key, any one.</summary>
    public ImmutableArray<string> Spki { get; init; } = [];
    public ImmutableArray<ReadOnlyMemory<byte>> CrlsPem { get; init; } = [];
    public bool OnlyVerifyLeafCrl { get; init; }
    /// <summary>With lists, every authority of a chain must have one, as Envoy has it. Off: an authority that publishes none has revoked nothing.</summary>
    public bool EveryAuthorityNeedsList { get; init; } = true;
    public bool AcceptExpired { get; init; }
    /// <summary>An unverifiable certificate does not end the connection; nothing is believed of it then.</summary>
    public bool AcceptUntrusted { get; init; }
    public uint? ChainDepthMax { get; init; }
}

internal sealed class TrustedRoots(ReadOnlyMemory<byte> pem, ImmutableArray<X509Certificate2> certificates) : IEquatable<TrustedRoots>
{
    public ReadOnlyMemory<byte> Pem { get; } = pem;
    public ImmutableArray<X509Certificate2> Certificates { get; } = certificates;

    public bool Equals(TrustedRoots? other) => other is not null && Pem.Span.SequenceEqual(other.Pem.Span);
    public override bool Equals(object? obj) => Equals(obj as TrustedRoots);
    public override int GetHashCode() => Pem.Length;

    /// <summary>Some secret that is in both sets has lost a root, or has other revocation lists: what was believed under it may not be believed any more.</summary>
    public static bool HasLost(ImmutableDictionary<string, Secret> before, ImmutableDictionary<string, Secret> after)
    {
        if (ReferenceEquals(before, after)) return false;

        foreach (var (name, secret) in before)
        {
            if (secret is not TrustSecret { Validation: { } old } || after.GetValueOrDefault(name) is not TrustSecret { Validation: { } now }) continue;
            if (HasLost(old.Roots, now.Roots) || HasOtherLists(old, now)) return true;
            foreach (var (domain, roots) in old.RootsByTrustDomain)
                if (HasLost(roots, now.RootsByTrustDomain.GetValueOrDefault(domain))) return true;
        }
        return false;
    }

    private static bool HasLost(TrustedRoots? old, TrustedRoots? now)
    {
        if (old is null || old.Equals(now)) return false;
        foreach (var root in old.Certificates)
            if (now is null || !now.Certificates.Any(other => other.RawDataMemory.Span.SequenceEqual(root.RawDataMemory.Span))) return true;
        return false;
    }

    private static bool HasOtherLists(PeerValidation old, PeerValidation now)
    {
        foreach (var list in now.CrlsPem)
            if (!old.CrlsPem.Any(known => known.Span.SequenceEqual(list.Span))) return true;
        return false;
    }
}

internal enum SubjectNameKind { Any, Dns, Uri, Email, IpAddress }

internal sealed record SubjectNameMatch(SubjectNameKind Kind, StringMatch Match);
