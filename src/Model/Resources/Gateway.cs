using System.Collections.Immutable;

namespace Mesh.Model.Resources;

/// <summary>networking.istio.io Gateway: what a gateway pod listens for. Also the inner form of Gateway API listeners and Ingress.</summary>
public sealed class Gateway(ResourceMeta meta) : Resource(meta)
{
    public required LabelSet Selector { get; init; }
    public required ImmutableArray<GatewayServer> Servers { get; init; }

    /// <summary>Names of Services that the gateway's pods belong to; used instead of the selector by Gateway API gateways.</summary>
    public ImmutableArray<string> Services { get; init; } = [];

    /// <summary>What the gateway presents to backends that a BackendTLSPolicy covers; empty for nothing.</summary>
    public string BackendCredential { get; init; } = "";

    public static Gateway Read(ResourceMeta meta, Fields root) => new(meta)
    {
        Selector = root["spec"].Labels("selector"),
        Servers = root["spec"].Each("servers", GatewayServer.Read),
    };
}

public sealed record PortSpec(int Number, string Protocol, string Name, int TargetPort)
{
    public static PortSpec Read(Fields f) => new(f.Int("number"), f.Text("protocol").ToUpperInvariant(), f.Text("name"), f.Int("targetPort"));
}

public sealed record GatewayServer(PortSpec Port, ImmutableArray<string> Hosts, string Bind, string Name, ServerTls? Tls)
{
    public static GatewayServer Read(Fields f) => new(
        PortSpec.Read(f["port"]), [.. f.Texts("hosts").Select(host => host.ToLowerInvariant())], f.Text("bind"), f.Text("name"), f.Maybe("tls", ServerTls.Read));
}

public enum ServerTlsMode { Passthrough, Simple, Mutual, AutoPassthrough, IstioMutual, OptionalMutual }

public sealed record ServerTls(ServerTlsMode Mode)
{
    public bool HttpsRedirect { get; init; }
    public string ServerCertificate { get; init; } = "";
    public string PrivateKey { get; init; } = "";
    public string CaCertificates { get; init; } = "";
    public string CaCrl { get; init; } = "";
    public ImmutableArray<string> CredentialNames { get; init; } = [];
    public string CaCredentialName { get; init; } = "";

    /// <summary>A certificate that proves nothing is let in like none at all (Gateway API: AllowInsecureFallback).</summary>
    public bool AcceptsUntrusted { get; init; }
    public ImmutableArray<string> SubjectAltNames { get; init; } = [];
    public ImmutableArray<string> Spki { get; init; } = [];
    public ImmutableArray<string> Hashes { get; init; } = [];
    public string MinVersion { get; init; } = "";
    public string MaxVersion { get; init; } = "";
    public ImmutableArray<string> CipherSuites { get; init; } = [];
    public ImmutableArray<string> Curves { get; init; } = [];

    public static ServerTls Read(Fields f)
    {
        var names = f.Texts("credentialNames");
        if (names.IsEmpty && f.Text("credentialName") is { Length: > 0 } one) names = [one];
        return new(f.Enum("mode", ServerTlsMode.Passthrough))
        {
            HttpsRedirect = f.Bool("httpsRedirect"),
            ServerCertificate = f.Text("serverCertificate"),
            PrivateKey = f.Text("privateKey"),
            CaCertificates = f.Text("caCertificates"),
            CaCrl = f.Text("caCrl"),
            CredentialNames = names,
            CaCredentialName = f.Text("caCertCredentialName"),
            SubjectAltNames = f.Texts("subjectAltNames"),
            Spki = f.Texts("verifyCertificateSpki"),
            Hashes = f.Texts("verifyCertificateHash"),
            MinVersion = f.Text("minProtocolVersion"),
            MaxVersion = f.Text("maxProtocolVersion"),
            CipherSuites = f.Texts("cipherSuites"),
            Curves = f.Texts("ecdhCurves"),
        };
    }
}
