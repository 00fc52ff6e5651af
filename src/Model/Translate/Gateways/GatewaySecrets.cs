using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Envoy.Extensions.TransportSockets.Tls.V3;
using Google.Protobuf;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>
/// Secrets under their SDS names: <c>kubernetes://name</c> in the gateway's own namespace, <c>kubernetes-gateway://namespace/name</c> where granted,
/// <c>configmap://namespace/name</c> for authorities that stand in a ConfigMap.
/// </summary>
internal static class GatewaySecrets
{
    private const string CaSuffix = "-cacert";

    public static IEnumerable<(string Name, Secret Secret)> All(IEnumerable<string> names, View view)
    {
        foreach (var name in names.Distinct())
            if (Make(name, view) is { } secret) yield return (name, secret);
    }

    /// <summary>The SDS names that a server's TLS settings ask for over the xDS stream.</summary>
    public static IEnumerable<string> Wanted(DownstreamTlsContext context)
    {
        foreach (var certificate in context.CommonTlsContext.TlsCertificateSdsSecretConfigs)
            if (certificate.SdsConfig.Ads is not null) yield return certificate.Name;
        if (context.CommonTlsContext.CombinedValidationContext?.ValidationContextSdsSecretConfig is { SdsConfig.Ads: not null } ca) yield return ca.Name;
    }

    public static Secret? Make(string sdsName, View view)
    {
        var (ns, name) = Locate(sdsName, view.Shape.Namespace);
        var wantsCa = name.EndsWith(CaSuffix, StringComparison.Ordinal);
        if (sdsName.StartsWith("configmap://", StringComparison.Ordinal))
            return wantsCa && view.World.ConfigMap(ns, name[..^CaSuffix.Length]) is { } map && map.Data["ca.crt"] is { } pem ? Ca(sdsName, pem, map.Data["ca.crl"]) : null;
        if (wantsCa)
        {
            if (view.World.Secrets.TryGetValue((ns, name), out var own) && Ca(sdsName, own) is { } dedicated) return dedicated;
            return view.World.Secrets.TryGetValue((ns, name[..^CaSuffix.Length]), out var shared) ? Ca(sdsName, shared) : null;
        }
        return view.World.Secrets.TryGetValue((ns, name), out var secret) ? Certificate(sdsName, secret) ?? Ca(sdsName, secret) : null;
    }

    private static (string Namespace, string Name) Locate(string sdsName, string ownNamespace)
    {
        var rest = sdsName[(sdsName.IndexOf("://", StringComparison.Ordinal) + 3)..];
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? (ownNamespace, rest) : (rest[..slash], rest[(slash + 1)..]);
    }

    private static Secret? Certificate(string sdsName, KubeSecret secret)
    {
        var chain = secret.Data.GetValueOrDefault("tls.crt") ?? secret.Data.GetValueOrDefault("cert");
        var key = secret.Data.GetValueOrDefault("tls.key") ?? secret.Data.GetValueOrDefault("key");
        if (chain is not { Length: > 0 } || key is not { Length: > 0 }) return null;
        var made = new TlsCertificate { CertificateChain = Inline(chain), PrivateKey = Inline(key) };
        if (secret.Data.GetValueOrDefault("tls.ocsp-staple") is { Length: > 0 } staple) made.OcspStaple = Inline(staple);
        return new() { Name = sdsName, TlsCertificate = made };
    }

    private static Secret? Ca(string sdsName, KubeSecret secret)
    {
        var ca = secret.Data.GetValueOrDefault("cacert") ?? secret.Data.GetValueOrDefault("ca.crt");
        if (ca is not { Length: > 0 }) return null;
        var made = new CertificateValidationContext { TrustedCa = Inline(ca) };
        var crl = secret.Data.GetValueOrDefault("crl") ?? secret.Data.GetValueOrDefault("ca.crl");
        if (crl is { Length: > 0 }) made.Crl = Inline(crl);
        return new() { Name = sdsName, ValidationContext = made };
    }

    private static Secret Ca(string sdsName, string pem, string? crl)
    {
        var made = new CertificateValidationContext { TrustedCa = Inline(System.Text.Encoding.UTF8.GetBytes(pem)) };
        if (crl is { Length: > 0 }) made.Crl = Inline(System.Text.Encoding.UTF8.GetBytes(crl));
        return new() { Name = sdsName, ValidationContext = made };
    }

    private static DataSource Inline(byte[] bytes) => new() { InlineBytes = ByteString.CopyFrom(bytes) };
}
