using Envoy.Extensions.TransportSockets.Tls.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>What a gateway's TLS server presents, and whom it asks for a certificate.</summary>
internal static class GatewayTls
{
    private const string Kubernetes = "kubernetes://";
    private const string Granted = "kubernetes-gateway://";

    public static DownstreamTlsContext Build(BoundServer server, ServerTls tls, MeshConfig mesh)
    {
        var common = new CommonTlsContext { TlsParams = Parameters(tls, mesh) };
        common.AlpnProtocols.Add(["h2", "http/1.1"]);
        var context = new DownstreamTlsContext { CommonTlsContext = common, RequireClientCertificate = tls.Mode is ServerTlsMode.Mutual or ServerTlsMode.IstioMutual };
        if (tls.Mode == ServerTlsMode.IstioMutual)
        {
            common.AlpnProtocols.Clear();
            common.AlpnProtocols.Add(server.IsHttp ? ["h2", "http/1.1"] : ["istio-peer-exchange", "h2", "http/1.1"]);
            common.TlsCertificateSdsSecretConfigs.Add(MeshTls.Certificate);
            common.CombinedValidationContext = MeshTls.Believing(tls.SubjectAltNames);
            return context;
        }

        string Name(string credential) => Qualified(credential, mayLeaveHome: !server.Gateway.Services.IsEmpty);
        if (tls.CredentialNames.IsEmpty) FromFiles(common, tls);
        else
            foreach (var name in tls.CredentialNames) common.TlsCertificateSdsSecretConfigs.Add(name == ApiTls.BuiltIn ? MeshTls.Certificate : MeshTls.OverAds(Name(name)));
        if (tls.Mode is not (ServerTlsMode.Mutual or ServerTlsMode.OptionalMutual)) return context;

        var names = new CertificateValidationContext();
        if (tls.AcceptsUntrusted) names.TrustChainVerification = CertificateValidationContext.Types.TrustChainVerification.AcceptUntrusted;
        foreach (var name in tls.SubjectAltNames) names.MatchTypedSubjectAltNames.Add(MeshTls.Name(name));
        names.VerifyCertificateHash.Add(tls.Hashes);
        names.VerifyCertificateSpki.Add(tls.Spki);
        var ca = tls.CaCredentialName.Length > 0 ? Name(tls.CaCredentialName)
            : tls.CredentialNames.IsEmpty ? $"file-root:{tls.CaCertificates}"
            : $"{Name(tls.CredentialNames[0])}-cacert";
        common.CombinedValidationContext = new()
        {
            DefaultValidationContext = names,
            ValidationContextSdsSecretConfig = tls.CredentialNames.IsEmpty ? MeshTls.FromAgent(ca) : MeshTls.OverAds(ca),
        };
        return context;
    }

    /// <param name="mayLeaveHome">True for names that the Gateway API granted: a name that somebody wrote never reaches into another namespace.</param>
    public static string Qualified(string name, bool mayLeaveHome) =>
        name.StartsWith(Granted, StringComparison.Ordinal) ? mayLeaveHome ? name : Kubernetes + name
        : name.Contains("://", StringComparison.Ordinal) ? name : Kubernetes + name;

    private static void FromFiles(CommonTlsContext common, ServerTls tls)
    {
        if (tls.ServerCertificate.Length > 0)
            common.TlsCertificateSdsSecretConfigs.Add(MeshTls.FromAgent($"file-cert:{tls.ServerCertificate}~{tls.PrivateKey}"));
    }

    private static TlsParameters Parameters(ServerTls tls, MeshConfig mesh)
    {
        var made = new TlsParameters
        {
            TlsMinimumProtocolVersion = MeshTls.Version(tls.MinVersion, MeshTls.Version(mesh.TlsMinVersion, TlsParameters.Types.TlsProtocol.Tlsv12)),
            TlsMaximumProtocolVersion = MeshTls.Version(tls.MaxVersion, TlsParameters.Types.TlsProtocol.TlsAuto),
        };
        made.CipherSuites.Add(tls.CipherSuites.IsEmpty ? mesh.TlsCiphers : tls.CipherSuites);
        made.EcdhCurves.Add(tls.Curves.IsEmpty ? mesh.TlsCurves : tls.Curves);
        return made;
    }
}
