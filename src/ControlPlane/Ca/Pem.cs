using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.OpenSsl;
using Org.BouncyCastle.X509;

namespace Mesh.ControlPlane.Ca;

/// <summary>PEM texts to objects and back.</summary>
internal static class Pem
{
    public static string Write(object item)
    {
        using var text = new StringWriter();
        using (var writer = new PemWriter(text)) writer.WriteObject(item);
        return text.ToString();
    }

    public static IReadOnlyList<X509Certificate> Certificates(string pem) => [.. Objects(pem).OfType<X509Certificate>()];

    /// <summary>A private key in PKCS#8, PKCS#1 or SEC1 form; null when there is none.</summary>
    public static AsymmetricKeyParameter? PrivateKey(string pem)
    {
        foreach (var item in Objects(pem))
        {
            if (item is AsymmetricCipherKeyPair pair) return pair.Private;
            if (item is AsymmetricKeyParameter { IsPrivate: true } key) return key;
        }
        return null;
    }

    /// <summary>Everything the text holds, read as it is asked for.</summary>
    public static IEnumerable<object> Objects(string pem)
    {
        using var reader = new PemReader(new StringReader(pem));
        while (reader.ReadObject() is { } item) yield return item;
    }
}
