using Mesh.Cli.Frame;
using Mesh.Cli.Manifests;
using Mesh.Cli.Output;
using Mesh.Injector;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl install</c> and <c>upgrade</c>: the same act; upgrade wants something to be there.</summary>
internal static class Install
{
    private static readonly IReadOnlyList<Flag> Flags =
    [
        .. ManifestCommand.SpecFlags,
        Flag.Switch("skip-confirmation", "do not ask", 'y'),
        Flag.Switch("dry-run", "ask the cluster, change nothing"),
        Flag.Switch("wait", "wait until everything is ready", on: true),
        Flag.Switch("verify", "taken for compatibility: installing verifies") with { Hidden = true },
        Flag.Duration("readiness-timeout", "how long to wait", "300s"),
    ];

    public static Command Command { get; } = new("install", "Applies an Istio manifest, installing or reconfiguring Istio on a cluster.")
    {
        Aliases = ["apply"],
        Example = "meshctl install --set profile=demo -y\nmeshctl install -f my-mesh.yaml --revision canary",
        Flags = Flags,
        Run = (invocation, cancel) => RunAsync(invocation, "installed", cancel),
    };

    public static Command Upgrade { get; } = new("upgrade", "Upgrade Istio control plane in-place")
    {
        Example = "meshctl upgrade -y",
        Flags = Flags,
        Run = (invocation, cancel) => RunAsync(invocation, "upgraded", cancel),
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, string done, CancellationToken cancel)
    {
        if (ManifestCommand.Spec(invocation, out var problem) is not { } spec || ManifestCommand.Components(spec, out problem) is not { } components) return problem;
        if (ClusterAccess.Open(invocation, out problem) is not { } cluster) return problem;

        using var api = cluster;
        var revision = spec.IsDefaultRevision ? "default" : spec.Revision;
        var dryRun = invocation.Is("dry-run");
        using var lines = new ProgressLines(invocation.Terminal);
        var installer = new Installer(api, invocation.Terminal.Time, lines.Live);

        if (done == "upgraded")
        {
            var (found, trouble) = await installer.OwnedAsync($"{Manifest.ComponentLabel}=Pilot,{Manifest.RevisionLabel}={revision}", [Kube.KubeKinds.Deployment], cancel);
            if (trouble is not null) return Outcome.Failed(trouble);
            if (found.Count == 0) return Outcome.Failed($"there is no control plane of revision {revision} to upgrade; install one with `meshctl install{(spec.IsDefaultRevision ? "" : $" --revision {revision}")}`");
        }
        if (!dryRun && !invocation.Is("skip-confirmation")
            && !Confirmation.Ask(invocation, $"This will install the mesh {Api(api)} with profile \"{spec.Spec["profile"].Text()}\" into namespace {spec.Namespace}{(spec.IsDefaultRevision ? "" : $" as revision {revision}")}. Proceed? (y/N) "))
            return Outcome.Failed("cancelled; nothing was changed");

        if (components.Count > 0 && !dryRun && await installer.NamespaceAsync(spec.Namespace, cancel) is { } refused) return Outcome.Failed(refused);
        foreach (var component in components)
        {
            var objects = Manifest.InOrder([component]);
            if (await installer.ApplyAsync(objects, dryRun, cancel) is { } failure) return Fail(component, failure);
            if (!dryRun && invocation.Is("wait") && await installer.ReadyAsync(objects, invocation.Duration("readiness-timeout"), cancel) is { } late) return Fail(component, late);
            lines.Kept($"{invocation.Terminal.Green("✔")} {component.Title} {(dryRun ? "would be " : "")}{done} ({objects.Count} objects)");
        }
        if (dryRun) return Outcome.Fine;

        var (leftovers, listing) = await installer.LeftoversAsync(revision, Manifest.InOrder(components), cancel);
        if (listing is not null) return Outcome.Failed(listing);
        if (leftovers.Count > 0)
        {
            if (await installer.RemoveAsync(leftovers, cancel) is { } stuck) return Outcome.Failed(stuck);
            lines.Kept($"{invocation.Terminal.Green("✔")} Removed what is no longer wanted ({leftovers.Count} objects)");
        }
        lines.Kept($"{invocation.Terminal.Green("✔")} Installation complete");
        if (components.Count > 0 && spec.IsDefaultRevision) lines.Kept("Label a namespace to bring its pods into the mesh: kubectl label namespace NAME istio-injection=enabled");
        else if (components.Count > 0) lines.Kept($"Label a namespace to bring its pods into the mesh: kubectl label namespace NAME istio.io/rev={revision}");
        return Outcome.Fine;

        Outcome Fail(Component component, string why)
        {
            lines.Kept($"{invocation.Terminal.Red("✘")} {component.Title} encountered an error: {why}");
            return Outcome.Failed($"failed to install manifests: {why}");
        }
    }

    private static string Api(Kube.KubeApi api) => $"on {api.Server.Authority}";
}
