using Org.BouncyCastle.Asn1;
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
