using System.Diagnostics;
using System.Net;
using Mesh.Cli.Control;
using Mesh.Cli.Frame;
using Mesh.Cli.Local;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl dashboard</c>: opens the control plane's page, an add-on's, or a proxy's. In a cluster by a forwarded port, until Ctrl-C.</summary>
internal static class DashboardCommand
{
    private const int ControlPlanePort = 15014, AdminPort = 15000;

    /// <summary>A page in the cluster.</summary>
    /// <param name="Selector">Labels of its pods; empty: of istiod's or of the one that is named.</param>
    private sealed record Page(string Name, string Selector, int Port, string Path);

    private static readonly Page[] AddOns =
    [
        //      name          labels of its pods                    port   path
        new("grafana",    "app.kubernetes.io/name=grafana",    3000,  "/"),
        new("jaeger",     "app=jaeger",                        16686, "/"),
        new("kiali",      "app=kiali",                         20001, "/kiali"),
        new("prometheus", "app.kubernetes.io/name=prometheus", 9090,  "/"),
        new("skywalking", "app=skywalking-ui",                 8080,  "/"),
        new("zipkin",     "app=zipkin",                        9411,  "/"),
    ];

    private static readonly Page Own = new("", "", ControlPlanePort, "/ui/"), Debug = new("istiod-debug", "", ControlPlanePort, "/debug"), Proxy = new("proxy", "", AdminPort, "/");

    public static Command Command { get; } = new("dashboard", "Access to the mesh's web pages")
    {
        Aliases = ["dash", "d"],
        Arguments = "[grafana|istiod-debug|jaeger|kiali|prometheus|proxy [<type>/]<name>[.<namespace>]|skywalking|zipkin]",
        Example = "meshctl dashboard\nmeshctl dashboard kiali\nmeshctl dashboard proxy deploy/reviews-v1.bookinfo -p 15000",
        Flags =
        [
            Flag.Switch("browser", "open a browser", on: true),
            Flag.Text("address", "address of this machine to listen at", fallback: "localhost"),
            Flag.Number("port", "port of this machine to listen at; the page's own or any that is free by default", shorthand: 'p'),
            Flag.Number("ui-port", "port of the page in its pod; the usual one by default"),
            Flag.Text("selector", "labels of the proxy's pod, in place of its name", 'l'),
            ControlPlaneClient.Address,
        ],
        Run = RunAsync,
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        if (PageOf(invocation, out var page) is { } problem) return Outcome.Failed(problem);
        try
        {
            if (LocalUrl(invocation, page!) is { } url)
            {
                await ShowAsync(invocation, url, cancel);
                return Outcome.Fine;
            }
            return await ForwardAsync(invocation, page!, cancel);
        }
        catch (ControlPlaneException e)
        {
            return Outcome.Failed(e.Message);
        }
    }

    /// <returns>What is wrong with the words of the command line, or null.</returns>
    private static string? PageOf(Invocation invocation, out Page? page)
    {
        page = invocation.First switch
        {
            "" => Own,
            "istiod-debug" => Debug,
            "proxy" or "envoy" => Proxy,
            var name => AddOns.FirstOrDefault(addOn => addOn.Name == name),
        };
        if (invocation.First == "controlz") return "this control plane has no ControlZ: `meshctl dashboard istiod-debug` shows what it knows, `meshctl dashboard` what it does";
        if (page is null) return $"unknown dashboard \"{invocation.First}\"";
        if (page != Proxy) return null;

        var selector = invocation.Text("selector");
        if (selector.Length == 0 && invocation.Arguments.Count < 2) return "specify a pod or --selector";
        return selector.Length > 0 && invocation.Arguments.Count > 1 ? "name cannot be provided when a selector is specified" : null;
    }

    /// <summary>Where the page is without a cluster: at a mesh on this machine or at the control plane that was named.</summary>
    private static string? LocalUrl(Invocation invocation, Page page)
    {
        var isNamed = invocation.Text("control-plane") is { Length: > 0 };
        if (page == Proxy) return invocation.Arguments.Count > 1 && LocalRegistry.Find(invocation.Arguments[1], invocation.Text("namespace")) is { } admin ? $"http://{admin}/" : null;
        if ((isNamed ? invocation.Text("control-plane") : LocalRegistry.ControlPlane()) is not { } address) return null;

        // Behind the control plane's door an add-on lives below its name.
        return AddOns.Contains(page) ? $"http://{address}/{page.Name}/" : $"http://{address}{page.Path}";
    }

    private static async Task<Outcome> ForwardAsync(Invocation invocation, Page page, CancellationToken cancel)
    {
        var target = invocation.Number("ui-port") is > 0 and var chosen ? chosen : page.Port;
        var space = invocation.Text("istioNamespace");
        var choice = page == Proxy && invocation.Text("selector") is { Length: > 0 } selector ? KubeTunnel.Labelled(selector, invocation.NamespaceOr("default"), target, "`kubectl get pods --show-labels` lists them")
            : page == Proxy ? KubeTunnel.Named(invocation.Arguments[1], invocation.NamespaceOr("default"), target)
            : page.Selector.Length > 0 ? KubeTunnel.Labelled(page.Selector, space, target, $"is {page.Name} installed? (-i for another namespace)")
            : KubeTunnel.ControlPlane(invocation, target);
        if (KubeTunnel.Streams(invocation, choice) is not { } open)
            return Outcome.Failed("no mesh was found: none runs on this machine (`meshctl demo` starts one), and there is no kubeconfig for a cluster; --control-plane host:port names one");

        // Asked once before anything is promised: a pod that is not there is said here, not by the browser.
        await (await open(cancel)).DisposeAsync();
        if (!TryAddress(invocation.Text("address"), out var address)) return Outcome.Usage($"--address takes an address of this machine, not \"{invocation.Text("address")}\"");

        await using var forward = PortForward.Start(address, invocation.Number("port") is > 0 and var port ? [port] : [target, 0], open, message => invocation.Error.WriteLine(message));
        await ShowAsync(invocation, $"http://{(address.Equals(IPAddress.Loopback) ? $"localhost:{forward.Address.Port}" : forward.Address)}{page.Path}", cancel);
        var ended = new TaskCompletionSource();
        await using var stop = cancel.Register(ended.SetResult);
        await ended.Task;
        return Outcome.Fine;
    }

    private static bool TryAddress(string text, out IPAddress address)
    {
        address = IPAddress.Loopback;
        return text == "localhost" || IPAddress.TryParse(text, out address!);
    }

    private static async Task ShowAsync(Invocation invocation, string page, CancellationToken cancel)
    {
        await invocation.Out.WriteLineAsync(page);
        if (!invocation.Is("browser")) return;
        try
        {
            using var browser = Process.Start(new ProcessStartInfo("xdg-open", [page]) { RedirectStandardError = true, RedirectStandardOutput = true });
            if (browser is not null) await browser.WaitForExitAsync(cancel);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            await invocation.Error.WriteLineAsync($"Failed to open browser; open {page} in your browser.");
        }
    }
}
