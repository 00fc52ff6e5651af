using System.Net;
using System.Net.Sockets;

namespace Mesh.Cli.Local;

/// <summary>
/// A user's folder as a running mesh: a control plane on it, and beside each local process that it declares a sidecar (or a gateway). What the folder
/// says is compared with what runs, again and again: processes come, change and go with their entries, and one that ended is started again.
/// </summary>
internal sealed class FolderMesh(LocalMesh mesh, TimeProvider time)
{
    private static readonly TimeSpan AgainMin = TimeSpan.FromSeconds(1), AgainMax = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, Running> running = [];
    private readonly byte network = FreeNetwork();
    private string stamp = "", overlay = "";
    private IReadOnlyList<string> problems = [];

    public IEnumerable<(LocalEntry Entry, IPAddress Address)> Workloads => running.Values.OrderBy(one => one.Entry.FullName, StringComparer.Ordinal).Select(one => (one.Entry, one.Address));

    /// <exception cref="LocalMeshException">It cannot start; the message says why.</exception>
    public async Task StartAsync(CancellationToken cancel)
    {
        Directory.CreateDirectory(mesh.Settings.Overlay!);
        var folder = LocalFolder.Read(mesh.Settings.Folder);
        if (folder.Entries.Count == 0) throw new LocalMeshException(Nothing(folder));

        await mesh.StartControlPlaneAsync(cancel);
        stamp = LocalFolder.Stamp(mesh.Settings.Folder);
        await FollowAsync(folder, cancel);
    }

    /// <summary>One look at the folder and at the processes.</summary>
    public async Task LookAsync(CancellationToken cancel)
    {
        var now = LocalFolder.Stamp(mesh.Settings.Folder);
        try
        {
            if (now != stamp) await FollowAsync(LocalFolder.Read(mesh.Settings.Folder), cancel);
            stamp = now;
            foreach (var one in running.Values) await ReviveAsync(one, cancel);
        }
        catch (Exception e) when (e is LocalMeshException or IOException)
        {
            mesh.Notice(e.Message); // the rest of the mesh runs on; the next look tries again
        }
    }

    private async Task FollowAsync(LocalFolder folder, CancellationToken cancel)
    {
        foreach (var problem in folder.Problems.Except(problems)) mesh.Notice(problem);
        problems = folder.Problems;

        var wanted = folder.Entries.ToDictionary(entry => entry.FullName);
        foreach (var gone in running.Keys.Where(name => !wanted.ContainsKey(name)).ToList()) await StopAsync(gone);
        var begun = new List<Running>();
        foreach (var entry in folder.Entries)
        {
            var address = running.TryGetValue(entry.FullName, out var known) ? known.Address : FreeAddress();
            var (hosts, policy) = folder.Egress(entry);
            var next = new Running(entry, address, entry.Yaml(address, hosts, policy));
            if (known is not null && known.IsSameProcess(next))
            {
                known.Yaml = next.Yaml;
                continue;
            }
            if (known is not null) await StopAsync(entry.FullName);
            running[entry.FullName] = next;
            begun.Add(next);
        }
        WriteOverlay(string.Join("---\n", running.Values.Select(one => one.Yaml)) + folder.Aside);
        await mesh.FlushAsync(cancel);
        await Task.WhenAll(begun.Select(one => StartAsync(one, cancel)));
    }

    /// <summary>At once and only when it differs: the control plane reads while this writes, and half of it would be a mesh without half of its workloads.</summary>
    private void WriteOverlay(string yaml)
    {
        if (yaml == overlay) return;
        var (made, file) = (Path.Combine(mesh.Settings.Overlay!, "local.new"), Path.Combine(mesh.Settings.Overlay!, "local.yaml"));
        File.WriteAllText(made, yaml);
        File.Move(made, file, overwrite: true);
        overlay = yaml;
    }

    private async Task StartAsync(Running one, CancellationToken cancel)
    {
        one.Sidecar = await mesh.StartProxyAsync(one.Entry.At(one.Address), cancel);
        if (one.Entry.Command is not null) StartApplication(one);
    }

