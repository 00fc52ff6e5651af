using Mesh.Net.Tls;

namespace Mesh.Proxy.Observe;

/// <summary>TLS versions as OpenSSL, and so Envoy's logs, write them.</summary>
internal static class TlsNames
{
    /// <returns>Null where there is no TLS.</returns>
    public static string? Of(TlsVersion? version) => version switch
    {
        TlsVersion.Tls13 => "TLSv1.3",
        TlsVersion.Tls12 => "TLSv1.2",
        null => null,
        var other => other.ToString(),
    };
}
