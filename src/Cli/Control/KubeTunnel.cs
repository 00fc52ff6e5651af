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
    public static HttpMessageHandler? ToControlPlane(Invocation invocation) =>
        Streams(invocation, ControlPlane(invocation, ControlPlanePort)) is { } open ? Handler(open) : null;

    /// <param name="pod">[type/]name[.namespace]; a type is resolved to one of its pods.</param>
    /// <returns>Null when there is no kubeconfig.</returns>
    public static HttpMessageHandler? ToPod(Invocation invocation, string pod, int port) =>
        Streams(invocation, Named(pod, invocation.NamespaceOr("default"), port)) is { } open ? Handler(open) : null;

    /// <summary>A pod of the control plane.</summary>
    public static PodChoice ControlPlane(Invocation invocation, int port) => Labelled("app=istiod", invocation.Text("istioNamespace"), port, "is the mesh installed? (`meshctl install`, or -i for another namespace)");

    /// <summary>Any running pod with these labels. A pod that is about to end may refuse: any other will do.</summary>
    public static PodChoice Labelled(string selector, string space, int port, string remedy) => async (kube, cancel) =>
    {
        var pods = await kube.CoreV1.ListNamespacedPodAsync(space, labelSelector: selector, cancellationToken: cancel);
        var pod = pods.Items.FirstOrDefault(p => p.Metadata.DeletionTimestamp is null && p.Status?.Phase == "Running")
            ?? throw new ControlPlaneException($"no running pod with the label {selector} in namespace {space}: {remedy}");
        return (pod.Metadata.Name, space, port);
    };

    public static PodChoice Named(string pod, string defaultSpace, int port) => async (kube, cancel) =>
    {
        var (type, name, space) = PodName.Parse(pod, defaultSpace);
        if (type is "" or "pod" or "pods") return (name, space, port);

        var pods = await kube.CoreV1.ListNamespacedPodAsync(space, cancellationToken: cancel);
        var owned = pods.Items.FirstOrDefault(p => p.Metadata.Name.StartsWith(name + "-", StringComparison.Ordinal) && p.Status?.Phase == "Running")
            ?? throw new ControlPlaneException($"no running pod of {type}/{name} in namespace {space}");
        return (owned.Metadata.Name, space, port);
    };

    /// <returns>Opens one connection each time it is called; null when there is no kubeconfig.</returns>
    public static Func<CancellationToken, Task<Stream>>? Streams(Invocation invocation, PodChoice choose)
    {
        if (Client(invocation) is not { } kube) return null;

        return async cancel =>
        {
            try
            {
                var (pod, space, port) = await choose(kube, cancel);
                var socket = await kube.WebSocketNamespacedPodPortForwardAsync(pod, space, [port], "v4.channel.k8s.io", cancellationToken: cancel);
                var demuxer = new StreamDemuxer(socket, StreamType.PortForward);
                demuxer.Start();
                return demuxer.GetStream((byte?)0, (byte?)0);
            }
            catch (k8s.Autorest.HttpOperationException e)
            {
                throw new ControlPlaneException($"the cluster refuses: {(e.Response.StatusCode == HttpStatusCode.Forbidden ? "you may not forward ports to this pod" : e.Response.Content)}", e);
            }
            catch (HttpRequestException e)
            {
                throw new ControlPlaneException($"the cluster does not answer: {e.Message}", e);
            }
        };
    }

    private static SocketsHttpHandler Handler(Func<CancellationToken, Task<Stream>> open) => new() { UseProxy = false, ConnectCallback = async (_, cancel) => await open(cancel) };

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
}

/// <summary>Which pod, and which of its ports.</summary>
/// <exception cref="ControlPlaneException">There is none; the message says what to do.</exception>
internal delegate Task<(string Pod, string Namespace, int Port)> PodChoice(Kubernetes kube, CancellationToken cancel);