    private void StartApplication(Running one)
    {
        var proxy = $"http://{one.Address}:{LocalEntry.HttpProxyPort}";
        one.Application = mesh.StartProgram($"app-{one.Entry.FullName}", "sh", ["-c", $"exec {one.Entry.Command}"], new Dictionary<string, string>
        {
            ["http_proxy"] = proxy,
            ["HTTP_PROXY"] = proxy,
            ["no_proxy"] = "127.0.0.1,localhost",
            ["NO_PROXY"] = "127.0.0.1,localhost",
        }, directory: one.Entry.Directory);
    }

    private async Task ReviveAsync(Running one, CancellationToken cancel)
    {
        var ended = one.Sidecar is { HasExited: true } sidecar ? sidecar : one.Application is { HasExited: true } application ? application : null;
        if (ended is null || time.GetUtcNow() < one.NotBefore) return;
        if (one.NotBefore == default)
        {
            one.NotBefore = time.GetUtcNow() + one.Again;
            mesh.Notice($"{ended.Name} ended with exit code {ended.ExitCode} and is started again in {one.Again.TotalSeconds:0} s; its log {ended.LogFile} ends:\n{ended.LastLines(3)}");
            one.Again = one.Again * 2 < AgainMax ? one.Again * 2 : AgainMax;
            return;
        }
        one.NotBefore = default;
        if (ended == one.Sidecar) one.Sidecar = await mesh.StartProxyAsync(one.Entry.At(one.Address), cancel);
        else StartApplication(one);
        mesh.Drop(ended);
    }

    private async Task StopAsync(string name)
    {
        running.Remove(name, out var one);
        foreach (var child in new[] { one!.Application, one.Sidecar }.OfType<ChildProcess>())
        {
            await mesh.StopAsync(child);
            mesh.Drop(child);
        }
        mesh.Notice($"{name} left the mesh");
    }

    private IPAddress FreeAddress()
    {
        for (byte last = 1; ; last++)
            if (Address(network, last) is var address && running.Values.All(one => !one.Address.Equals(address))) return address;
    }

    private static string Nothing(LocalFolder folder) => folder.Problems is [var first, ..] ? first : """
        the folder declares no local process. Write a WorkloadEntry for each, for example one that listens on 127.0.0.1:3000:
          apiVersion: networking.istio.io/v1
          kind: WorkloadEntry
          metadata: {name: orders-v1, namespace: shop}
          spec: {address: 127.0.0.1, serviceAccount: orders, labels: {app: orders, version: v1}, ports: {http: 3000}}
        """;

    /// <summary>127.77.N.x for the first N that no other mesh of this machine uses; 0 is the demo's.</summary>
    private static byte FreeNetwork()
    {
        for (byte number = 1; number < 255; number++)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(Address(number, 1), 15020));
                return number;
            }
            catch (SocketException)
            {
                continue; // a mesh lives there
            }
        }
        throw new LocalMeshException("254 meshes run on this machine already");
    }

    private static IPAddress Address(byte network, byte last) => new([127, 77, network, last]);

    private sealed class Running(LocalEntry entry, IPAddress address, string yaml)
    {
        public LocalEntry Entry { get; } = entry;
        public IPAddress Address { get; } = address;
        public string Yaml { get; set; } = yaml;
        public ChildProcess? Sidecar { get; set; }
        public ChildProcess? Application { get; set; }
        public DateTimeOffset NotBefore { get; set; }
        public TimeSpan Again { get; set; } = AgainMin;

        /// <summary>What else the entry says reaches the sidecar as configuration.</summary>
        public bool IsSameProcess(Running other) =>
            Entry.ServiceAccount == other.Entry.ServiceAccount && Entry.Command == other.Entry.Command && Entry.IsGateway == other.Entry.IsGateway
            && Entry.Labels.OrderBy(l => l.Key, StringComparer.Ordinal).SequenceEqual(other.Entry.Labels.OrderBy(l => l.Key, StringComparer.Ordinal));
    }
}
