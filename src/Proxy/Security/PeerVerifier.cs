using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mesh.Net.Tls;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Security;

/// <summary>
/// Judges a peer's certificate chain: signed by a trusted root, valid now, made for this use, and carrying a name that was asked for.
/// Fails closed: what cannot be read is refused. The TLS layer remembers the verdict for as long as it says.
/// </summary>
internal sealed class PeerVerifier(PeerValidation own, PeerValidation delivered, string requiredName, bool ofServer, TimeProvider time)
{
    private static readonly TimeSpan VerdictLifetimeMax = TimeSpan.FromHours(1);

    /// <returns>Null when nothing is asked of the peer: it is neither verified nor believed to be anybody.</returns>
    public static PeerVerifier? For(PeerValidation? own, PeerValidation? delivered, string requiredName, bool ofServer, TimeProvider time) =>
        own is null && delivered is null && requiredName.Length == 0 ? null : new(own ?? new(), delivered ?? new(), requiredName, ofServer, time);

    public PeerVerdict Judge(PeerCertificates peer)
    {
        X509Certificate2 leaf;
        CertificateNames names;
        try
        {
            leaf = X509CertificateLoader.LoadCertificate(peer.Leaf.Span);
            names = CertificateNames.Read(leaf);
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            return PeerVerdict.Refused("CERTIFICATE_VERIFY_FAILED: unreadable certificate");
        }

        var identity = Identity(leaf, names);
        var refusal = Refusal(leaf, names, peer, identity.SpiffeId);
        if (refusal is not null && !own.AcceptUntrusted && !delivered.AcceptUntrusted) return PeerVerdict.Refused("CERTIFICATE_VERIFY_FAILED: verify cert failed: " + refusal);

        var latest = time.GetUtcNow() + VerdictLifetimeMax;
        return PeerVerdict.Believed(identity.NotAfter < latest ? identity.NotAfter : latest, identity with { IsValidated = refusal is null });
    }

    private string? Refusal(X509Certificate2 leaf, CertificateNames names, PeerCertificates peer, string spiffeId)
    {
        if (NameRefusal(names) is { } name) return name;
        if (ChainRefusal(leaf, peer, spiffeId) is { } chain) return chain;
        if (!NamesAccept(own.Names, names) || !NamesAccept(delivered.Names, names)) return $"SAN matcher, certificate SANs are [{string.Join(", ", names.Uris.Concat(names.DnsNames))}]";
        if (requiredName.Length > 0 && !names.HasHost(requiredName)) return $"the certificate is not for {requiredName}";

        return PinsAccept(own, leaf) && PinsAccept(delivered, leaf) ? null : "verify certificate hash";
    }

    // A workload has one identity, spelled one way (SPIFFE X509-SVID §5.2). A certificate with two, or with one that hides a byte, is nobody's.
    private string? NameRefusal(CertificateNames names)
    {
        if (names.HasOddBytes) return "a name in the certificate holds a control character";
        if (!names.Uris.Any(uri => uri.StartsWith("spiffe:", StringComparison.OrdinalIgnoreCase))) return null;
        if (names.Uris.Length > 1) return "the certificate has more than one URI name";
        return Security.SpiffeId.TryParse(names.Uris[0], out _) ? null : "the certificate's SPIFFE id is malformed";
    }

