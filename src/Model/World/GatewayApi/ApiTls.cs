using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>What a listener presents and whom it asks for a certificate, with every reference followed and every certificate read.</summary>
internal static class ApiTls
{
    private const string TerminateOption = "gateway.istio.io/tls-terminate-mode";
    private const string CipherOption = "gateway.istio.io/tls-cipher-suites";
    private const int CertificatesMax = 2;

    /// <summary>The gateway's own mesh certificate in place of one from a Secret.</summary>
    public const string BuiltIn = "builtin://";

    // A secret is read once for each version of it, and judged once.
    private static readonly ConditionalWeakTable<KubeSecret, string> Judged = [];

    /// <param name="broken">What is wrong with a reference; its type is ResolvedRefs.</param>
    /// <returns>Null where the listener has no TLS.</returns>
    public static ServerTls? Of(BoundListener bound, ApiInputs inputs, out ApiCondition? broken)
    {
        broken = null;
        var listener = bound.Listener;
        if (listener.Protocol is not ("HTTPS" or "TLS")) return null;
        if (listener.Tls is not { } tls)
        {
            broken = Refuse("InvalidCertificateRef", $"protocol is {listener.Protocol} but no TLS section is defined");
            return null;
        }
        if (tls.Mode == "Passthrough")
            return new(JoinsNetworks(bound.Owner.Meta.Labels, listener.Port, tls) ? ServerTlsMode.AutoPassthrough : ServerTlsMode.Passthrough);

        var option = tls.Options[TerminateOption];
        if (option == "ISTIO_MUTUAL") return new(ServerTlsMode.IstioMutual);
        if (option == "ISTIO_SIMPLE") return new(ServerTlsMode.Simple) { CredentialNames = [BuiltIn] };
        if (tls.Certificates.Length > CertificatesMax)
        {
            broken = Refuse("InvalidCertificateRef", "TLS mode can only support up to 2 server certificates");
            return null;
        }
        var names = ImmutableArray.CreateBuilder<string>();
        foreach (var reference in tls.Certificates)
            if (Certificate(bound, reference, inputs, ref broken) is { } name) names.Add(name);
        if (names.Count == 0) broken ??= Refuse("InvalidCertificateRef", "a certificateRef is required to terminate TLS");
        else broken = null; // one good certificate serves

        var validation = bound.Parent.FrontendOf(listener.Port) ?? (tls.FrontendCas.IsEmpty ? null : new FrontendValidation(tls.FrontendCas, false));
        var ca = validation is { Cas.IsEmpty: false } && broken is null ? Authority(bound, validation, inputs, ref broken) : "";
        return new(option switch
        {
            "MUTUAL" => ServerTlsMode.Mutual,
            "OPTIONAL_MUTUAL" => ServerTlsMode.OptionalMutual,
            _ => ca.Length == 0 ? ServerTlsMode.Simple : validation!.AllowsInsecure ? ServerTlsMode.OptionalMutual : ServerTlsMode.Mutual,
        })
        {
            CredentialNames = names.ToImmutable(),
            CaCredentialName = ca,
            AcceptsUntrusted = ca.Length > 0 && validation!.AllowsInsecure && option is null,
            CipherSuites = [.. (tls.Options[CipherOption] ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)],
        };
    }

    /// <summary>The condition of a gateway's own certificate toward backends; null when it names none, or a good one.</summary>
    public static ApiCondition? ClientCertificate(ApiGateway gateway, ApiInputs inputs)
    {
        if (gateway.ClientCertificate is not { } reference) return null;
        if (reference.Group.Length > 0 || reference.Kind != "Secret")
            return Refuse("InvalidClientCertificateRef", $"invalid clientCertificateRef {Text(reference)}, only secret is allowed");
        var ns = reference.Namespace.Length > 0 ? reference.Namespace : gateway.Namespace;
        if (!inputs.IsGranted("Gateway", gateway.Namespace, "", "Secret", ns, reference.Name))
            return Refuse("RefNotPermitted", $"clientCertificateRef {reference.Name}/{ns} not accessible to a Gateway in namespace \"{gateway.Namespace}\" (missing a ReferenceGrant?)");
        if (inputs.Secret(ns, reference.Name) is not { } secret)
            return Refuse("InvalidClientCertificateRef", $"invalid clientCertificateRef {Text(reference)}, secret {ns}/{reference.Name} not found");
        return Fault(secret) is { Length: > 0 } fault ? Refuse("InvalidClientCertificateRef", $"invalid clientCertificateRef {Text(reference)}, {fault}") : null;
    }

    /// <summary>The name of the gateway's own certificate toward backends; empty without a good one.</summary>
    public static string ClientCredential(ApiGateway gateway, ApiInputs inputs) =>
        gateway.ClientCertificate is { } reference && ClientCertificate(gateway, inputs) is null
            ? $"kubernetes-gateway://{(reference.Namespace.Length > 0 ? reference.Namespace : gateway.Namespace)}/{reference.Name}" : "";

