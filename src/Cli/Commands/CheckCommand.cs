using System.Text.Json.Nodes;
using Mesh.Cli.Frame;
using Mesh.Cli.Manifests;
using Mesh.Injector;
using Mesh.Kube;

namespace Mesh.Cli.Commands;

/// <summary>
/// <c>meshctl check</c>: is the mesh in the cluster whole? <c>check --pre</c> (and <c>x precheck</c>): can it be installed? <c>verify-install</c>: is all
/// there that an installation would put in? Each line says what was looked at; each failure says what to do.
/// </summary>
internal static class CheckCommand
{
    public static Command Command { get; } = new("check", "Check the mesh in the cluster, or (--pre) the cluster before an installation")
    {
        Example = "meshctl check --pre\nmeshctl check",
        Flags = [Flag.Switch("pre", "before an installation: may and can it be installed here?"), Flag.Text("revision", "control plane revision", 'r')],
        Run = (invocation, cancel) => RunAsync(invocation, invocation.Is("pre") ? ClusterChecks.BeforeAsync : ClusterChecks.InstalledAsync, cancel),
    };

    public static Command Precheck { get; } = new("precheck", "Check whether Istio can safely be installed or upgraded")
    {
        Flags = [Flag.Text("from-version", "taken for compatibility", 'f') with { Hidden = true }, Flag.Text("revision", "control plane revision", 'r')],
        Run = async (invocation, cancel) =>
        {
            var outcome = await RunAsync(invocation, ClusterChecks.BeforeAsync, cancel);
            if (outcome.Exit == ExitCode.Fine) await invocation.Out.WriteLineAsync($"{invocation.Terminal.Green("✔")} No issues found when checking the cluster. Istio is safe to install or upgrade!");
            return outcome;
        },
    };

    public static Command Verify { get; } = new("verify-install", "Verifies Istio Installation Status")
    {
        Flags = ManifestCommand.SpecFlags,
        Run = VerifyAsync,
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, Func<KubeApi, CheckScope, CancellationToken, IAsyncEnumerable<Check>> checks, CancellationToken cancel)
    {
        if (ClusterAccess.Open(invocation, out var problem) is not { } cluster) return problem;

        using var api = cluster;
        var failed = 0;
        var group = "";
        var revision = invocation.Text("revision") is { Length: > 0 } named ? named : "default";
        await foreach (var check in checks(api, new(invocation.Text("istioNamespace"), revision), cancel))
        {
            if (check.Group != group) await invocation.Out.WriteLineAsync($"{(group.Length > 0 ? "\n" : "")}{check.Group}\n{new string('-', check.Group.Length)}");
            group = check.Group;
            var mark = check.Level switch { CheckLevel.Fine => invocation.Terminal.Green("√"), CheckLevel.Warning => invocation.Terminal.Yellow("‼"), _ => invocation.Terminal.Red("×") };
            await invocation.Out.WriteLineAsync($"{mark} {check.Text}");
            if (check.Hint.Length > 0) await invocation.Out.WriteLineAsync("    " + check.Hint.Replace("\n", "\n    ", StringComparison.Ordinal));
            if (check.Level == CheckLevel.Failed) failed++;
        }
        await invocation.Out.WriteLineAsync($"\nStatus check results are {(failed == 0 ? invocation.Terminal.Green("√") : invocation.Terminal.Red("×"))}");
        return failed == 0 ? Outcome.Fine : new(ExitCode.Failed);
    }

    private static async Task<Outcome> VerifyAsync(Invocation invocation, CancellationToken cancel)
    {
        if (ManifestCommand.Spec(invocation, out var problem) is not { } spec || ManifestCommand.Components(spec, out problem) is not { } components) return problem;
        if (ClusterAccess.Open(invocation, out problem) is not { } cluster) return problem;

        using var api = cluster;
        var missing = 0;
        var objects = Manifest.InOrder(components);
        foreach (var item in objects)
        {
            var kind = await api.FindKindAsync(item["apiVersion"].Text() ?? "", item["kind"].Text() ?? "", cancel);
            var answer = kind is null ? null : await api.GetAsync(kind, item.At("metadata", "namespace").Text(), item.At("metadata", "name").Text()!, cancel);
            var trouble = answer is null ? "the cluster does not know the kind" : !answer.IsFine ? answer.ToString() : item["kind"].Text() == "Deployment" && !Installer.IsReady(answer.Body!) ? "not all its replicas are available" : "";
            if (trouble.Length > 0) missing++;
            await invocation.Out.WriteLineAsync($"{(trouble.Length == 0 ? invocation.Terminal.Green("✔") : invocation.Terminal.Red("✘"))} {Installer.Shown(item)}{(trouble.Length == 0 ? "" : ": " + trouble)}");
        }
        if (missing > 0) return Outcome.Failed($"{missing} of {objects.Count} objects are not as an installation leaves them; run meshctl install with the same flags");
        await invocation.Out.WriteLineAsync($"{invocation.Terminal.Green("✔")} Istio is installed and verified successfully ({objects.Count} objects)");
        return Outcome.Fine;
    }
}
