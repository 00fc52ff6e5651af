using System.Text.Json.Nodes;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector;

/// <summary>What the proxy mounts: its token, the mesh's root certificate, room to write, and what the user adds.</summary>
internal static class ProxyVolumes
{
    private const string Bootstrap = "sidecar.istio.io/bootstrapOverride";

    public static JsonArray ForSidecar(PodFacts pod)
    {
        List<JsonObject?> volumes =
        [
            .. Common(pod),
            Map(("name", "istio-ca-crl"), ("configMap", Map(
                ("name", PodFacts.FirstNonEmpty(pod.Text("pilot", "crlConfigMapName"), "istio-ca-crl")), ("optional", true)))),
            MtlsCerts(pod),
            .. UserEntries(pod, "sidecar.istio.io/userVolume"),
        ];
        return List([.. volumes]);
    }

    public static JsonArray ForGateway(PodFacts pod) => List([.. Common(pod), MtlsCerts(pod)]);

    public static JsonArray MountsForSidecar(PodFacts pod) => List([.. Mounts(pod, crl: true), .. UserEntries(pod, "sidecar.istio.io/userVolumeMount")]);

    public static JsonArray MountsForGateway(PodFacts pod) => List([.. Mounts(pod, crl: false)]);

    private static IEnumerable<JsonObject?> Common(PodFacts pod) =>
    [
        Empty("workload-socket"),
        Empty("credential-socket"),
        Gke(pod) ? Map(("name", "gke-workload-certificate"), ("csi", Map(("driver", "workloadcertificates.security.cloud.google.com")))) : Empty("workload-certs"),
        pod.Annotations.TryGetValue(Bootstrap, out var configMap) ? Map(("name", "custom-bootstrap-volume"), ("configMap", Map(("name", configMap)))) : null,
        Map(("name", "istio-envoy"), ("emptyDir", Map(("medium", "Memory")))),
        Empty("istio-data"),
        Map(("name", "istio-podinfo"), ("downwardAPI", Map(("items", List(
            Map(("path", "labels"), ("fieldRef", Map(("fieldPath", "metadata.labels")))),
            Map(("path", "annotations"), ("fieldRef", Map(("fieldPath", "metadata.annotations"))))))))),
        Map(("name", "istio-token"), ("projected", Map(("sources", List(Map(("serviceAccountToken", Map(
            ("path", "istio-token"), ("expirationSeconds", 43200), ("audience", pod.Text("global", "sds", "token", "aud")))))))))),
        FromIstiod(pod) ? RootCertificate(pod) : null,
    ];

    private static IEnumerable<JsonObject?> Mounts(PodFacts pod, bool crl) =>
    [
        Mount("workload-socket", "/var/run/secrets/workload-spiffe-uds"),
        Mount("credential-socket", "/var/run/secrets/credential-uds"),
        Gke(pod) ? Mount("gke-workload-certificate", "/var/run/secrets/workload-spiffe-credentials", readOnly: true)
            : Mount("workload-certs", "/var/run/secrets/workload-spiffe-credentials"),
        FromIstiod(pod) ? Mount("istiod-ca-cert", "/var/run/secrets/istio") : null,
        FromIstiod(pod) && crl ? Mount("istio-ca-crl", "/var/run/secrets/istio/crl") : null,
        Mount("istio-data", "/var/lib/istio/data"),
        pod.Annotations.ContainsKey(Bootstrap) ? Mount("custom-bootstrap-volume", "/etc/istio/custom-bootstrap") : null,
        Mount("istio-envoy", "/etc/istio/proxy"),
        Mount("istio-token", "/var/run/secrets/tokens"),
        MtlsMounted(pod) ? Mount("istio-certs", "/etc/certs/", readOnly: true) : null,
        Mount("istio-podinfo", "/etc/istio/pod"),
    ];

    private static JsonObject RootCertificate(PodFacts pod)
    {
        var bundle = pod.Text("global", "trustBundleName");
        if (pod.Value("pilot", "env", "ENABLE_CLUSTER_TRUST_BUNDLE_API").IsTrue())
            return Map(("name", "istiod-ca-cert"), ("projected", Map(("sources", List(Map(("clusterTrustBundle", Map(
                ("name", "istio.io:istiod-ca:" + PodFacts.FirstNonEmpty(bundle, "root-cert")), ("path", "root-cert.pem")))))))));
        return Map(("name", "istiod-ca-cert"), ("configMap", Map(("name", PodFacts.FirstNonEmpty(bundle, "istio-ca-root-cert")))));
    }

    private static JsonObject? MtlsCerts(PodFacts pod)
    {
        if (!MtlsMounted(pod)) return null;
        var account = PodFacts.FirstNonEmpty(pod.Spec["serviceAccountName"].Text(), "default");
        return Map(("name", "istio-certs"), ("secret", Map(("optional", true), ("secretName", "istio." + account))));
    }

    /// <summary>The annotation maps a name to its volume or mount; AnnotationRules has seen to its shape.</summary>
    private static IEnumerable<JsonObject> UserEntries(PodFacts pod, string annotation)
    {
        if (!pod.Annotations.TryGetValue(annotation, out var text) || JsonReading.TryParse(text) is not JsonObject entries) yield break;
        foreach (var (name, entry) in entries.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            var named = Map(("name", name));
            foreach (var (key, value) in (JsonObject)entry!) named[key] = value?.DeepClone();
            yield return named;
        }
    }

    private static JsonObject Empty(string name) => Map(("name", name), ("emptyDir", new JsonObject()));
    private static bool Gke(PodFacts pod) => pod.Text("global", "caName") == "GkeWorkloadCertificate";
    private static bool FromIstiod(PodFacts pod) => pod.Text("global", "pilotCertProvider") == "istiod";
    private static bool MtlsMounted(PodFacts pod) => pod.Value("global", "mountMtlsCerts").IsTrue();
}
