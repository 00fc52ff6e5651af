using Mesh.Cli.Control;
using Mesh.Cli.Describing;
using Mesh.Cli.Frame;
using Mesh.Cli.Local;
using Mesh.Injector;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl describe pod|service</c>: what the mesh does with it, from files, from the mesh that runs on this machine, or from the cluster.</summary>
internal static class Describe
{
    private static readonly IReadOnlyList<Flag> Flags =
    [
        Flag.Switch("ignoreUnmeshed", "Suppress warnings for unmeshed pods"),
        Flag.Many("filename", "files or folders to look at in place of a cluster", 'f'),
        Flag.Text("meshConfigFile", "MeshConfig that goes with the files"),
    ];

    public static Command Command { get; } = new("describe", "Describe resource and related Istio configuration")
    {
        Aliases = ["des"],
        Arguments = "pod|service",
        Run = (invocation, _) =>
        {
            if (invocation.Arguments.Count > 0) return Task.FromResult(Outcome.Failed($"unknown resource type \"{invocation.First}\""));
            Help.Write(invocation.Command, invocation.Path, invocation.Out);
            return Task.FromResult(Outcome.Fine);
        },
        Commands =
        [
            new("pod", "Describe pods and their Istio configuration")
            {
                Aliases = ["po"],
                Arguments = "<pod>",
                Example = "meshctl describe pod productpage-v1-c7765c886-7zzd4\nmeshctl describe pod deploy/reviews.bookinfo",
                Flags = Flags,
                Run = (invocation, cancel) => RunAsync(invocation, "pod", Pod, cancel),
            },
            new("service", "Describe services and their Istio configuration")
            {
                Aliases = ["svc"],
                Arguments = "<svc>",
                Example = "meshctl describe service productpage\nmeshctl describe service backend.demo -f samples/demo",
                Flags = Flags,
                Run = (invocation, cancel) => RunAsync(invocation, "service", Service, cancel),
            },
        ],
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, string what, Func<Invocation, Picture, Outcome> tell, CancellationToken cancel)
    {
        if (invocation.Arguments.Count != 1)
        {
            if (what == "service") Help.Write(invocation.Command, invocation.Path, invocation.Error);
            return Outcome.Failed($"expecting {what} name");
        }
        var files = invocation.All("filename");
        if (files.Count == 0 && !invocation.IsGiven("kubeconfig") && !invocation.IsGiven("context") && LocalRegistry.YamlFolder() is { } folder) files = [folder];
        if (files.Count > 0)
        {
            var mesh = invocation.Text("meshConfigFile") is { Length: > 0 } file ? await File.ReadAllTextAsync(file, cancel) : null;
            var (written, unreadable) = Picture.OfFiles(files, mesh);
            return written is null ? Outcome.Failed(unreadable!) : tell(invocation, written);
        }
        if (ClusterAccess.Open(invocation, out var problem) is not { } cluster) return problem;

        using var api = cluster;
        var (picture, trouble) = await Picture.OfClusterAsync(api, invocation.Text("istioNamespace"), "", cancel);
        return picture is null ? Outcome.Failed(trouble!) : tell(invocation, picture);
    }

    private static Outcome Pod(Invocation invocation, Picture picture)
    {
        var home = invocation.NamespaceOr("default");
        var (type, name, space) = PodName.Parse(invocation.First, home);
        var pod = type is "" or "pod" or "po" or "pods" ? picture.Pod(space, name) : picture.PodOf(space, name);
        if (pod is null) return Outcome.Failed($"pods \"{name}\" not found in namespace {space}");

        new PodDescription(picture, home, invocation.Out, invocation.Is("ignoreUnmeshed")).Pod(pod);
        return Outcome.Fine;
    }

    private static Outcome Service(Invocation invocation, Picture picture)
    {
        var home = invocation.NamespaceOr("default");
        var (_, name, space) = PodName.Parse(invocation.First, home);
        if (picture.Service(space, name) is not { } service) return Outcome.Failed($"services \"{name}\" not found in namespace {space}");

        new PodDescription(picture, home, invocation.Out, invocation.Is("ignoreUnmeshed")).Service(service);
        return Outcome.Fine;
    }
}
