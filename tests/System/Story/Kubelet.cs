using System.Diagnostics;
using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.SystemTests.Iptables;
using Mesh.Tests.ControlPlane.Kube;

namespace Mesh.SystemTests.Story;

/// <summary>
/// One node as far as these tests need it: a bridge, and pods as they came out of admission, each in a network namespace of its own. Init containers
/// run first, then each container in a root of its own, as its user, with the arguments, variables and files that its pod says.
/// </summary>
internal sealed class Kubelet(ClusterRig rig, string bridge, string node) : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("mesh-node-").FullName;
    private readonly List<RunningPod> pods = [];
    private readonly List<string> links = [];
    private readonly Dictionary<RunningPod, Dictionary<string, string>> volumesOf = [];
    private readonly Dictionary<RunningPod, IReadOnlyDictionary<string, (string Program, string[] Arguments)>> programsOf = [];

    /// <summary>What kubelets mount as tmpfs for volumes of medium Memory.</summary>
    private readonly string memory = Directory.CreateDirectory($"/dev/shm/mesh-node-{Environment.ProcessId}-{bridge}").FullName;
    private readonly Dictionary<string, string> hosts = new() { ["localhost"] = "127.0.0.1", ["istiod.istio-system.svc"] = node };

    public void Host(string name, string address) => hosts[name] = address;

    public static void MakeBridge(string bridge, string address)
    {
        // One that was killed leaves its bridge behind.
        using (var former = Process.Start(new ProcessStartInfo("ip", ["link", "delete", bridge]) { RedirectStandardError = true })!) former.WaitForExit();
        Tool("ip", "link", "add", bridge, "type", "bridge");
        Tool("ip", "address", "add", $"{address}/24", "dev", bridge);
        Tool("ip", "link", "set", bridge, "up");
    }

    /// <param name="programs">Container name → program and, where the pod gives no arguments, its own.</param>
    public async Task<RunningPod> StartAsync(JsonObject pod, string address, IReadOnlyDictionary<string, (string Program, string[] Arguments)> programs)
    {
        var (name, space) = (pod.At("metadata", "name").Text()!, pod.At("metadata", "namespace").Text()!);
        pod["status"] = new JsonObject { ["podIP"] = address, ["hostIP"] = node };
        var running = new RunningPod(pod, address, Directory.CreateDirectory(Path.Combine(folder, name)).FullName);
        pods.Add(running);
        var link = $"mstory{address.Split('.')[3]}";
        links.Add(link);
        Tool("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", $"{running.Network.ThreadId}");
        Tool("ip", "link", "set", link, "master", bridge, "up");
        running.Network.Tool($"ip address add {address}/24 dev eth0");
        running.Network.Tool("ip link set eth0 up");
        running.Network.Tool($"ip route add default via {node}");

        var account = pod.At("spec", "serviceAccountName").Text() ?? "default";
        rig.Cluster.Tokens[$"token of {name}"] = ($"system:serviceaccount:{space}:{account}", "istio-ca");
        var volumes = volumesOf[running] = pod.At("spec", "volumes").Objects().ToDictionary(volume => volume["name"].Text()!, volume => Volume(running, volume, $"token of {name}"));
        programsOf[running] = programs;
        foreach (var container in pod.At("spec", "initContainers").Objects())
        {
            Run(running, container);
            // A native sidecar goes on; what comes after it waits for its startup probe.
            if (container["restartPolicy"].Text() != "Always") running.MustEndWell(container["name"].Text()!);
            else if (container["startupProbe"] is not null) await running.ProxyReadyAsync();
        }
        foreach (var container in pod.At("spec", "containers").Objects()) Run(running, container);
        return running;
    }

    /// <summary>The container's process ended by a crash and is started again, in the same pod and with the same volumes.</summary>
    public void Restart(RunningPod pod, string name)
    {
        pod.Kill(name);
        Run(pod, pod.Object.At("spec", "initContainers").Objects().Concat(pod.Object.At("spec", "containers").Objects()).Single(container => container["name"].Text() == name));
    }

    /// <summary>The host's folder behind a volume.</summary>
    public string VolumeOf(RunningPod pod, string volume) => volumesOf[pod][volume];

    public void Dispose()
    {
        // The links go first: a namespace keeps its end for a while.
        foreach (var link in links) Tool("ip", "link", "delete", link);
        foreach (var pod in pods) pod.Dispose();
        Tool("ip", "link", "delete", bridge);
        Directory.Delete(folder, recursive: true);
        Directory.Delete(memory, recursive: true);
    }

    private void Run(RunningPod pod, JsonObject container)
    {
        var name = container["name"].Text()!;
        var (program, own) = programsOf[pod][name];
        var volumes = volumesOf[pod];
        var environment = new ContainerEnvironment(pod.Object, container);
        var arguments = container["args"] is JsonArray given ? given.Select(text => environment.Expand(text.Text()!)).ToArray() : own;
        var user = container.At("securityContext", "runAsUser").Text() ?? "0";
        var group = container.At("securityContext", "runAsGroup").Text() ?? user;

        var root = Directory.CreateDirectory(Path.Combine(pod.Folder, "root-" + name)).FullName;
        var etc = Directory.CreateDirectory(Path.Combine(root, "etc")).FullName;
        File.WriteAllLines(Path.Combine(etc, "hosts"), hosts.Select(host => $"{host.Value} {host.Key}"));
        foreach (var file in (string[])["ld.so.cache", "passwd", "group", "nsswitch.conf"]) File.Copy("/etc/" + file, Path.Combine(etc, file), overwrite: true);
        File.WriteAllText(Path.Combine(etc, "resolv.conf"), "");
        Directory.CreateDirectory(Path.Combine(root, "tmp")).UnixFileMode = (UnixFileMode)0b111_111_111;

        var script = new List<string> { "set -e", $"R={root}", "for d in usr lib lib64 bin sbin proc dev sys; do [ -e /$d ] || continue; mkdir -p $R/$d; mount --rbind /$d $R/$d; done", "mkdir -p $R/run $R/etc/alternatives; mount --bind /etc/alternatives $R/etc/alternatives" };
        foreach (var mount in container["volumeMounts"].Objects().Append(new JsonObject { ["mountPath"] = "/app" }).Where(mount => mount["name"] is null || volumes.ContainsKey(mount["name"].Text()!)))
        {
            var source = mount["name"].Text() is { } volume ? volumes[volume] : Path.GetDirectoryName(Path.GetFullPath(program))!;
            script.Add($"mkdir -p $R{mount["mountPath"].Text()}; mount --bind {source} $R{mount["mountPath"].Text()}");
        }
        script.Add($"exec chroot --userspec={user}:{group} $R /app/{Path.GetFileName(program)} \"$@\"");

        var start = new ProcessStartInfo("unshare", ["-m", "sh", "-c", string.Join('\n', script), name, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Clear();
        start.Environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin";
        start.Environment["DOTNET_ROOT"] = Path.GetDirectoryName(Environment.ProcessPath is { } path && path.EndsWith("/dotnet", StringComparison.Ordinal) ? path : "/usr/share/dotnet/dotnet")!;
        foreach (var (key, value) in environment.Values) start.Environment[key] = value;
        var process = pod.Network.Run(() => Process.Start(start)!);
        pod.Add(name, process);
    }

    private string Volume(RunningPod pod, JsonObject volume, string token)
    {
        var parent = volume.At("emptyDir", "medium").Text() == "Memory" ? Path.Combine(memory, pod.Name) : pod.Folder;
        var at = Directory.CreateDirectory(Path.Combine(parent, "volume-" + volume["name"].Text()));
        at.UnixFileMode = (UnixFileMode)0b111_111_111;
        if (volume.At("configMap", "name").Text() is { } map)
            foreach (var (key, text) in rig.Cluster.Get(KubeKinds.ConfigMap, pod.Object.At("metadata", "namespace").Text()!, map).At("data").Strings()) File.WriteAllText(Path.Combine(at.FullName, key), text);
        foreach (var item in volume.At("downwardAPI", "items").Objects())
        {
            var pairs = pod.Object.At("metadata", item.At("fieldRef", "fieldPath").Text()!["metadata.".Length..]).Strings();
            File.WriteAllLines(Path.Combine(at.FullName, item["path"].Text()!), pairs.Select(pair => $"{pair.Key}={System.Text.Json.JsonSerializer.Serialize(pair.Value)}"));
        }
        foreach (var source in volume.At("projected", "sources").Objects())
            if (source.At("serviceAccountToken", "path").Text() is { } path) File.WriteAllText(Path.Combine(at.FullName, path), token);
        return at.FullName;
    }

    private static void Tool(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {error}");
    }
}
