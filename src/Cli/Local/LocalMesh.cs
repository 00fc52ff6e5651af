using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Mesh.Cli.ProxyConfig;

namespace Mesh.Cli.Local;

/// <summary>The control plane and the sidecars as ordinary processes of this machine. Disposing it leaves no process and no port behind.</summary>
internal sealed class LocalMesh(LocalMeshSettings settings, Programs programs, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);

    // Long enough to see that traffic does without it, short enough to wait for.
    private static readonly TimeSpan ControlPlaneAbsence = TimeSpan.FromSeconds(3);

    private readonly List<ChildProcess> children = [];
    private readonly ConcurrentQueue<string> notices = new();
    private readonly CancellationTokenSource over = new();
    private Task keeping = Task.CompletedTask;
    private readonly HttpClient probe = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(1) };

    public LocalMeshSettings Settings => settings;
    public IReadOnlyList<ChildProcess> Children => children;
    public ChildProcess? ControlPlane { get; private set; }

    /// <exception cref="LocalMeshException">It did not become ready; the message says why in one sentence.</exception>
    public async Task StartControlPlaneAsync(CancellationToken cancel)
    {
        foreach (var port in (int[])[settings.XdsPort, settings.MonitoringPort, settings.ReadyPort])
            RequireFree(new IPEndPoint(settings.ControlPlaneAddress, port));

        Directory.CreateDirectory(settings.Folder);
        Directory.CreateDirectory(settings.State);
        await StartControlPlaneProgramAsync(cancel);
        keeping = KeepControlPlaneAsync(over.Token);
    }

    /// <summary>The folder must be good when the mesh starts; later a bad file is refused alone and the last good one stays in force.</summary>
    /// <exception cref="LocalMeshException">Names the first resource that was refused: file, line, field and why.</exception>
    public async Task RequireAcceptedAsync(CancellationToken cancel)
    {
        if (await RefusedAsync(cancel) is not [var first, ..] refused) return;

        throw new LocalMeshException(first + (refused.Count > 1 ? $" (and {refused.Count - 1} more; `meshctl validate -f {settings.Folder}` lists them)" : ""));
    }

    /// <summary>What the control plane refuses now, a sentence each: resource, file, line, field and why.</summary>
    /// <returns>Null when it does not answer.</returns>
    public async Task<IReadOnlyList<string>?> RefusedAsync(CancellationToken cancel)
    {
        try
        {
            var text = await probe.GetStringAsync(new Uri($"http://{settings.ControlPlaneAddress}:{settings.ReadyPort}/debug/refused"), cancel);
            return [.. (JsonNode.Parse(text) as JsonArray ?? []).Select(Sentence)];
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancel.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>What happened since it was asked last: the control plane ended, and it is here again.</summary>
    public IEnumerable<string> Notices()
    {
        while (notices.TryDequeue(out var notice)) yield return notice;
    }

    public void Notice(string text) => notices.Enqueue(text);

    /// <summary>Prints what happened, and what the control plane has begun or ceased to refuse since <paramref name="before"/>.</summary>
    /// <returns>What it refuses now.</returns>
    public async Task<IReadOnlyList<string>> TellNewsAsync(IReadOnlyList<string> before, TextWriter output, CancellationToken cancel)
    {
        foreach (var notice in Notices()) await output.WriteLineAsync(notice);
        if (await RefusedAsync(cancel) is not { } now) return before;

        foreach (var sentence in now.Except(before)) await output.WriteLineAsync($"{sentence}; what was accepted before stays in force");
        if (now.Count == 0 && before.Count > 0) await output.WriteLineAsync("nothing is refused any more");
        return now;
    }

    /// <summary>Starts the sidecar (or gateway) of one workload. Ready means: it has its certificate and its configuration.</summary>
    public async Task<ChildProcess> StartProxyAsync(Workload workload, CancellationToken cancel, string? network = null)
    {
        var captured = network is not null;
        if (!captured)
            foreach (var port in (int[])[15021, 15090, 15000, 15020, .. workload.OwnPorts ?? [workload.InboundPort]])
                RequireFree(new IPEndPoint(workload.Address, port));

        var environment = new Dictionary<string, string>
        {
            ["POD_NAME"] = workload.Name,
            ["POD_NAMESPACE"] = workload.Namespace,
            ["SERVICE_ACCOUNT"] = workload.ServiceAccount,
            ["INSTANCE_IP"] = $"{workload.Address}",
            ["ISTIO_META_WORKLOAD_NAME"] = workload.Name,
            ["ISTIO_META_INTERCEPTION_MODE"] = captured ? "REDIRECT" : "NONE",
            ["ISTIO_META_CLUSTER_ID"] = "Kubernetes",
            ["ISTIO_METAJSON_LABELS"] = LabelsJson(workload),
            ["PROXY_CONFIG"] = $$"""{"discoveryAddress":"{{settings.ControlPlaneAddress}}:{{settings.XdsPort}}","controlPlaneAuthPolicy":"NONE","concurrency":1}""",
            ["ISTIO_TOKEN_PATH"] = await WriteTokenAsync(workload, captured, cancel),
            ["TERMINATION_DRAIN_DURATION"] = "1s",
        };
        if (settings.CertificateLifetime.Length > 0) environment["SECRET_TTL"] = settings.CertificateLifetime;
        if (!captured) environment["STATUS_ADDRESS"] = $"{workload.Address}";

        var child = Start($"proxy-{workload.Name}{(workload.Labels is null ? "" : "." + workload.Namespace)}", programs.Proxy,
            ["proxy", workload.IsGateway ? "router" : "sidecar", "--domain", $"{workload.Namespace}.svc.cluster.local"], environment, network, captured ? 1337 : null);
        await WaitReadyAsync(child, new($"http://{workload.Address}:15021/healthz/ready"), cancel);
        return child;
    }

    public ChildProcess StartProgram(string name, string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null, string? network = null, string? directory = null) =>
        Start(name, program, arguments, environment ?? new Dictionary<string, string>(), network, directory: directory);

    /// <returns>Null when the proxy does not answer.</returns>
    public async Task<string?> MetricsOfAsync(Workload workload, CancellationToken cancel)
    {
        try
        {
            return await probe.GetStringAsync(new Uri($"http://{workload.Address}:15090/stats/prometheus"), cancel);
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancel.IsCancellationRequested)
        {
            return null;
        }
    }

    public static async Task WaitListeningAsync(ChildProcess child, IPEndPoint address, TimeProvider time, CancellationToken cancel)
    {
        var started = time.GetTimestamp();
        while (true)
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(address, cancel);
                return;
            }
            catch (SocketException) when (!child.HasExited && time.GetElapsedTime(started) < TimeSpan.FromSeconds(60))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), time, cancel);
            }
            catch (SocketException e)
            {
                throw new LocalMeshException($"{child.Name} does not listen on {address} ({e.Message}); its log is {child.LogFile}", e);
            }
        }
    }

    /// <summary>Lets the control plane take up its folders at once, rather than when it sees that they stirred.</summary>
    public async Task FlushAsync(CancellationToken cancel)
    {
        try
        {
            using var answer = await probe.PostAsync(new Uri($"http://{settings.ControlPlaneAddress}:{settings.ReadyPort}/debug/flush"), null, cancel);
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancel.IsCancellationRequested)
        {
            return; // it is being started again, and reads everything then
        }
    }

    public Task StopAsync(ChildProcess child) => child.StopAsync(Grace);

    /// <summary>Forgets a child that ended.</summary>
    public void Drop(ChildProcess child)
    {
        lock (children) children.Remove(child);
        child.Dispose();
    }

    /// <summary>Ends every process; nothing is started again.</summary>
    public async Task StopAsync()
    {
        await over.CancelAsync();
        await keeping;
        // Callers first: nothing should find its callee gone and count a failure.
        await Task.WhenAll(children.ToArray().AsEnumerable().Reverse().Select(child => child.StopAsync(Grace)));
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        foreach (var child in children) child.Dispose();
        probe.Dispose();
        over.Dispose();
    }

    private async Task StartControlPlaneProgramAsync(CancellationToken cancel)
    {
        List<string> arguments = settings.Overlay is { } overlay ? ["--folder", overlay, "--folder", settings.Folder] : ["--folder", settings.Folder];
        arguments.AddRange(
        [
            "--state", settings.State,
            "--grpcAddr", $"{settings.ControlPlaneAddress}:{settings.XdsPort}",
            "--secureGrpcAddr", "none",
            "--httpAddr", $"{settings.ControlPlaneAddress}:{settings.ReadyPort}",
            "--monitoringAddr", $"{settings.ControlPlaneAddress}:{settings.MonitoringPort}",
        ]);
        if (settings.CaFolder is { } ca) arguments.AddRange(["--ca", ca]);
        if (settings.CertificateLifetime.Length > 0) arguments.AddRange(["--certificate-lifetime", settings.CertificateLifetime]);
        ControlPlane = Start("istiod", programs.ControlPlane, arguments, new Dictionary<string, string>());
        await WaitReadyAsync(ControlPlane, new($"http://{settings.ControlPlaneAddress}:{settings.ReadyPort}/ready"), cancel);
    }

    /// <summary>As a cluster would: a control plane that ended is started again. Proxies go on with what they have meanwhile.</summary>
    private async Task KeepControlPlaneAsync(CancellationToken cancel)
    {
        try
        {
            while (true)
            {
                await ControlPlane!.WaitForExitAsync(cancel);
                Notice($"the control plane ended; traffic goes on without it. It is started again in {ControlPlaneAbsence.TotalSeconds:0} s");
                await Task.Delay(ControlPlaneAbsence, time, cancel);
                await StartControlPlaneProgramAsync(cancel);
                Notice($"the control plane is here again, as process {ControlPlane.Id}");
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            return; // the mesh ends
        }
        catch (LocalMeshException e)
        {
            Notice($"the control plane could not be started again: {e.Message}");
        }
    }

    private string Sentence(JsonNode? refused)
    {
        var (resource, field) = (refused.Text("object"), refused.Text("field"));
        return $"{(resource.Length > 0 ? resource + " in " : "")}{Path.Combine(settings.Folder, refused.Text("file"))}:{refused.Text("line")} was refused: {(field.Length > 0 ? field + ": " : "")}{refused.Text("message")}";
    }

    /// <summary>The control plane's own program signs who the workload is; the proxy shows that to the certificate authority.</summary>
    private async Task<string> WriteTokenAsync(Workload workload, bool captured, CancellationToken cancel)
    {
        var file = Path.Combine(settings.State, $"{workload.Name}.{workload.Namespace}.token");
        var start = new ProcessStartInfo(programs.ControlPlane,
            ["token", "--state", settings.State, "--namespace", workload.Namespace, "--service-account", workload.ServiceAccount]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var token = await process.StandardOutput.ReadToEndAsync(cancel);
        await process.WaitForExitAsync(cancel);
        if (process.ExitCode != 0) throw new LocalMeshException($"no identity for {workload.Name}: {await process.StandardError.ReadToEndAsync(cancel)}");

        await File.WriteAllTextAsync(file, token.Trim(), cancel);
        if (!captured) return file;

        // The proxy runs as another user: it may pass through our folders, not list them, and owns its token alone.
        using (var chmod = Process.Start("chmod", ["711", settings.State, Path.GetDirectoryName(settings.State)!])) await chmod.WaitForExitAsync(cancel);
        using var chown = Process.Start("chown", ["1337", file]);
        await chown.WaitForExitAsync(cancel);
        using var owner = Process.Start("chmod", ["400", file]);
        await owner.WaitForExitAsync(cancel);
        return file;
    }

    private ChildProcess Start(
        string name, string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment, string? network = null, int? uid = null, string? directory = null)
    {
        var child = ChildProcess.Start(name, Path.Combine(settings.State, $"{name}.log"), program, arguments, environment, network, uid, directory);
        lock (children) children.Add(child);
        return child;
    }

    private async Task WaitReadyAsync(ChildProcess child, Uri ready, CancellationToken cancel)
    {
        var started = time.GetTimestamp();
        while (time.GetElapsedTime(started) < settings.ReadyPatience)
        {
            if (child.HasExited)
                throw new LocalMeshException($"{child.Name} ended with exit code {child.ExitCode} before it was ready:\n{child.LastLines(5)}");
            try
            {
                using var answer = await probe.GetAsync(ready, cancel);
                if (answer.IsSuccessStatusCode) return;
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancel.IsCancellationRequested)
            {
                // Not listening yet: ask again until patience ends.
            }
            await Task.Delay(TimeSpan.FromMilliseconds(20), time, cancel);
        }
        throw new LocalMeshException($"{child.Name} was not ready within {settings.ReadyPatience.TotalSeconds:0} s ({ready}); its log, {child.LogFile}, ends:\n{child.LastLines(5)}");
    }

    /// <summary>One sentence before anything is started, rather than a mesh that nobody can reach.</summary>
    public static void RequireFree(IPEndPoint address)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(address);
        }
        catch (SocketException e)
        {
            throw new LocalMeshException($"cannot listen on {address}: {e.Message.ToLowerInvariant()}; stop what uses it, or choose other ports with --ports-from", e);
        }
    }

    private static string LabelsJson(Workload workload) => workload.Labels is { } labels
        ? new JsonObject(Canonical(workload).Where(one => !labels.ContainsKey(one.Key)).Concat(labels).Select(label => KeyValuePair.Create(label.Key, (JsonNode?)label.Value))).ToJsonString()
        : LabelsOf(workload);

    private static IEnumerable<KeyValuePair<string, string>> Canonical(Workload workload) =>
        [new("service.istio.io/canonical-name", workload.App), new("service.istio.io/canonical-revision", workload.Version)];

    private static string LabelsOf(Workload workload) =>
        $$"""{"app":"{{workload.App}}","version":"{{workload.Version}}","service.istio.io/canonical-name":"{{workload.App}}","service.istio.io/canonical-revision":"{{workload.Version}}"{{(workload.IsGateway ? ",\"istio\":\"ingressgateway\"" : "")}}}""";
}

/// <param name="Folder">The YAML that the control plane serves and watches.</param>
/// <param name="State">Logs, tokens, the certificate authority's key.</param>
internal sealed record LocalMeshSettings(string Folder, string State, IPAddress ControlPlaneAddress, int XdsPort, int MonitoringPort, int ReadyPort)
{
    public TimeSpan ReadyPatience { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>An authority of the user's own, as in Istio's Secret cacerts. Null: the control plane makes one.</summary>
    public string? CaFolder { get; init; }

    /// <summary>How long certificates are valid, as Go writes durations; they are renewed at half of it. Empty: a day.</summary>
    public string CertificateLifetime { get; init; } = "";

    /// <summary>A second folder whose resources stand before those of the same name in <see cref="Folder"/>. Null: none.</summary>
    public string? Overlay { get; init; }
}

/// <summary>The mesh on this machine could not start; the message is what to show.</summary>
internal sealed class LocalMeshException(string message, Exception? cause = null) : Exception(message, cause);
