using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Envoy.Extensions.TransportSockets.Tls.V3;
using Google.Protobuf.WellKnownTypes;
using Mesh.Model.Resources;
using Mesh.Model.World;
using Proto = Envoy.Config.Cluster.V3;

namespace Mesh.Model.Translate;

/// <summary>How a client secures its connections to one cluster: what the rule says, else mutual TLS wherever the endpoint can.</summary>
internal static class ClusterTls
{
    public const string SocketName = "envoy.transport_sockets.tls";

    public static void Apply(Proto.Cluster cluster, UpstreamHttp http, TrafficPolicy policy, ClusterInputs inputs)
    {
        if (policy.Tls is { } written)
        {
            Written(cluster, http, written, inputs);
            return;
        }
        if (!inputs.Mesh.AutoMutualTls || inputs.Service.IsExternal || inputs.NamespaceMode == MutualTlsMode.Disable) return;

        var socket = Protos.Socket(SocketName, Mutual(http, inputs, [], ""));
        if (cluster.ClusterDiscoveryTypeCase == Proto.Cluster.ClusterDiscoveryTypeOneofCase.Type && cluster.Type == Proto.Cluster.Types.DiscoveryType.OriginalDst)
        {
            // No endpoint can be marked here, so all must be able to.
            if (inputs.CallersHeadless) cluster.TransportSocket = socket;
            return;
        }
        cluster.TransportSocketMatches.Add(new Proto.Cluster.Types.TransportSocketMatch
        {
            Name = "tlsMode-istio",
            Match = Protos.Struct(("tlsMode", Value.ForString("istio"))),
            TransportSocket = socket,
        });
        cluster.TransportSocketMatches.Add(new Proto.Cluster.Types.TransportSocketMatch
        {
            Name = "tlsMode-disabled",
            Match = new(),
            TransportSocket = Protos.Socket("envoy.transport_sockets.raw_buffer", new Envoy.Extensions.TransportSockets.RawBuffer.V3.RawBuffer()),
        });
    }

    private static void Written(Proto.Cluster cluster, UpstreamHttp http, ClientTls tls, ClusterInputs inputs)
    {
        switch (tls.Mode)
        {
            case ClientTlsMode.Disable:
                return;
            case ClientTlsMode.IstioMutual:
                cluster.TransportSocket = Protos.Socket(SocketName, Mutual(http, inputs, tls.SubjectAltNames, tls.Sni));
                return;
            default:
                var sans = tls.SubjectAltNames.IsEmpty ? inputs.Service.SubjectAltNames : tls.SubjectAltNames;
                cluster.TransportSocket = Protos.Socket(SocketName, Plain(http, tls, sans, inputs));
                if (!http.IsHttp2 && !inputs.Port.Protocol.IsHttpOrAuto()) return;
                var options = new UpstreamHttpProtocolOptions();
                if (tls.Sni.Length == 0) options.AutoSni = true;
                if (sans.IsEmpty && tls.InsecureSkipVerify != true) options.AutoSanValidation = true;
                if (!options.Equals(new())) http.Written().UpstreamHttpProtocolOptions = options;
                return;
        }
    }

    private static UpstreamTlsContext Mutual(UpstreamHttp http, ClusterInputs inputs, ImmutableArray<string> sans, string sni)
    {
        var names = sans.IsEmpty ? Identities(inputs) : sans;
        var common = new CommonTlsContext
        {
            TlsParams = MeshTls.Parameters(inputs.Mesh),
            TlsCertificateSdsSecretConfigs = { MeshTls.Certificate },
            CombinedValidationContext = MeshTls.Believing(names),
        };
        if (inputs.Client.HasIstioFilters) common.AlpnProtocols.Add("istio-peer-exchange");
        if (inputs.Client.HasIstioFilters || !inputs.Port.Protocol.IsHttp()) common.AlpnProtocols.Add("istio");
        else common.AlpnProtocols.Add(http.IsHttp2 ? ["istio-h2", "istio", "h2"] : ["istio-http/1.1", "istio", "http/1.1"]);
        if (inputs.Client.HasIstioFilters && http.IsHttp2) common.AlpnProtocols.Add("h2");
        return new() { CommonTlsContext = common, Sni = sni.Length > 0 ? sni : Names.Sni(inputs.Port.Number, inputs.SubsetName, inputs.Service.Host) };
    }