    /// <summary>What is wrong with a bundle of authorities; null for a good one.</summary>
    public static string? BundleFault(string? pem)
    {
        if (pem is null) return "it has no key ca.crt";
        try
        {
            var all = new X509Certificate2Collection();
            all.ImportFromPem(pem);
            foreach (var one in all) one.Dispose();
            return all.Count == 0 ? "the bundle is malformed" : null;
        }
        catch (CryptographicException)
        {
            return "the bundle is malformed";
        }
    }

    private static string? Certificate(BoundListener bound, SecretRef reference, ApiInputs inputs, ref ApiCondition? broken)
    {
        var ns = reference.Namespace.Length > 0 ? reference.Namespace : bound.Owner.Namespace;
        var from = bound.Owner is ApiGateway ? "Gateway" : "ListenerSet";
        // Whether it is there is no business of somebody who may not use it: the grant is asked first.
        if (!inputs.IsGranted(from, bound.Owner.Namespace, "", "Secret", ns, reference.Name))
            broken ??= Refuse("RefNotPermitted", $"certificateRef {reference.Name}/{ns} not accessible to a Gateway in namespace \"{bound.Owner.Namespace}\" (missing a ReferenceGrant?)");
        else if (reference.Group is not ("" or "core") || reference.Kind != "Secret")
            broken ??= Refuse("InvalidCertificateRef", $"invalid certificate reference {Text(reference)}, only secret is allowed");
        else if (inputs.Secret(ns, reference.Name) is not { } secret)
            broken ??= Refuse("InvalidCertificateRef", $"invalid certificate reference {Text(reference)}, secret {ns}/{reference.Name} not found");
        else if (Fault(secret) is { Length: > 0 } fault)
            broken ??= Refuse("InvalidCertificateRef", $"invalid certificate reference {Text(reference)}, {fault}");
        else return $"kubernetes-gateway://{ns}/{reference.Name}";
        return null;
    }

    private static string Authority(BoundListener bound, FrontendValidation validation, ApiInputs inputs, ref ApiCondition? broken)
    {
        if (validation.Cas.Length > 1)
        {
            broken = Refuse("InvalidCACertificateRef", "only one caCertificateRef is supported");
            return "";
        }
        var reference = validation.Cas[0];
        var ns = reference.Namespace.Length > 0 ? reference.Namespace : bound.Owner.Namespace;
        var from = bound.Owner is ApiGateway ? "Gateway" : "ListenerSet";
        if (reference.Group is not ("" or "core") || reference.Kind is not ("ConfigMap" or "Secret"))
            broken = Refuse("InvalidCACertificateKind", $"invalid CA certificate reference {Text(reference)}, only secret and configmap are allowed");
        else if (!inputs.IsGranted(from, bound.Owner.Namespace, "", reference.Kind, ns, reference.Name))
            broken = Refuse("RefNotPermitted", $"caCertificateRef {ns}/{reference.Name} not accessible to a Gateway in namespace \"{bound.Owner.Namespace}\" (missing a ReferenceGrant?)");
        else
        {
            var isMap = reference.Kind == "ConfigMap";
            var map = isMap ? inputs.ConfigMap(ns, reference.Name) : null;
            var secret = isMap ? null : inputs.Secret(ns, reference.Name);
            if (map is null && secret is null)
                broken = Refuse("InvalidCACertificateRef", $"invalid CA certificate reference {Text(reference)}, {reference.Kind.ToLowerInvariant()} {ns}/{reference.Name} not found");
            else if (BundleFault(map is not null ? map.Data["ca.crt"] : PemOf(secret!, "ca.crt", "cacert")) is { } fault)
                broken = Refuse("InvalidCACertificateRef", $"invalid CA certificate reference {Text(reference)}, {fault}");
            else return $"{(isMap ? "configmap" : "kubernetes-gateway")}://{ns}/{reference.Name}-cacert";
        }
        return "";
    }

    /// <summary>Empty for a certificate and key that belong together.</summary>
    private static string Fault(KubeSecret secret) => Judged.GetValue(secret, static one =>
    {
        if (PemOf(one, "tls.crt", "cert") is not { } chain || PemOf(one, "tls.key", "key") is not { } key)
            return $"found secret, but didn't have expected keys (cert and key) or (tls.crt and tls.key); found: {string.Join(", ", one.Data.Keys)}";
        try
        {
            using var certificate = X509Certificate2.CreateFromPem(chain, key);
            return "";
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return $"the certificate is malformed: {e.Message}";
        }
    });

    private static string? PemOf(KubeSecret secret, params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys)
            if (secret.Data.TryGetValue(key, out var bytes)) return Encoding.ASCII.GetString(bytes);
        return null;
    }

    /// <summary>An east-west gateway's port, by its option or by the labels of the network that it stands in.</summary>
    private static bool JoinsNetworks(LabelSet labels, int port, ListenerTls tls) =>
        tls.Options["gateway.istio.io/listener-protocol"] == "auto-passthrough"
        || labels["topology.istio.io/network"] is not null && $"{port}" == (labels["networking.istio.io/gatewayPort"] ?? "15443");

    private static ApiCondition Refuse(string reason, string message) => new("ResolvedRefs", false, reason, message);

    private static string Text(SecretRef reference) => $"{reference.Group}/{reference.Kind}/{reference.Name}.{reference.Namespace}";
}
