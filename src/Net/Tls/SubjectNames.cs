using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Mesh.Net.Tls;

/// <summary>The subject alternative names of a certificate, read from its DER.</summary>
public static class SubjectNames
{
    private const string SubjectAlternativeName = "2.5.29.17";
    private const int Email = 1, Dns = 2, Uri = 6, Ip = 7;

    /// <returns>Kind and text of every e-mail, DNS, URI and IP name; empty when there are none or they cannot be read.</returns>
    public static IReadOnlyList<(PeerNameKind Kind, string Text)> Read(ReadOnlyMemory<byte> certificateDer)
    {
        try
        {
            using var certificate = X509CertificateLoader.LoadCertificate(certificateDer.Span);
            foreach (var extension in certificate.Extensions)
            {
                if (extension.Oid?.Value == SubjectAlternativeName) return ReadExtension(extension.RawData);
            }
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            // Unreadable names are no names: whoever needs one refuses the peer.
        }

        return [];
    }

    /// <summary>Is one of the wanted among the certificate's names? A wildcard in the certificate stands for exactly one first label.</summary>
    public static bool Matches(IReadOnlyList<(PeerNameKind Kind, string Text)> names, IReadOnlyCollection<string> wanted)
    {
        foreach (var (kind, text) in names)
        {
            foreach (var want in wanted)
            {
                if (kind == PeerNameKind.Dns ? MatchesDns(text, want) : text == want) return true;
            }
        }

        return false;
    }

    private static bool MatchesDns(string name, string wanted)
    {
        if (!name.StartsWith("*.", StringComparison.Ordinal)) return string.Equals(name, wanted, StringComparison.OrdinalIgnoreCase);

        var dot = wanted.IndexOf('.', StringComparison.Ordinal);
        return dot > 0 && wanted.AsSpan(dot).Equals(name.AsSpan(1), StringComparison.OrdinalIgnoreCase);
    }

    private static List<(PeerNameKind Kind, string Text)> ReadExtension(byte[] der)
    {
        var names = new List<(PeerNameKind, string)>();
        var sequence = new AsnReader(der, AsnEncodingRules.DER).ReadSequence();
        while (sequence.HasData)
        {
            var tag = sequence.PeekTag();
            var context = new Asn1Tag(TagClass.ContextSpecific, tag.TagValue);
            switch (tag.TagValue)
            {
                case Dns or Uri or Email:
                    var text = Encoding.Latin1.GetString(PrimitiveValue(sequence));
                    names.Add((tag.TagValue switch { Dns => PeerNameKind.Dns, Uri => PeerNameKind.Uri, _ => PeerNameKind.Email }, text));
                    break;
                case Ip:
                    var address = sequence.ReadOctetString(context);
                    if (address.Length is 4 or 16) names.Add((PeerNameKind.Ip, new IPAddress(address).ToString()));
                    break;
                default:
                    sequence.ReadEncodedValue();
                    break;
            }
        }

        return names;
    }

    private static byte[] PrimitiveValue(AsnReader sequence) =>
        sequence.ReadOctetString(new Asn1Tag(TagClass.ContextSpecific, sequence.PeekTag().TagValue));
}

public enum PeerNameKind { Dns, Uri, Ip, Email }