    private string? ChainRefusal(X509Certificate2 leaf, PeerCertificates peer, string spiffeId)
    {
        var roots = Roots(spiffeId);
        var system = own.UseSystemRoots || delivered.UseSystemRoots;
        if (roots is null && !system) return own.RootsByTrustDomain.Count + delivered.RootsByTrustDomain.Count > 0 ? "unknown trust domain" : null;

        // An identity of the mesh is never an authority; servers outside may be their own root.
        if (spiffeId.Length > 0 && leaf.Extensions.OfType<X509BasicConstraintsExtension>().Any(e => e.CertificateAuthority)) return "the certificate is a certificate authority's";
        if (spiffeId.Length > 0 && leaf.Extensions.OfType<X509KeyUsageExtension>().Any(e => (e.KeyUsages & (X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign)) != 0)) return "the certificate may sign others";
        using var chain = new X509Chain();
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = time.GetUtcNow().UtcDateTime;
        chain.ChainPolicy.VerificationTimeIgnored = false;
        chain.ChainPolicy.ApplicationPolicy.Add(new(ofServer ? "1.3.6.1.5.5.7.3.1" : "1.3.6.1.5.5.7.3.2"));
        if (own.AcceptExpired || delivered.AcceptExpired) chain.ChainPolicy.VerificationFlags = X509VerificationFlags.IgnoreNotTimeValid;
        if (roots is not null)
        {
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.AddRange(roots.Certificates.ToArray());
        }
        for (var i = 1; i < peer.Chain.Count; i++) chain.ChainPolicy.ExtraStore.Add(X509CertificateLoader.LoadCertificate(peer.Chain[i].Span));
        if (chain.Build(leaf)) return Revocation(chain.ChainElements, own) ?? Revocation(chain.ChainElements, delivered);

        var status = chain.ChainStatus.FirstOrDefault().Status;
        var depth = Math.Max(chain.ChainElements.Count - 1, 0);
        for (var i = 0; i < chain.ChainElements.Count; i++)
            if (chain.ChainElements[i].ChainElementStatus.Any(each => each.Status == status)) (depth, i) = (i, int.MaxValue - 1);
        // A root that the peer sent along and nobody here believes.
        var stray = 0;
        if (status == X509ChainStatusFlags.PartialChain)
            for (var i = 1; i < peer.Chain.Count; i++)
                if (IsSelfIssued(peer.Chain[i])) (status, stray) = (X509ChainStatusFlags.UntrustedRoot, i);
        if (stray > 0) depth = stray;
        var words = status switch
        {
            X509ChainStatusFlags.NotTimeValid => chain.ChainElements[depth].Certificate.NotBefore.ToUniversalTime() > time.GetUtcNow() ? "certificate is not yet valid" : "certificate has expired",
            X509ChainStatusFlags.UntrustedRoot => depth == 0 ? "self signed certificate" : "self signed certificate in certificate chain",
            X509ChainStatusFlags.PartialChain => "unable to get local issuer certificate",
            _ => status.ToString(),
        };
        return $"X509_verify_cert: certificate verification error at depth {depth}: {words}";
    }

    private static bool IsSelfIssued(ReadOnlyMemory<byte> der)
    {
        using var certificate = X509CertificateLoader.LoadCertificate(der.Span);
        return certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData);
    }

    private string? Revocation(X509ChainElementCollection chain, PeerValidation validation)
    {
        foreach (var pem in validation.CrlsPem)
            if (RevocationLists.Of(pem).Objection(chain, validation.OnlyVerifyLeafCrl, validation.EveryAuthorityNeedsList, time.GetUtcNow()) is var (depth, words))
                return $"X509_verify_cert: certificate verification error at depth {depth}: {words}";
        return null;
    }

    private TrustedRoots? Roots(string spiffeId)
    {
        foreach (var validation in (ReadOnlySpan<PeerValidation>)[own, delivered])
        {
            if (validation.RootsByTrustDomain.IsEmpty) continue;

            var domain = spiffeId.StartsWith("spiffe://", StringComparison.Ordinal) ? spiffeId["spiffe://".Length..].Split('/')[0] : "";
            return validation.RootsByTrustDomain.GetValueOrDefault(domain);
        }
        return own.Roots ?? delivered.Roots;
    }

    private static bool NamesAccept(ImmutableArray<SubjectNameMatch> wanted, CertificateNames names)
    {
        if (wanted.IsEmpty) return true;

        foreach (var want in wanted)
        {
            if (want.Kind is SubjectNameKind.Any or SubjectNameKind.Uri && names.Uris.Any(want.Match.IsMatch)) return true;
            if (want.Kind is SubjectNameKind.Any or SubjectNameKind.Dns && names.DnsNames.Any(want.Match.IsMatch)) return true;
            if (want.Kind is SubjectNameKind.Any or SubjectNameKind.Email && names.Emails.Any(want.Match.IsMatch)) return true;
            if (want.Kind is SubjectNameKind.Any or SubjectNameKind.IpAddress && names.Addresses.Any(a => want.Match.IsMatch(a.ToString()))) return true;
        }
        return false;
    }

    private static bool PinsAccept(PeerValidation validation, X509Certificate2 leaf)
    {
        if (validation.CertificateHashes.IsEmpty && validation.Spki.IsEmpty) return true;

        if (validation.CertificateHashes.Contains(Convert.ToHexStringLower(SHA256.HashData(leaf.RawDataMemory.Span)))) return true;
        return validation.Spki.Contains(Convert.ToBase64String(SHA256.HashData(leaf.PublicKey.ExportSubjectPublicKeyInfo())));
    }

    /// <summary>As RFC 2253 writes it; parts without a value say nothing and are left out.</summary>
    private static string NameOf(X500DistinguishedName name) =>
        string.Join(',', name.Name.Split(", ").Where(part => !part.EndsWith("=\"\"", StringComparison.Ordinal) && !part.EndsWith('=')));

    private static PeerIdentity Identity(X509Certificate2 leaf, CertificateNames names) => new()
    {
        SpiffeId = names.Uris.FirstOrDefault(uri => uri.StartsWith("spiffe://", StringComparison.Ordinal)) ?? "",
        Uris = names.Uris,
        DnsNames = names.DnsNames,
        Subject = NameOf(leaf.SubjectName),
        Issuer = NameOf(leaf.IssuerName),
        Serial = leaf.SerialNumber.ToLowerInvariant(),
        Sha256 = Convert.ToHexStringLower(SHA256.HashData(leaf.RawDataMemory.Span)),
        Der = leaf.RawDataMemory,
        NotBefore = leaf.NotBefore.ToUniversalTime(),
        NotAfter = leaf.NotAfter.ToUniversalTime(),
    };
}

