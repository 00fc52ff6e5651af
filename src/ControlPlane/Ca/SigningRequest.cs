using Org.BouncyCastle.Asn1;
using Org.BouncyCastle.Asn1.Pkcs;
using Org.BouncyCastle.Asn1.X509;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.OpenSsl;
using Org.BouncyCastle.Pkcs;

namespace Mesh.ControlPlane.Ca;

/// <summary>A certificate request from somebody who may be hostile: of all it says, only a public key that it proves to own is taken.</summary>
internal static class SigningRequest
{
    // A request with an RSA-8192 key is under 3 KiB.
    private const int CharsMax = 16 * 1024;
    private const int RsaBitsMin = 2048, RsaBitsMax = 8192;

    /// <returns>Null and a sentence when the request cannot be taken.</returns>
    public static AsymmetricKeyParameter? ReadKey(string pem, out string problem)
    {
        if (pem.Length > CharsMax)
        {
            problem = $"the CSR is larger than {CharsMax / 1024} KiB";
            return null;
        }

        try
        {
            using var reader = new PemReader(new StringReader(pem));
            if (reader.ReadObject() is not Pkcs10CertificationRequest request)
            {
                problem = "no PEM block CERTIFICATE REQUEST";
                return null;
            }

            var key = request.GetPublicKey();
            problem = Weakness(key) ?? (request.Verify() ? "" : "the CSR is not signed by its own key");
            return problem.Length == 0 ? key : null;
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or ArgumentException or Asn1Exception or PemException
            or Org.BouncyCastle.Security.GeneralSecurityException or CryptoException or FormatException or ArithmeticException)
        {
            problem = "the CSR cannot be read: " + e.Message;
            return null;
        }
    }

    /// <summary>
    /// The request as it may be shown to a signer who copies what it says: it asks for the identity and for nothing else, in no second reading.
    /// </summary>
    /// <returns>Null and a sentence when it asks for more or for less.</returns>
    public static string? ForSigner(string pem, string identity, out string problem)
    {
        using var reader = new PemReader(new StringReader(pem));
        var request = (Pkcs10CertificationRequest)reader.ReadObject(); // ReadKey has taken it
        var info = request.GetCertificationRequestInfo();
        problem = SubjectExcess(info.Subject) ?? AttributeExcess(info.Attributes, identity) ?? "";
        // Written anew: of the text that came, nothing but the request is passed on.
        return problem.Length == 0 ? System.Security.Cryptography.PemEncoding.WriteString("CERTIFICATE REQUEST", request.GetDerEncoded()) : null;
    }

    // A signer of the API server's own clients reads users and groups there.
    private static string? SubjectExcess(X509Name subject) =>
        subject.GetValueList().All(value => value.Length == 0) ? null : $"the CSR names a subject (\"{subject}\"); the identity is a URI and nothing else";

    private static string? AttributeExcess(Asn1Set? attributes, string identity)
    {
        if (attributes is not { Count: 1 } || AttributePkcs.GetInstance(attributes[0]) is not { AttrValues.Count: 1 } only || !only.AttrType.Equals(PkcsObjectIdentifiers.Pkcs9AtExtensionRequest))
            return "the CSR must carry the attribute extensionRequest once and no other";

        var extensions = X509Extensions.GetInstance(only.AttrValues[0]);
        foreach (var id in extensions.GetExtensionOids())
            if (ExtensionExcess(id, extensions.GetExtensionParsedValue(id), identity) is { } excess) return excess;
        return extensions.GetExtension(X509Extensions.SubjectAlternativeName) is null ? $"the CSR does not name {identity}" : null;
    }

    private static string? ExtensionExcess(DerObjectIdentifier id, Asn1Object value, string identity)
    {
        if (id.Equals(X509Extensions.SubjectAlternativeName))
            return GeneralNames.GetInstance(value).GetNames() is [{ TagNo: GeneralName.UniformResourceIdentifier } name] && name.Name.ToString() == identity
                ? null : $"the CSR names another than {identity}, or more than it";
        if (id.Equals(X509Extensions.BasicConstraints)) return BasicConstraints.GetInstance(value).IsCA() ? "the CSR asks for an authority's certificate" : null;
        if (id.Equals(X509Extensions.KeyUsage))
            return (KeyUsage.GetInstance(value).IntValue & (KeyUsage.KeyCertSign | KeyUsage.CrlSign)) != 0 ? "the CSR asks to sign other certificates" : null;
        if (id.Equals(X509Extensions.ExtendedKeyUsage))
            return ExtendedKeyUsage.GetInstance(value).GetAllUsages().All(usage => usage.Equals(KeyPurposeID.id_kp_serverAuth) || usage.Equals(KeyPurposeID.id_kp_clientAuth))
                ? null : "the CSR asks for a use that is neither server's nor client's";
        return id.Equals(X509Extensions.SubjectKeyIdentifier) ? null : $"the CSR asks for extension {id}";
    }

    private static string? Weakness(AsymmetricKeyParameter key) => key switch
    {
        RsaKeyParameters rsa when rsa.Modulus.BitLength < RsaBitsMin => $"RSA keys need {RsaBitsMin} bits or more",
        RsaKeyParameters rsa when rsa.Modulus.BitLength > RsaBitsMax => $"RSA keys have {RsaBitsMax} bits or fewer",
        RsaKeyParameters => null,
        ECPublicKeyParameters ec when ec.Parameters.Curve.FieldSize is 256 or 384 or 521 => null,
        ECPublicKeyParameters => "the curve must be P-256, P-384 or P-521",
        _ => "the key must be RSA or ECDSA",
    };
}
