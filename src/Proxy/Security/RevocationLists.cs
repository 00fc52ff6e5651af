using System.Formats.Asn1;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Security;

/// <summary>
/// Certificate revocation lists (RFC 5280 §5), read once. A list counts when the authority that issued the certificate in question signed it. A list out of date, or
/// signed by somebody else of that name, makes every certificate of its issuer unbelievable, and one that cannot be read makes all so: revocation fails closed.
/// </summary>
internal sealed class RevocationLists
{
    private static readonly ConditionalWeakTable<byte[], RevocationLists> Known = [];

    private readonly List<List> lists = [];
    private readonly bool isBroken;

    private RevocationLists(ReadOnlyMemory<byte> pem)
    {
        var text = Encoding.ASCII.GetString(pem.Span).AsSpan();
        while (PemEncoding.TryFind(text, out var fields))
        {
            if (text[fields.Label] is "X509 CRL" && TryRead(Convert.FromBase64String(text[fields.Base64Data].ToString()), out var list)) lists.Add(list);
            else isBroken = true;
            text = text[fields.Location.End..];
        }
        isBroken |= lists.Count == 0;
    }

    public static RevocationLists Of(ReadOnlyMemory<byte> pem)
    {
        // The bytes of a secret are one array for as long as the secret lives.
        if (System.Runtime.InteropServices.MemoryMarshal.TryGetArray(pem, out var segment) && segment.Array is { } array) return Known.GetValue(array, _ => new(pem));
        return new(pem);
    }

    /// <param name="chain">Verified: each certificate is signed by the next one, the last is a trusted root.</param>
    /// <returns>What stands against believing the chain, and at which of its certificates; null: nothing.</returns>
    public (int Depth, string Words)? Objection(X509ChainElementCollection chain, bool leafOnly, bool everyAuthorityNeedsList, DateTimeOffset now)
    {
        if (isBroken) return (0, "the revocation list cannot be read");
        for (var depth = 0; depth < (leafOnly ? 1 : chain.Count); depth++)
        {
            var certificate = chain[depth].Certificate;
            var issuer = chain[Math.Min(depth + 1, chain.Count - 1)].Certificate;
            var found = false;
            foreach (var list in lists)
            {
                if (!list.Issuer.AsSpan().SequenceEqual(certificate.IssuerName.RawData)) continue;
                if (!IsSigned(list, issuer)) return (depth, "CRL signature failure");
                if (list.NextUpdate is { } next && next < now) return (depth, "CRL has expired");
                if (list.Serials.Contains(new(certificate.SerialNumberBytes.Span, isUnsigned: true, isBigEndian: true))) return (depth, "certificate revoked");
                found = true;
            }
            if (!found && everyAuthorityNeedsList) return (depth, "unable to get certificate CRL");
        }
        return null;
    }

    private static bool IsSigned(List list, X509Certificate2 issuer)
    {
        using var rsa = issuer.GetRSAPublicKey();
        if (rsa is not null) return rsa.VerifyData(list.Signed, list.Signature, list.Hash, RSASignaturePadding.Pkcs1);
        using var ecdsa = issuer.GetECDsaPublicKey();
        return ecdsa is not null && ecdsa.VerifyData(list.Signed, list.Signature, list.Hash, DSASignatureFormat.Rfc3279DerSequence);
    }

    private static bool TryRead(byte[] der, out List list)
    {
        list = null!;
        try
        {
            var whole = new AsnReader(der, AsnEncodingRules.DER).ReadSequence();
            var signed = whole.PeekEncodedValue().ToArray();
            var inner = whole.ReadSequence();
            var hash = HashOf(whole.ReadSequence().ReadObjectIdentifier());
            var signature = whole.ReadBitString(out _);
            if (hash is not { } name) return false;

            if (inner.PeekTag().HasSameClassAndValue(new(UniversalTagNumber.Integer))) inner.ReadInteger();
            inner.ReadSequence();
            var issuer = inner.ReadEncodedValue().ToArray();
            ReadTime(inner);
            DateTimeOffset? next = inner.HasData && IsTime(inner.PeekTag()) ? ReadTime(inner) : null;
            var serials = new HashSet<BigInteger>();
            if (inner.HasData && inner.PeekTag().HasSameClassAndValue(Asn1Tag.Sequence))
                for (var entries = inner.ReadSequence(); entries.HasData;) serials.Add(entries.ReadSequence().ReadInteger());
            // A list for some certificates only, or of changes since another, says less than it seems to.
            if (inner.HasData && HasCriticalExtension(inner.ReadSequence(new(TagClass.ContextSpecific, 0)).ReadSequence())) return false;
            list = new(issuer, next, serials, signed, signature, name);
            return true;
        }
        catch (Exception e) when (e is AsnContentException or FormatException)
        {
            return false;
        }
    }

    private static bool HasCriticalExtension(AsnReader extensions)
    {
        while (extensions.HasData)
        {
            var extension = extensions.ReadSequence();
            extension.ReadObjectIdentifier();
            if (extension.PeekTag().HasSameClassAndValue(Asn1Tag.Boolean) && extension.ReadBoolean()) return true;
        }
        return false;
    }

    private static bool IsTime(Asn1Tag tag) => tag.HasSameClassAndValue(new(UniversalTagNumber.UtcTime)) || tag.HasSameClassAndValue(new(UniversalTagNumber.GeneralizedTime));

    private static DateTimeOffset ReadTime(AsnReader reader) =>
        reader.PeekTag().HasSameClassAndValue(new(UniversalTagNumber.UtcTime)) ? reader.ReadUtcTime() : reader.ReadGeneralizedTime();

    private static HashAlgorithmName? HashOf(string algorithm) => algorithm switch
    {
        "1.2.840.113549.1.1.11" or "1.2.840.10045.4.3.2" => HashAlgorithmName.SHA256,
        "1.2.840.113549.1.1.12" or "1.2.840.10045.4.3.3" => HashAlgorithmName.SHA384,
        "1.2.840.113549.1.1.13" or "1.2.840.10045.4.3.4" => HashAlgorithmName.SHA512,
        _ => null,
    };

    private sealed record List(byte[] Issuer, DateTimeOffset? NextUpdate, HashSet<BigInteger> Serials, byte[] Signed, byte[] Signature, HashAlgorithmName Hash);
}