/// <summary>The subject alternative names of a certificate, by kind.</summary>
internal sealed record CertificateNames(ImmutableArray<string> Uris, ImmutableArray<string> DnsNames, ImmutableArray<string> Emails, ImmutableArray<IPAddress> Addresses)
{
    private const string SubjectAlternativeName = "2.5.29.17";

    /// <summary>Some name holds a NUL or another control character, which one reader might take for the name's end.</summary>
    public bool HasOddBytes => Uris.Concat(DnsNames).Concat(Emails).Any(name => name.AsSpan().IndexOfAnyInRange('\0', '\x1F') >= 0 || name.Contains('\x7F', StringComparison.Ordinal));

    public static CertificateNames Read(X509Certificate2 certificate)
    {
        var uris = ImmutableArray.CreateBuilder<string>();
        var dns = ImmutableArray.CreateBuilder<string>();
        var emails = ImmutableArray.CreateBuilder<string>();
        var addresses = ImmutableArray.CreateBuilder<IPAddress>();
        foreach (var extension in certificate.Extensions.Where(e => e.Oid?.Value == SubjectAlternativeName))
        {
            var names = new AsnReader(extension.RawData, AsnEncodingRules.DER).ReadSequence();
            while (names.HasData)
            {
                var tag = names.PeekTag();
                switch (tag.TagClass == TagClass.ContextSpecific ? tag.TagValue : -1)
                {
                    case 1: emails.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, tag)); break;
                    case 2: dns.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, tag)); break;
                    case 6: uris.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, tag)); break;
                    case 7 when names.ReadOctetString(tag) is { Length: 4 or 16 } bytes: addresses.Add(new(bytes)); break;
                    case 7: break;
                    default: names.ReadEncodedValue(); break;
                }
            }
        }
        return new(uris.ToImmutable(), dns.ToImmutable(), emails.ToImmutable(), addresses.ToImmutable());
    }

    /// <summary>Exactly, or by a wildcard that stands for one label.</summary>
    public bool HasHost(string host)
    {
        if (IPAddress.TryParse(host, out var address)) return Addresses.Contains(address);

        foreach (var name in DnsNames)
        {
            if (name.Equals(host, StringComparison.OrdinalIgnoreCase)) return true;

            var dot = host.IndexOf('.', StringComparison.Ordinal);
            if (name.StartsWith("*.", StringComparison.Ordinal) && dot > 0 && name.AsSpan(1).Equals(host.AsSpan(dot), StringComparison.OrdinalIgnoreCase)) return true;
        }
        return false;
    }
}
