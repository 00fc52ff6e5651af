using System.Net;
using k8s;
using k8s.Models;
using Mesh.Cli.Frame;

namespace Mesh.Cli.Control;

/// <summary>HTTP to a port inside a pod, through the API server's port-forward: what `kubectl port-forward` does, without a local port.</summary>
internal static class KubeTunnel
{
    private const int ControlPlanePort = 15014;

    /// <returns>Null when there is no kubeconfig.</returns>
    public static HttpMessageHandler? ToControlPlane(Invocation invocation)
    {
        if (Client(invocation) is not { } kube) return null;

        var space = invocation.Text("istioNamespace");
        return Handler(kube, async cancel =>
        {
            var pods = await kube.CoreV1.ListNamespacedPodAsync(space, labelSelector: "app=istiod", cancellationToken: cancel);
            // A replica that is about to end may refuse: any other will do.
            var pod = pods.Items.FirstOrDefault(p => p.Metadata.DeletionTimestamp is null && p.Status?.Phase == "Running")
                ?? throw new ControlPlaneException($"no running pod with the label app=istiod in namespace {space}: is the mesh installed? (`meshctl install`, or -i for another namespace)");
            return (pod.Metadata.Name, space, ControlPlanePort);
        });
    }

    /// <param name="pod">[type/]name[.namespace]; a type is resolved to one of its pods.</param>
    /// <returns>Null when there is no kubeconfig.</returns>
    public static HttpMessageHandler? ToPod(Invocation invocation, string pod, int port)
    {
        if (Client(invocation) is not { } kube) return null;

        return Handler(kube, async cancel =>
        {
            var (type, name, space) = PodName.Parse(pod, invocation.NamespaceOr("default"));
            if (type is "" or "pod" or "pods") return (name, space, port);

            var pods = await kube.CoreV1.ListNamespacedPodAsync(space, cancellationToken: cancel);
            var owned = pods.Items.FirstOrDefault(p => p.Metadata.Name.StartsWith(name + "-", StringComparison.Ordinal) && p.Status?.Phase == "Running")
                ?? throw new ControlPlaneException($"no running pod of {type}/{name} in namespace {space}");
            return (owned.Metadata.Name, space, port);
        });
    }

    private static Kubernetes? Client(Invocation invocation)
    {
        var file = invocation.Text("kubeconfig") is { Length: > 0 } given ? given : invocation.Terminal.Environment("KUBECONFIG") is { Length: > 0 } set ? set.Split(':')[0]
            : Path.Combine(invocation.Terminal.Environment("HOME") ?? "/", ".kube", "config");
        if (!File.Exists(file)) return null;
        try
        {
            return new(KubernetesClientConfiguration.BuildConfigFromConfigFile(file, invocation.Text("context") is { Length: > 0 } context ? context : null));
        }
        catch (k8s.Exceptions.KubeConfigException e)
        {
            throw new ControlPlaneException($"{file}: {e.Message}", e);
        }
    }

    private static SocketsHttpHandler Handler(Kubernetes kube, Func<CancellationToken, Task<(string Pod, string Namespace, int Port)>> find) => new()
    {
        UseProxy = false,
        ConnectCallback = async (_, cancel) =>
        {
            try
            {
                var (pod, space, port) = await find(cancel);
                var socket = await kube.WebSocketNamespacedPodPortForwardAsync(pod, space, [port], "v4.channel.k8s.io", cancellationToken: cancel);
                var demuxer = new StreamDemuxer(socket, StreamType.PortForward);
                demuxer.Start();
                return demuxer.GetStream((byte?)0, (byte?)0);
            }
            catch (k8s.Autorest.HttpOperationException e)
            {
                throw new ControlPlaneException($"the cluster refuses: {(e.Response.StatusCode == HttpStatusCode.Forbidden ? "you may not forward ports to this pod" : e.Response.Content)}", e);
            }
        },
    };
}
