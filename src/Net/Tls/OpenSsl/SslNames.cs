using System.Text;

namespace Mesh.Net.Tls.OpenSsl;

/// <summary>The few names every handshake ends with, without making a new string each time.</summary>
internal static unsafe class SslNames
{
    private static readonly string[] Known =
    [
        "h2", "http/1.1", "http/1.0", "istio", "istio-peer-exchange", "istio-h2", "istio-http/1.1", "istio-http/1.0", "hbone",
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    ];

    internal static string Shared(byte* text) =>
        text is null ? "" : Shared(System.Runtime.InteropServices.MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));

    internal static string Shared(ReadOnlySpan<byte> text)
    {
        foreach (var known in Known)
        {
            if (Ascii.Equals(text, known)) return known;
        }

        return Encoding.ASCII.GetString(text);
    }
}
