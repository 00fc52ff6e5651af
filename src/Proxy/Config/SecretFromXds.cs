using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Envoy.Extensions.TransportSockets.Tls.V3;
using static Mesh.Proxy.Config.ValuesFromXds;
using Proto = Envoy.Extensions.TransportSockets.Tls.V3;

namespace Mesh.Proxy.Config;

/// <summary>Certificates, keys and roots. A pair that does not match or a bundle without a root is refused, so that the last good one stays.</summary>
internal static class SecretFromXds
{
    private const int PemBytesMax = 1024 * 1024;

    public static Secret Read(Proto.Secret proto) => proto.TypeCase switch
    {
        Proto.Secret.TypeOneofCase.TlsCertificate => In("tls_certificate", proto.TlsCertificate, certificate => Certificate(proto.Name, certificate)),
        Proto.Secret.TypeOneofCase.ValidationContext => new TrustSecret(
            proto.Name, In("validation_context", proto.ValidationContext, Validation) ?? throw new ConfigRefusedException("validation_context", "is empty")),
        Proto.Secret.TypeOneofCase.SessionTicketKeys => new TicketKeysSecret(proto.Name),
        var other => throw new ConfigRefusedException($"a secret of kind {other} is not supported"),
    };

    public static CertificateSecret Certificate(string name, TlsCertificate proto)
    {
        if (proto.PrivateKeyProvider is not null) throw new ConfigRefusedException("private_key_provider", "is not supported");
        var secret = In("", proto, p => Certificate(name, Bytes(p.CertificateChain), Bytes(p.PrivateKey)));
        return secret with { OcspStaple = Bytes(proto.OcspStaple) };
    }

    /// <summary>Checks that chain and key belong together.</summary>
    public static CertificateSecret Certificate(string name, ReadOnlyMemory<byte> chainPem, ReadOnlyMemory<byte> keyPem)
    {
        if (chainPem.IsEmpty || keyPem.IsEmpty) throw new ConfigRefusedException("certificate_chain and private_key must both be given");
        if (chainPem.Length > PemBytesMax) throw new ConfigRefusedException("certificate_chain", $"is longer than {PemBytesMax} bytes");
        try
        {
            using var leaf = X509Certificate2.CreateFromPem(Encoding.ASCII.GetString(chainPem.Span), Encoding.ASCII.GetString(keyPem.Span));
            return new(name, chainPem, keyPem, leaf.NotBefore.ToUniversalTime(), leaf.NotAfter.ToUniversalTime(), leaf.SerialNumber.ToLowerInvariant());
        }
        catch (CryptographicException e)
        {
            throw new ConfigRefusedException("certificate_chain", $"certificate and key cannot be used together: {e.Message}", e);
        }
    }

    public static PeerValidation? Validation(CertificateValidationContext? proto)
    {
        if (proto is null) return null;
        if (proto.CustomValidatorConfig is { } custom && TypeOf(custom.TypedConfig) != "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig")
            throw new ConfigRefusedException("custom_validator_config", $"'{TypeOf(custom.TypedConfig)}' is not supported");

        var typed = Each("match_typed_subject_alt_names", proto.MatchTypedSubjectAltNames, name => new SubjectNameMatch(name.SanType switch
        {
            SubjectAltNameMatcher.Types.SanType.Dns => SubjectNameKind.Dns,
            SubjectAltNameMatcher.Types.SanType.Uri => SubjectNameKind.Uri,
            SubjectAltNameMatcher.Types.SanType.Email => SubjectNameKind.Email,
            SubjectAltNameMatcher.Types.SanType.IpAddress => SubjectNameKind.IpAddress,
            SubjectAltNameMatcher.Types.SanType.Unspecified => SubjectNameKind.Any,
            var other => throw new ConfigRefusedException($"names of kind {other} are not supported"),
        }, In("matcher", name.Matcher, MatchersFromXds.Text)));
        var any = Each("match_subject_alt_names", proto.MatchSubjectAltNames, matcher => new SubjectNameMatch(SubjectNameKind.Any, MatchersFromXds.Text(matcher)));

        var roots = Bytes(proto.TrustedCa);
        var crls = Bytes(proto.Crl);
        return new()
        {
            Roots = roots.IsEmpty ? null : In("trusted_ca", roots, Roots),
            UseSystemRoots = proto.SystemRootCerts is not null,
            RootsByTrustDomain = proto.CustomValidatorConfig is null ? ImmutableDictionary<string, TrustedRoots>.Empty : ByTrustDomain(proto.CustomValidatorConfig.TypedConfig),
            Names = [.. typed, .. any],
            CertificateHashes = [.. proto.VerifyCertificateHash.Select(hash => hash.Replace(":", "", StringComparison.Ordinal).ToLowerInvariant())],
            Spki = [.. proto.VerifyCertificateSpki],
            CrlsPem = crls.IsEmpty ? [] : [crls],
            OnlyVerifyLeafCrl = proto.OnlyVerifyLeafCertCrl,
            AcceptExpired = proto.AllowExpiredCertificate,
            AcceptUntrusted = proto.TrustChainVerification == CertificateValidationContext.Types.TrustChainVerification.AcceptUntrusted,
            ChainDepthMax = proto.MaxVerifyDepth,
        };
    }

    public static TrustedRoots Roots(ReadOnlyMemory<byte> pem)
    {
        if (pem.Length > PemBytesMax) throw new ConfigRefusedException($"is longer than {PemBytesMax} bytes");
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(Encoding.ASCII.GetString(pem.Span));
        }
        catch (CryptographicException e)
        {
            throw new ConfigRefusedException("", $"is not a list of certificates: {e.Message}", e);
        }
        if (certificates.Count == 0) throw new ConfigRefusedException("holds no certificate");
        return new(pem, [.. certificates]);
    }

    private static ImmutableDictionary<string, TrustedRoots> ByTrustDomain(Google.Protobuf.WellKnownTypes.Any config) =>
        Unpack(config, SPIFFECertValidatorConfig.Parser).TrustDomains
            .ToImmutableDictionary(domain => domain.Name, domain => In($"trust_domains[{domain.Name}]", Bytes(domain.TrustBundle), Roots), StringComparer.Ordinal);
}
