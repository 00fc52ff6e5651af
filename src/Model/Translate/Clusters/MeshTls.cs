using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Envoy.Extensions.TransportSockets.Tls.V3;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>Where certificates come from: <c>default</c> and <c>ROOTCA</c> from the proxy's own agent, gateways' credentials over the xDS stream.</summary>
internal static class MeshTls
{
    // Without the workload's own certificate nothing works, so it is waited for as long as it takes; files that are not there are given up.
    private static readonly ConfigSource Agent = FromSocket(new());
    private static readonly ConfigSource AgentFiles = FromSocket(null);

    private static ConfigSource FromSocket(Google.Protobuf.WellKnownTypes.Duration? patience) => new()
    {
        ApiConfigSource = new()
        {
            ApiType = ApiConfigSource.Types.ApiType.Grpc,
            TransportApiVersion = ApiVersion.V3,
            SetNodeOnFirstMessageOnly = true,
            GrpcServices = { new GrpcService { EnvoyGrpc = new() { ClusterName = "sds-grpc" } } },
        },
        ResourceApiVersion = ApiVersion.V3,
        InitialFetchTimeout = patience,
    };

    private static readonly ConfigSource Stream = new() { Ads = new(), ResourceApiVersion = ApiVersion.V3 };

    public static SdsSecretConfig Certificate { get; } = FromAgent("default");

    public static SdsSecretConfig FromAgent(string name) => new() { Name = name, SdsConfig = name.StartsWith("file-", StringComparison.Ordinal) ? AgentFiles : Agent };

    public static SdsSecretConfig OverAds(string name) => new() { Name = name, SdsConfig = Stream };

    public static CommonTlsContext.Types.CombinedCertificateValidationContext Believing(ImmutableArray<string> names)
    {
        var context = new CertificateValidationContext();
        foreach (var name in names) context.MatchTypedSubjectAltNames.Add(Name(name));
        return new() { DefaultValidationContext = context, ValidationContextSdsSecretConfig = FromAgent("ROOTCA") };
    }

    /// <summary>A name as certificates may carry it: a URI when it looks like one, else a DNS name or URI.</summary>
    public static IEnumerable<SubjectAltNameMatcher> Name(string name)
    {
        var matcher = name.EndsWith('*') && name.Length > 1
            ? new Envoy.Type.Matcher.V3.StringMatcher { Prefix = name[..^1] }
            : Protos.Exact(name);
        yield return new() { SanType = SubjectAltNameMatcher.Types.SanType.Uri, Matcher = matcher };
        if (name.Contains("://", StringComparison.Ordinal)) yield break;
        yield return new() { SanType = SubjectAltNameMatcher.Types.SanType.Dns, Matcher = matcher };
    }

    /// <summary>Versions and ciphers inside the mesh.</summary>
    public static TlsParameters Parameters(MeshConfig mesh)
    {
        var made = new TlsParameters { TlsMinimumProtocolVersion = Version(mesh.MinTlsVersion, TlsParameters.Types.TlsProtocol.Tlsv12), TlsMaximumProtocolVersion = TlsParameters.Types.TlsProtocol.Tlsv13 };
        made.CipherSuites.Add(mesh.MeshCiphers.IsEmpty ? mesh.TlsCiphers : mesh.MeshCiphers);
        made.EcdhCurves.Add(mesh.TlsCurves);
        return made;
    }

    /// <summary>Versions and ciphers toward the outside.</summary>
    public static TlsParameters Defaults(MeshConfig mesh)
    {
        var made = new TlsParameters { TlsMinimumProtocolVersion = Version(mesh.TlsMinVersion, TlsParameters.Types.TlsProtocol.Tlsv12), TlsMaximumProtocolVersion = TlsParameters.Types.TlsProtocol.Tlsv13 };
        made.CipherSuites.Add(mesh.TlsCiphers);
        made.EcdhCurves.Add(mesh.TlsCurves);
        return made;
    }

    public static TlsParameters.Types.TlsProtocol Version(string name, TlsParameters.Types.TlsProtocol absent) => name switch
    {
        "TLSV1_0" => TlsParameters.Types.TlsProtocol.Tlsv10,
        "TLSV1_1" => TlsParameters.Types.TlsProtocol.Tlsv11,
        "TLSV1_2" => TlsParameters.Types.TlsProtocol.Tlsv12,
        "TLSV1_3" => TlsParameters.Types.TlsProtocol.Tlsv13,
        _ => absent,
    };
}