    private static UpstreamTlsContext Plain(UpstreamHttp http, ClientTls tls, ImmutableArray<string> sans, ClusterInputs inputs)
    {
        var common = new CommonTlsContext { TlsParams = MeshTls.Defaults(inputs.Mesh) };
        if (http.IsHttp2) common.AlpnProtocols.Add("h2");
        var names = new CertificateValidationContext();
        names.MatchTypedSubjectAltNames.Add(sans.Select(MeshTls.Name).SelectMany(any => any));

        var byName = tls.CredentialName.Length > 0 && (inputs.Client.IsGateway || inputs.Rule?.Selector is not null);
        if (byName)
        {
            var name = CredentialOf(tls);
            if (tls.Mode == ClientTlsMode.Mutual) common.TlsCertificateSdsSecretConfigs.Add(MeshTls.OverAds(name));
            if (tls.InsecureSkipVerify == true) common.ValidationContext = names;
            else common.CombinedValidationContext = new() { DefaultValidationContext = names, ValidationContextSdsSecretConfig = MeshTls.OverAds($"{name}-cacert") };
        }
        else
        {
            if (tls.Mode == ClientTlsMode.Mutual)
                common.TlsCertificateSdsSecretConfigs.Add(MeshTls.FromAgent($"file-cert:{tls.ClientCertificate}~{tls.PrivateKey}"));
            if (tls.InsecureSkipVerify == true) common.ValidationContext = new();
            else common.CombinedValidationContext = new()
            {
                DefaultValidationContext = names,
                ValidationContextSdsSecretConfig = MeshTls.FromAgent($"file-root:{(tls.CaCertificates.Length > 0 ? tls.CaCertificates : "system")}"),
            };
        }
        if (tls.TakesGatewayCertificate && inputs.Client.BackendCredential.Length > 0)
            common.TlsCertificateSdsSecretConfigs.Add(MeshTls.OverAds(inputs.Client.BackendCredential));
        return new() { CommonTlsContext = common, Sni = tls.Sni };
    }

    /// <summary>The SDS names that one setting makes a gateway's clusters ask for over the xDS stream.</summary>
    public static IEnumerable<string> Credentials(ClientTls tls, ClientKind client)
    {
        if (tls.Mode is not (ClientTlsMode.Simple or ClientTlsMode.Mutual)) yield break;
        if (tls.TakesGatewayCertificate && client.BackendCredential.Length > 0) yield return client.BackendCredential;
        if (tls.CredentialName.Length == 0) yield break;
        if (tls.Mode == ClientTlsMode.Mutual) yield return CredentialOf(tls);
        if (tls.InsecureSkipVerify != true) yield return $"{CredentialOf(tls)}-cacert";
    }

    /// <summary>Only what the Gateway API granted reaches into another namespace; a rule that somebody wrote does not.</summary>
    private static string CredentialOf(ClientTls tls) => GatewayTls.Qualified(tls.CredentialName, mayLeaveHome: tls.TakesGatewayCertificate);

    /// <summary>The accounts behind the service in every trust domain that is believed, and the names a ServiceEntry gives.</summary>
    private static ImmutableArray<string> Identities(ClusterInputs inputs)
    {
        var names = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var account in inputs.Accounts)
        {
            var slash = account.IndexOf('/', StringComparison.Ordinal);
            foreach (var domain in (IEnumerable<string>)[inputs.Mesh.TrustDomain, .. inputs.Mesh.TrustDomainAliases])
                names.Add($"spiffe://{domain}/ns/{account[..slash]}/sa/{account[(slash + 1)..]}");
        }
        names.UnionWith(inputs.Service.SubjectAltNames);
        return [.. names];
    }
}
