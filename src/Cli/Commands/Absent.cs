using Mesh.Cli.Frame;

namespace Mesh.Cli.Commands;

/// <summary>Verbs that users of istioctl type and this mesh does not have: an answer that says so, and what to do, in place of "unknown command".</summary>
internal static class Absent
{
    private const string Ambient = "belongs to ambient mode, which this mesh does not have: sidecars carry what waypoints and ztunnel would; label a namespace istio-injection=enabled";
    private const string OneCluster = "joins several clusters, which this mesh does not do: install it in each";

    public static IReadOnlyList<Command> Commands { get; } =
    [
        Of("waypoint", Ambient), Of("ztunnel-config", Ambient, "zc"), Of("create-remote-secret", OneCluster), Of("remote-clusters", OneCluster),
        Of("profile", "is gone, as from istioctl: `meshctl manifest generate --set profile=NAME` shows what a profile installs"),
        Of("operator", "is gone, as from istioctl: `meshctl install -f FILE` takes the same IstioOperator"),
        Of("admin", "sets log levels of a running istiod, which cannot be changed here: `--set components.pilot.k8s.overlays` or the argument --verbose at its start"),
    ];

    public static IReadOnlyList<Command> Experimental { get; } =
    [
        Of("add-to-mesh", "is gone, as from istioctl: `meshctl kube-inject -f FILE` injects a file"), Of("remove-from-mesh", "is gone, as from istioctl: label the pod sidecar.istio.io/inject=false"),
        Of("revision", "is gone, as from istioctl: `meshctl tag list` and `meshctl version` tell revisions"), Of("wait", "is gone, as from istioctl: `meshctl proxy-status` tells who has what"),
        Of("internal-debug", "is `kubectl exec` or port-forward to istiod's port 15014, page /debug/NAME; `meshctl bug-report` collects them"),
    ];

    private static Command Of(string name, string why, params string[] aliases) => new(name, why)
    {
        Aliases = aliases,
        Arguments = "...",
        Hidden = true,
        Run = (invocation, _) => Task.FromResult(Outcome.Failed($"{invocation.Path["meshctl ".Length..]} {why}")),
    };
}
