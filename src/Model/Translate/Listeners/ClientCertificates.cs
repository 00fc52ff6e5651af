using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>X-Forwarded-Client-Cert: whether one from the caller is believed, and what is said of the certificate on this connection.</summary>
internal static class ClientCertificates
{
    public static void Apply(HttpConnectionManager manager, ProxyHeaders? headers, HttpConnectionManager.Types.ForwardClientCertDetails absent)
    {
        manager.ForwardClientCertDetails = Named(headers?.ForwardedClientCert, absent);
        var details = headers?.SetCurrentClientCertDetails ?? default;
        if (manager.ForwardClientCertDetails is HttpConnectionManager.Types.ForwardClientCertDetails.AppendForward
            or HttpConnectionManager.Types.ForwardClientCertDetails.SanitizeSet)
            manager.SetCurrentClientCertDetails = new()
            {
                Subject = details.Bool("subject", true),
                Uri = details.Bool("uri", true),
                Dns = details.Bool("dns", true),
                Cert = details.Bool("cert"),
                Chain = details.Bool("chain"),
            };
    }

    public static HttpConnectionManager.Types.ForwardClientCertDetails Named(string? name, HttpConnectionManager.Types.ForwardClientCertDetails absent) => name switch
    {
        "SANITIZE" => HttpConnectionManager.Types.ForwardClientCertDetails.Sanitize,
        "FORWARD_ONLY" => HttpConnectionManager.Types.ForwardClientCertDetails.ForwardOnly,
        "APPEND_FORWARD" => HttpConnectionManager.Types.ForwardClientCertDetails.AppendForward,
        "SANITIZE_SET" => HttpConnectionManager.Types.ForwardClientCertDetails.SanitizeSet,
        "ALWAYS_FORWARD_ONLY" => HttpConnectionManager.Types.ForwardClientCertDetails.AlwaysForwardOnly,
        _ => absent,
    };
}
