using System.Text.Json.Nodes;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector;

/// <summary>The template <c>grpc-simple</c>: no proxy at all. gRPC's own xDS client in each container is told where the control plane is, over plain text.</summary>
internal static class GrpcSimpleTemplate
{
    private const string Folder = "/var/lib/grpc/data/";
    private const string Volume = "grpc-io-proxyless-bootstrap";

    public static JsonObject Render(PodFacts pod) => Map(
        ("metadata", Map(("annotations", Map(("sidecar.istio.io/rewriteAppHTTPProbers", "false"))))),
        ("spec", Map(
            ("initContainers", List(Map(
                ("name", "grpc-bootstrap-init"),
                ("image", "busybox:1.28"),
                ("command", Strings(["sh", "-c", Script])),
                ("env", List(
                    FromField("INSTANCE_IP", "status.podIP"), FromField("POD_NAME", "metadata.name"), FromField("POD_NAMESPACE", "metadata.namespace"),
                    Map(("name", "ISTIO_NAMESPACE"), ("value", pod.Text("global", "istioNamespace") + "\n")))),
                ("volumeMounts", List(Mount()))))),
            ("containers", new JsonArray([.. pod.Spec["containers"].Objects().Select(container => (JsonNode)Map(
                ("name", container["name"].Text()),
                ("env", List(
                    Map(("name", "GRPC_XDS_BOOTSTRAP"), ("value", Folder + "bootstrap.json")),
                    Map(("name", "GRPC_GO_LOG_VERBOSITY_LEVEL"), ("value", "99")),
                    Map(("name", "GRPC_GO_LOG_SEVERITY_LEVEL"), ("value", "info")))),
                ("volumeMounts", List(Mount()))))])),
            ("volumes", List(Map(("name", Volume), ("emptyDir", new JsonObject())))))));

    private static JsonObject Mount() => Map(("mountPath", Folder), ("name", Volume));

    private static JsonObject FromField(string name, string path) => Map(("name", name), ("valueFrom", Map(("fieldRef", Map(("fieldPath", path))))));

    private const string Script = """
        NODE_ID="sidecar~${INSTANCE_IP}~${POD_NAME}.${POD_NAMESPACE}~cluster.local"
        SERVER_URI="dns:///istiod.${ISTIO_NAMESPACE}.svc:15010"
        echo '
        {
          "xds_servers": [
            {
              "server_uri": "'${SERVER_URI}'",
              "channel_creds": [{"type": "insecure"}],
              "server_features" : ["xds_v3"]
            }
          ],
          "node": {
            "id": "'${NODE_ID}'",
            "metadata": {
              "GENERATOR": "grpc"
            }
          }
        }' > /var/lib/grpc/data/bootstrap.json
        """;
}
