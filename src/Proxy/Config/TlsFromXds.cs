using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Envoy.Extensions.TransportSockets.Tls.V3;
using Mesh.Net.Tls;
using static Mesh.Proxy.Config.ValuesFromXds;

namespace Mesh.Proxy.Config;

/// <summary>Transport sockets: TLS or plain, and the wrappers around them.</summary>
internal static class TlsFromXds
{
    /// <summary>The agent's name for the roots of the operating system.</summary>
    private const string SystemRootsName = "file-root:system";

    public static DownstreamTls? Downstream(TransportSocket? socket)
    {
        if (socket is null) return null;
        switch (TypeOf(socket.TypedConfig))
        {
            case "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer":
                return null;
            case "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext":
                var proto = Unpack(socket.TypedConfig, DownstreamTlsContext.Parser);
                var tls = Common(new DownstreamTls
                {
                    RequireClientCertificate = proto.RequireClientCertificate ?? false,
                    RequireSni = proto.RequireSni ?? false,
                    ResumesSessions = !proto.DisableStatelessSessionResumption,
                    OcspMustStaple = proto.OcspStaplePolicy == DownstreamTlsContext.Types.OcspStaplePolicy.MustStaple,
                }, proto.CommonTlsContext);
                return tls.CertificateNames.IsEmpty && tls.Certificates.IsEmpty ? throw new ConfigRefusedException("common_tls_context", "a server needs a certificate") : tls;
            case var type:
                throw new ConfigRefusedException("typed_config", $"transport socket '{type}' is not supported");
        }
    }

    /// <summary>Null is plaintext. The proxy protocol and internal sockets are unwrapped; <see cref="ProxyProtocolOf"/> reads the former.</summary>
    public static UpstreamTls? Upstream(TransportSocket? socket)
    {
        if (socket is null) return null;
        switch (TypeOf(socket.TypedConfig))
        {
            case "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer" or "":
                return null;
            case "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext":
                var proto = Unpack(socket.TypedConfig, UpstreamTlsContext.Parser);
                if (proto.Sni.AsSpan().IndexOfAnyInRange('\0', ' ') >= 0) throw new ConfigRefusedException("sni", "holds a control character or a blank");
                return Common(new UpstreamTls { Sni = proto.Sni, AllowRenegotiation = false }, proto.CommonTlsContext);
            case "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport":
                return Upstream(Unpack(socket.TypedConfig, Envoy.Extensions.TransportSockets.InternalUpstream.V3.InternalUpstreamTransport.Parser).TransportSocket);
            case "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport":
                return Upstream(Unpack(socket.TypedConfig, Envoy.Extensions.TransportSockets.ProxyProtocol.V3.ProxyProtocolUpstreamTransport.Parser).TransportSocket);
            case var type:
                throw new ConfigRefusedException("typed_config", $"transport socket '{type}' is not supported");
        }
    }

    public static ProxyProtocolVersion ProxyProtocolOf(TransportSocket? socket)
    {
        if (TypeOf(socket?.TypedConfig) != "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport") return ProxyProtocolVersion.None;
        var config = Unpack(socket!.TypedConfig, Envoy.Extensions.TransportSockets.ProxyProtocol.V3.ProxyProtocolUpstreamTransport.Parser).Config;
        return config?.Version == ProxyProtocolConfig.Types.Version.V2 ? ProxyProtocolVersion.V2 : ProxyProtocolVersion.V1;
    }

    private static T Common<T>(T tls, CommonTlsContext? proto) where T : TlsContext
    {
        if (proto is null) return tls;
        if (proto.CustomHandshaker is not null) throw new ConfigRefusedException("common_tls_context.custom_handshaker", "is not supported");

        var (validationName, validation) = In("common_tls_context", proto, Validation);
        return tls with
        {
            VersionMin = Version(proto.TlsParams?.TlsMinimumProtocolVersion ?? 0, TlsVersion.Tls12),
            VersionMax = Version(proto.TlsParams?.TlsMaximumProtocolVersion ?? 0, TlsVersion.Tls13),
            CipherSuites = proto.TlsParams is null ? [] : [.. proto.TlsParams.CipherSuites],
            Curves = proto.TlsParams is null ? [] : [.. proto.TlsParams.EcdhCurves],
            Alpn = [.. proto.AlpnProtocols],
            CertificateNames = [.. proto.TlsCertificateSdsSecretConfigs.Select(secret => secret.Name)],
            Certificates = Each("common_tls_context.tls_certificates", proto.TlsCertificates, certificate => SecretFromXds.Certificate("", certificate)),
            ValidationName = validationName,
            Validation = validation,
        };
    }

    private static (string Name, PeerValidation? Validation) Validation(CommonTlsContext proto)
    {
        var (name, validation) = proto.ValidationContextTypeCase switch
        {
            CommonTlsContext.ValidationContextTypeOneofCase.ValidationContext => ("", In("validation_context", proto.ValidationContext, SecretFromXds.Validation)),
            CommonTlsContext.ValidationContextTypeOneofCase.ValidationContextSdsSecretConfig => (proto.ValidationContextSdsSecretConfig.Name, null),
            CommonTlsContext.ValidationContextTypeOneofCase.CombinedValidationContext => (
                proto.CombinedValidationContext.ValidationContextSdsSecretConfig?.Name ?? "",
                In("combined_validation_context.default_validation_context", proto.CombinedValidationContext.DefaultValidationContext, SecretFromXds.Validation)),
            _ => ("", null),
        };
        return name == SystemRootsName ? ("", (validation ?? new PeerValidation()) with { UseSystemRoots = true }) : (name, validation);
    }

    // Versions below 1.2 are not offered whatever was asked for.
    private static TlsVersion Version(TlsParameters.Types.TlsProtocol version, TlsVersion automatic) => version switch
    {
        TlsParameters.Types.TlsProtocol.Tlsv13 => TlsVersion.Tls13,
        TlsParameters.Types.TlsProtocol.TlsAuto => automatic,
        _ => TlsVersion.Tls12,
    };
}
