using System.Diagnostics;
using Mesh.Cli.Control;
using Mesh.Cli.Frame;
using Mesh.Cli.Local;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl dashboard</c>: opens the control plane's page, or an add-on's behind it.</summary>
internal static class DashboardCommand
{
    private static readonly string[] AddOns = ["grafana", "jaeger", "kiali", "prometheus"];

    public static Command Command { get; } = new("dashboard", "Access to the mesh's web pages")
    {
        Aliases = ["dash", "d"],
        Arguments = "[grafana|jaeger|kiali|prometheus]",
        Flags = [Flag.Switch("browser", "open a browser", on: true), ControlPlaneClient.Address],
        Run = RunAsync,
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        var name = invocation.First;
        if (name.Length > 0 && !AddOns.Contains(name)) return Outcome.Failed($"unknown dashboard \"{name}\"");
        var address = invocation.Text("control-plane") is { Length: > 0 } given ? given : LocalRegistry.ControlPlane();
        if (address is null)
            return Outcome.Failed($"no mesh runs on this machine; for a cluster: kubectl -n {invocation.Text("istioNamespace")} port-forward deploy/istiod 15014, then meshctl dashboard --control-plane 127.0.0.1:15014");

        var page = $"http://{address}/{(name.Length == 0 ? "ui" : name)}/";
        await invocation.Out.WriteLineAsync(page);
        if (!invocation.Is("browser")) return Outcome.Fine;
        try
        {
            using var browser = Process.Start(new ProcessStartInfo("xdg-open", [page]) { RedirectStandardError = true, RedirectStandardOutput = true });
            if (browser is not null) await browser.WaitForExitAsync(cancel);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            await invocation.Error.WriteLineAsync("(no browser to open: xdg-open is not installed)");
        }
        return Outcome.Fine;
    }
}
