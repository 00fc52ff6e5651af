using System.Text.Json.Nodes;
using Mesh.ControlPlane.Ca;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Yaml;

namespace Mesh.ControlPlane.Kube;

/// <summary>What must be known of a cluster before any door opens: the way to it, the mesh's trust domain, and the authority all replicas share.</summary>
internal sealed class ClusterStart(KubeApi api, SigningMaterial? material)
{
    private const string PluggedFolder = "/etc/cacerts";

    public KubeApi Api { get; } = api;

    public CertificateAuthority? Authority(Options options, TimeProvider time) =>
        material is null ? null : new(material, options.CertificateLifetime, options.CertificateLifetimeMax, time);

    /// <returns>Null when the cluster cannot be used; the log has said why.</returns>
    public static async Task<(Options Options, ClusterStart? Start)> OpenAsync(Options options, TimeProvider time, CancellationToken stop)
    {
        using var logs = LoggerFactory.Create(logging => logging.AddSimpleConsole(console => console.SingleLine = true));
        var log = logs.CreateLogger<ClusterStart>();
        try
        {
            var api = KubeApi.Connect(options.Kube!.Kubeconfig);
            options = options with { TrustDomain = await TrustDomainAsync(api, options, stop) };
            var folder = options.CaFolder ?? (File.Exists(Path.Combine(PluggedFolder, "ca-key.pem")) || File.Exists(Path.Combine(PluggedFolder, "tls.key")) ? PluggedFolder : null);
            if (folder is not null) return (options with { CaFolder = folder }, new(api, null));

            return (options, new(api, await KubeAuthority.MaterialAsync(api, options.Namespace, options.TrustDomain ?? "cluster.local", time, log, stop)));
        }
        catch (Exception e) when (e is KubeConfigException or InvalidDataException)
        {
            log.LogCritical("cannot work with the cluster: {Reason}", e.Message);
            return (options, null);
        }
        catch (OperationCanceledException)
        {
            return (options, null);
        }
    }

    private static async Task<string?> TrustDomainAsync(KubeApi api, Options options, CancellationToken stop)
    {
        var name = options.Revision is "default" or "" ? "istio" : $"istio-{options.Revision}";
        var answer = await api.GetAsync(KubeKinds.ConfigMap, options.Namespace, name, stop);
        var text = answer.Body.At("data", "mesh").Text();
        try
        {
            return text is null ? options.TrustDomain : YamlJson.Read(text).At("trustDomain").Text() ?? options.TrustDomain;
        }
        catch (FormatException)
        {
            return options.TrustDomain; // the feed says what is wrong with it
        }
    }
}
