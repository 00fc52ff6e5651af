using System.Globalization;
using System.Net;

namespace Mesh.ControlPlane;

/// <summary>
/// What a control plane is told at its start; nothing is read from the environment later. Port numbers are Istio's; port 0 lets the
/// kernel choose, "none" leaves a door closed, so that many can run side by side.
/// </summary>
public sealed record Options
{
    /// <summary>xDS and certificates in plain text; tokens still count.</summary>
    public IPEndPoint? Grpc { get; init; } = new(IPAddress.Loopback, 15010);

    /// <summary>xDS and certificates over TLS: what sidecars use.</summary>
    public IPEndPoint? SecureGrpc { get; init; } = new(IPAddress.Any, 15012);

    /// <summary><c>/ready</c> and <c>/debug</c>.</summary>
    public IPEndPoint? Http { get; init; } = new(IPAddress.Loopback, 8080);

    /// <summary><c>/metrics</c> and <c>/version</c>.</summary>
    public IPEndPoint? Monitoring { get; init; } = new(IPAddress.Any, 15014);

    /// <summary>The webhooks <c>/inject</c> and <c>/validate</c>, over TLS. Null: closed; it needs a cluster.</summary>
    public IPEndPoint? Webhooks { get; init; }

    /// <summary>Works with a cluster. Null: with a folder, or with nothing.</summary>
    public Kube.KubeOptions? Kube { get; init; }

    /// <summary>Folders of Kubernetes YAML in place of an API server; of two resources with one name, the one in the earlier folder counts. Empty: none.</summary>
    public IReadOnlyList<string> Folders { get; init; } = [];

    /// <summary>MeshConfig as a file of YAML. A ConfigMap <c>istio</c> in the root namespace replaces it.</summary>
    public string? MeshFile { get; init; }

    /// <summary>Certificates that the user plugs in: <c>ca-cert.pem</c>, <c>ca-key.pem</c>, <c>cert-chain.pem</c>, <c>root-cert.pem</c>.</summary>
    public string? CaFolder { get; init; }

    /// <summary>Signers of the cluster that sign for workloads. Null: the mesh's own authority does.</summary>
    public Ca.ExternalSigners? External { get; init; }

    /// <summary>Where a self-made root and the key of local tokens are kept. Null: nothing survives a restart.</summary>
    public string? StateFolder { get; init; }

    /// <summary>A Unix socket that hands certificates over SDS to Envoys of this machine that have no agent. Null: none.</summary>
    public string? LocalSds { get; init; }

    /// <summary>Written when all doors are open: one <c>name address</c> a line. For whoever let the kernel choose ports.</summary>
    public string? AddressFile { get; init; }

    /// <summary>What the dashboard asks of readers that are not on this machine. Null: they are turned away.</summary>
    public string? DashboardToken { get; init; }

    /// <summary>Add-ons behind the dashboard's address: prometheus, grafana, kiali, jaeger, each with its URL.</summary>
    public IReadOnlyDictionary<string, string> AddOns { get; init; } = new Dictionary<string, string>();

    /// <summary>Null: what the MeshConfig says.</summary>
    public string? TrustDomain { get; init; }
    public string Namespace { get; init; } = "istio-system";
    public string ClusterId { get; init; } = "Kubernetes";
    public string Revision { get; init; } = "default";

