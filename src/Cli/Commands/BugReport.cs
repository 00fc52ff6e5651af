using System.Diagnostics.CodeAnalysis;
using Mesh.Cli.Control;
using Mesh.Cli.Frame;
using Mesh.Cli.Local;
using Mesh.Cli.Output;
using Mesh.Cli.Reporting;
using Mesh.Model.Analysis;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl bug-report</c>: all that helps others to find a fault, in one archive; nothing that they must not read.</summary>
internal static class BugReport
{
    private const long TotalBytesMax = 256 << 20;
    private const int ProxiesMax = 200;

    public static Command Command { get; } = new("bug-report", "Cluster information and log capture support tool.")
    {
        Example = "meshctl bug-report\nmeshctl bug-report --include 'shop/*' --exclude 'shop/batch-*' --duration 1h",
        Flags =
        [
            Flag.Many("include", "namespace or namespace/pod whose proxies to look into; * at the end of a name"),
            Flag.Many("exclude", "namespace or namespace/pod whose proxies to leave out"),
            Flag.Text("output-dir", "folder of the archive", null, "."),
            Flag.Text("dir", "taken for compatibility") with { Hidden = true },
            Flag.Duration("duration", "how far back logs go", "24h"),
            Flag.Duration("timeout", "how long to collect; what is missing then is listed in the archive", "30m"),
            Flag.Switch("dry-run", "say where from and where to, collect nothing"),
            Flag.Many("ignore-errs", "taken for compatibility") with { Hidden = true },
            Flag.Many("critical-errs", "taken for compatibility") with { Hidden = true },
            Flag.Text("start-time", "taken for compatibility") with { Hidden = true },
            Flag.Text("end-time", "taken for compatibility") with { Hidden = true },
            Flag.Many("filename", "taken for compatibility", 'f') with { Hidden = true },
            Flag.Number("rq-concurrency", "taken for compatibility") with { Hidden = true },
            Flag.Switch("full-secrets", "refused: no secret leaves the cluster in a report") with { Hidden = true },
            ControlPlaneClient.Address,
        ],
        Run = RunAsync,
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        if (invocation.Is("full-secrets")) return Outcome.Failed("--full-secrets is not offered: a report is made to be given away, and secrets stay in the cluster");
        if (!Directory.Exists(invocation.Text("output-dir"))) return Outcome.Failed($"--output-dir {invocation.Text("output-dir")}: no such folder");

        var isLocal = !invocation.IsGiven("kubeconfig") && !invocation.IsGiven("context") && LocalRegistry.ControlPlane() is not null;
        var path = Path.Combine(invocation.Text("output-dir"), "bug-report.tar.gz");
        if (invocation.Is("dry-run"))
        {
            await invocation.Out.WriteLineAsync($"would report on {(isLocal ? "the mesh on this machine" : "the cluster")} into {path}");
            return Outcome.Fine;
        }

        using var lines = new ProgressLines(invocation.Terminal);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(invocation.Duration("timeout"));
        using var packed = new MemoryStream();
        using (var archive = new ReportArchive(packed, invocation.Terminal.Time.GetUtcNow(), TotalBytesMax))
        {
            Outcome problem = Outcome.Fine;
            try
            {
                if (isLocal) await LocalAsync(invocation, archive, lines.Live, patience.Token);
                else problem = await ClusterAsync(invocation, archive, lines.Live, patience.Token);
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                archive.Miss("the rest", $"not collected within {invocation.Text("timeout")}");
            }
            if (problem.Exit != ExitCode.Fine) return problem;

            lines.Kept($"Creating an archive at {path}.");
            foreach (var gap in archive.Gaps.Take(10)) lines.Kept($"  missing: {gap}");
            if (archive.Gaps.Count > 10) lines.Kept($"  missing: {archive.Gaps.Count - 10} more, see report.txt");
        }
        await File.WriteAllBytesAsync(path, packed.ToArray(), cancel);
        lines.Kept("Done.");
        return Outcome.Fine;
    }

    private static async Task LocalAsync(Invocation invocation, ReportArchive archive, Action<string> progress, CancellationToken cancel)
    {
        if (LocalRegistry.ControlPlane() is { } plane)
            foreach (var (page, file) in ReportPages.ControlPlane) await TakeAsync($"istiod/{file}", plane, page);
        var scope = Scope(invocation);
        foreach (var (name, address) in LocalRegistry.Proxies().Take(ProxiesMax))
        {
            var (_, pod, space) = PodName.Parse(name, "");
            if (!scope.Wants(space, pod)) continue;
            foreach (var (page, file) in ReportPages.Proxy) await TakeAsync($"proxies/{space}/{pod}/{file}", address, page);
        }

        async Task TakeAsync(string file, string address, string page)
        {
            progress(file);
            using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(5) }) { Timeout = TimeSpan.FromSeconds(15) };
            try
            {
                archive.Add(file, await client.GetStringAsync(new Uri($"http://{address}/{page}"), cancel));
            }
            catch (Exception e) when (IsGap(e, cancel))
            {
                archive.Miss(file, e.Message);
            }
        }
    }

    private static async Task<Outcome> ClusterAsync(Invocation invocation, ReportArchive archive, Action<string> progress, CancellationToken cancel)
    {
        if (ClusterAccess.Open(invocation, out var none) is not { } cluster) return none;

        using var api = cluster;
        await new ClusterReport(api, Scope(invocation), archive, progress).CollectAsync(PageAsync, cancel);

        progress("analysis");
        var resources = new ResourceSet();
        var (mesh, problem) = await LiveResources.AddToAsync(resources, api, invocation.Text("istioNamespace"), cancel);
        if (problem is not null) archive.Miss("analysis.txt", problem);
        else archive.Add("analysis.txt", string.Join('\n', Analyst.Analyze(resources, invocation.Terminal.Time, new() { KnowsRuntime = true, MeshConfig = mesh }).Select(message => $"{message.Level} [{message.Code}]{message.Where(false)} {message.Text}")) + "\n");
        return Outcome.Fine;

        async Task<string> PageAsync(string space, string pod, int port, string page, CancellationToken stop)
        {
            try
            {
                using var client = new HttpClient(KubeTunnel.ToPod(invocation, $"{pod}.{space}", port) ?? throw new ReportGapException("no kubeconfig to forward a port with")) { Timeout = TimeSpan.FromSeconds(15) };
                return await client.GetStringAsync(new Uri($"http://127.0.0.1:{port}/{page}"), stop);
            }
            catch (Exception e) when (IsGap(e, stop))
            {
                throw new ReportGapException(e.InnerException?.Message ?? e.Message, e);
            }
        }
    }

    private static ReportScope Scope(Invocation invocation) =>
        new(invocation.Text("istioNamespace"), invocation.Many("include"), invocation.Many("exclude"), ProxiesMax, invocation.Duration("duration"));

    [SuppressMessage("Design", "CA1031", Justification = "names the exceptions of one failed request")]
    private static bool IsGap(Exception e, CancellationToken cancel) =>
        e is HttpRequestException or IOException or ControlPlaneException or InvalidOperationException or System.Net.WebSockets.WebSocketException || (e is OperationCanceledException && !cancel.IsCancellationRequested);
}
