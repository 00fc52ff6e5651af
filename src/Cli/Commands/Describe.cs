using System.Globalization;
using Mesh.Cli.Control;
using Mesh.Cli.Describing;
using Mesh.Cli.Frame;
using Mesh.Cli.Local;
using Mesh.Injector;
using Mesh.Model.Resources;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl describe pod|service|egress</c>: what the mesh does with it, from files, from the mesh that runs on this machine, or from the cluster.</summary>
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
        Arguments = "pod|service|egress",
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
            new("egress", "Tell how a call to an external name would leave the mesh, or what refuses it")
            {
                Arguments = "<host>[:<port>]",
                Example = "meshctl describe egress api.example.com:443 -n shop\nmeshctl describe egress api.example.com -n shop --labels app=web -f my-folder",
                Flags = [.. Flags, Flag.Text("labels", "labels of the calling workload, for Sidecars and rules that ask for them: a=b,c=d", 'l')],
                Run = (invocation, cancel) => RunAsync(invocation, "host", Egress, cancel),
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

    private static Outcome Egress(Invocation invocation, Picture picture)
    {
        var (host, colon) = (invocation.First.ToLowerInvariant().TrimEnd('.'), invocation.First.LastIndexOf(':'));
        int? port = null;
        if (colon >= 0)
        {
            if (!int.TryParse(host[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number is < 1 or > 65535)
                return Outcome.Failed($"\"{invocation.First}\": a port is a number from 1 to 65535");
            (host, port) = (host[..colon], number);
        }
        if (host.Length == 0 || host.Contains('/', StringComparison.Ordinal)) return Outcome.Failed($"\"{invocation.First}\": expecting a host name, without scheme and path");

        var labels = new List<KeyValuePair<string, string>>();
        foreach (var pair in (invocation.Text("labels") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            if (pair.Split('=') is not [var key, var value]) return Outcome.Failed($"--labels \"{pair}\": expecting key=value");
            labels.Add(new(key.Trim(), value.Trim()));
        }
        EgressDescription.Write(picture, invocation.NamespaceOr("default"), LabelSet.Of(labels), host, port, invocation.Out);
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