    /// <summary>How long nothing may change before a change is taken up.</summary>
    public TimeSpan DebounceQuiet { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a change waits at most while others follow it.</summary>
    public TimeSpan DebounceMax { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan CertificateLifetime { get; init; } = TimeSpan.FromHours(24);

    /// <summary>A longer wish is cut to this.</summary>
    public TimeSpan CertificateLifetimeMax { get; init; } = TimeSpan.FromDays(90);

    /// <summary>Streams at a time; the next is turned away and tries again elsewhere or later.</summary>
    public int StreamsMax { get; init; } = 10_000;

    public bool IsVerbose { get; init; }

    /// <param name="error">What is wrong with the first bad argument; null when all are good.</param>
    public static Options Parse(IReadOnlyList<string> arguments, out string? error)
    {
        var options = new Options();
        error = null;
        foreach (var (name, value, problem) in Split(arguments))
        {
            if (problem is null && options.With(name, value, out error) is { } next)
            {
                options = next;
                continue;
            }

            error = problem ?? error ?? $"unknown argument {name}; see --help";
            return options;
        }
        if (options is { External: not null, Kube: null }) error = "--k8s-signer and --cert-signer-domain need a cluster (--kube)";
        else if (options.External is { Default: "", Domain: "" }) error = "the signer is missing: --k8s-signer DOMAIN/NAME (K8S_SIGNER), or --cert-signer-domain DOMAIN (CERT_SIGNER_DOMAIN)";
        return options;
    }

    private Options? With(string name, string value, out string? error)
    {
        error = null;
        switch (name)
        {
            case "--grpcAddr" or "--xds": return Address(value, ref error, a => this with { Grpc = a });
            case "--secureGrpcAddr": return Address(value, ref error, a => this with { SecureGrpc = a });
            case "--httpAddr" or "--http": return Address(value, ref error, a => this with { Http = a });
            case "--monitoringAddr": return Address(value, ref error, a => this with { Monitoring = a });
            case "--webhookAddr" or "--httpsAddr": return Address(value, ref error, a => this with { Webhooks = a });
            case "--kube": return value is "false" ? this with { Kube = null } : this with { Kube = Kube ?? new() };
            case "--kubeconfig": return this with { Kube = (Kube ?? new()) with { Kubeconfig = value } };
            case "--native-sidecars": return this with { Kube = (Kube ?? new()) with { NativeSidecars = value } };
            case "--replica": return this with { Kube = (Kube ?? new()) with { Replica = value } };
            // Taken for the sake of manifests that were written for Istio's own control plane.
            case "--log_output_level" or "--domain" or "--keepaliveMaxServerConnectionAge" or "--log_as_json": return this;
            case "--folder": return this with { Folders = [.. Folders, value] };
            case "--meshConfig": return this with { MeshFile = value };
            case "--ca": return this with { CaFolder = value };
            case "--k8s-signer": return this with { External = (External ?? new("", "")) with { Default = value } };
            case "--cert-signer-domain": return this with { External = (External ?? new("", "")) with { Domain = value } };
            case "--state": return this with { StateFolder = value };
            case "--local-sds": return this with { LocalSds = value };
            case "--address-file": return this with { AddressFile = value };
            case "--dashboard-token": return this with { DashboardToken = value };
            case "--addon": return AddOn(value, ref error);
            case "--trust-domain": return this with { TrustDomain = value };
            case "--namespace": return this with { Namespace = value };
            case "--clusterID": return this with { ClusterId = value };
            case "--revision": return this with { Revision = value };
            case "--debounce": return Span(name, value, ref error, s => this with { DebounceQuiet = s });
            case "--debounce-max": return Span(name, value, ref error, s => this with { DebounceMax = s });
            case "--certificate-lifetime": return Span(name, value, ref error, s => this with { CertificateLifetime = s });
            case "--verbose": return this with { IsVerbose = value is not "false" };
            default: return null;
        }
    }

    private static Options? Address(string text, ref string? error, Func<IPEndPoint?, Options> with)
    {
        if (text is "none" or "") return with(null);
        var full = text.StartsWith(':') ? "0.0.0.0" + text : text.StartsWith("localhost:", StringComparison.Ordinal) ? "127.0.0.1" + text[9..] : text;
        if (IPEndPoint.TryParse(full, out var address) && full.Contains(':')) return with(address);

        error = $"\"{text}\" is no address: write 127.0.0.1:15010, :15010 or none";
        return null;
    }

    private Options? AddOn(string text, ref string? error)
    {
        if (text.Split('=', 2) is [{ Length: > 0 } name, var url] && Uri.TryCreate(url, UriKind.Absolute, out _))
            return this with { AddOns = new Dictionary<string, string>(AddOns) { [name] = url } };

        error = $"\"{text}\" is no add-on: write prometheus=http://prometheus:9090";
        return null;
    }

    private static Options? Span(string name, string text, ref string? error, Func<TimeSpan, Options> with)
    {
        if (Model.Resources.Fields.TryDuration(text, out var span) && span >= TimeSpan.Zero) return with(span);

        error = $"{name} {text}: no duration; write 100ms, 2s or 24h";
        return null;
    }

    /// <summary><c>--name value</c>, <c>--name=value</c>, and flags alone.</summary>
    private static IEnumerable<(string Name, string Value, string? Problem)> Split(IReadOnlyList<string> arguments)
    {
        for (var i = 0; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            var equals = argument.IndexOf('=', StringComparison.Ordinal);
            if (!argument.StartsWith("--", StringComparison.Ordinal)) yield return (argument, "", $"unexpected \"{argument}\"");
            else if (equals > 0) yield return (argument[..equals], argument[(equals + 1)..], null);
            else if (argument is "--verbose" or "--kube" or "--log_as_json") yield return (argument, "true", null);
            else if (i + 1 < arguments.Count) yield return (argument, arguments[++i], null);
            else yield return (argument, "", $"{argument} wants a value");
        }
    }

    public const string Help = """
        The control plane: reads configuration, tells proxies, issues certificates.

          mesh-istiod [discovery] [--name value ...]     run
          mesh-istiod token --state DIR --namespace NS --service-account SA [--lifetime 24h]
                                                         a signed identity for a local process

          --kube                   the cluster of the pod's service account, or of the kubeconfig
          --kubeconfig FILE        the cluster that FILE describes
          --webhookAddr ADDRESS    /inject and /validate over TLS; closed unless given
          --native-sidecars MODE   auto, true or false
          --folder DIR             Kubernetes YAML in place of an API server; a changed file takes effect at once; may be repeated, the first counts
          --meshConfig FILE        MeshConfig; a ConfigMap "istio" in the root namespace replaces it
          --grpcAddr ADDRESS       xDS in plain text        127.0.0.1:15010
          --secureGrpcAddr ADDRESS xDS over TLS             0.0.0.0:15012
          --httpAddr ADDRESS       /ready, /debug           127.0.0.1:8080
          --monitoringAddr ADDRESS /metrics, /version       0.0.0.0:15014
          --ca DIR                 ca-cert.pem, ca-key.pem, cert-chain.pem, root-cert.pem of your own
          --k8s-signer NAME        workloads' certificates come from this signer of the cluster (certificates.k8s.io)
          --cert-signer-domain D   workloads may name a signer below this domain (ISTIO_META_CERT_SIGNER)
          --state DIR              where a self-made root and the token key are kept
          --local-sds SOCKET       certificates over SDS for Envoys on this machine
          --dashboard-token TOKEN  what the dashboard asks of readers from other machines
          --addon NAME=URL         prometheus, grafana, kiali or jaeger behind the dashboard's address; may be repeated
          --trust-domain NAME      what MeshConfig says, else cluster.local
          --debounce 100ms --debounce-max 1s --certificate-lifetime 24h --verbose
        An address may be "none" (closed) or have port 0 (the kernel chooses; --address-file FILE tells which).
        """;

    internal static string Show(IPEndPoint address) => string.Create(CultureInfo.InvariantCulture, $"{address}");
}
