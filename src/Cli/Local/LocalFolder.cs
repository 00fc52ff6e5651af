using System.Text.Json.Nodes;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Cli.Local;

/// <summary>A user's folder as `meshctl run` reads it: which processes of this machine belong to the mesh. Everything else in it is the control plane's to read.</summary>
internal sealed class LocalFolder
{
    // Each is a process of its own on this machine.
    public const int EntriesMax = 100;

    private readonly List<MapNode> documents = [];
    private readonly List<string> problems = [];

    public IReadOnlyList<LocalEntry> Entries { get; private set; } = [];

    /// <summary>Sentences about entries that were left out: resource, file, line, field, remedy.</summary>
    public IReadOnlyList<string> Problems => problems;

    /// <summary>Sidecars of the user that would stand in the way of those made for local processes: their own names, selecting nobody.</summary>
    public string Aside { get; private set; } = "";

    /// <summary>A file that cannot be read counts as empty: the control plane says what is wrong with it.</summary>
    public static LocalFolder Read(string folder)
    {
        var read = new LocalFolder();
        foreach (var file in Files(folder))
            read.documents.AddRange(YamlReader.Read(File.ReadAllText(file), file, out _).SelectMany(Items).OfType<MapNode>());
        read.Choose();
        return read;
    }

    /// <summary>Equal while no file came, changed or went.</summary>
    public static string Stamp(string folder) => string.Join('\n', Files(folder).Select(file => $"{file} {File.GetLastWriteTimeUtc(file).Ticks} {new FileInfo(file).Length}"));

    /// <summary>What a Sidecar of the user says about the calls of a local process: the one that selects it, else its namespace's, else the mesh's.</summary>
    public (IReadOnlyList<string> Hosts, JsonNode? Policy) Egress(LocalEntry entry)
    {
        var sidecars = documents.Where(d => Is(d, "networking.istio.io", "Sidecar")).ToList();
        var chosen = sidecars.Find(s => Space(s) == entry.Namespace && Selector(s) is { Count: > 0 } wanted && Selects(wanted, entry.Labels))
            ?? sidecars.Find(s => Space(s) == entry.Namespace && Selector(s).Count == 0)
            ?? sidecars.Find(s => Space(s) == "istio-system" && Selector(s).Count == 0);
        var hosts = chosen.ItemsAt("spec", "egress").SelectMany(e => e.ItemsAt("hosts")).OfType<ScalarNode>().Select(h => h.Text).Distinct().ToList();
        return (hosts.Count > 0 ? hosts : ["*/*"], chosen.At("spec", "outboundTrafficPolicy") is { } policy ? YamlJson.Of(policy) : null);
    }

    private void Choose()
    {
        var entries = new Dictionary<string, LocalEntry>();
        foreach (var document in documents.Where(d => Is(d, "networking.istio.io", "WorkloadEntry") && d.TextAt("spec", "address") == LocalEntry.LocalAddress))
            if (Entry(document) is { } entry && !entries.TryAdd(entry.FullName, entry))
                Tell(document, "metadata.name", "this name is taken by another entry of the folder; the first by path counts");
        if (entries.Count > EntriesMax) problems.Add($"more than {EntriesMax} local processes; the first {EntriesMax} are run");
        Entries = [.. entries.Values.Take(EntriesMax)];
        Aside = string.Concat(documents
            .Where(d => Is(d, "networking.istio.io", "Sidecar") && Selector(d) is { Count: > 0 } wanted && Entries.Any(e => e.Namespace == Space(d) && Selects(wanted, e.Labels)))
            .Select(d => $$$"""
                ---
                apiVersion: networking.istio.io/v1
                kind: Sidecar
                metadata: {name: {{{d.TextAt("metadata", "name")}}}, namespace: {{{Space(d)}}}}
                spec: {workloadSelector: {labels: {run.meshctl/aside: "true"}}, egress: [{hosts: ["*/*"]}]}

                """));
    }

    private LocalEntry? Entry(MapNode document)
    {
        // What is wrong with it otherwise, the control plane says: it reads the same file.
        if (!Validator.Check(document).IsAllowed || document.TextAt("metadata", "name") is not { } name) return null;

        var labels = document.TextsAt("metadata", "labels");
        foreach (var (key, value) in document.TextsAt("spec", "labels")) labels[key] = value;
        var isGateway = documents.Any(d => Is(d, "networking.istio.io", "Gateway") && d.TextsAt("spec", "selector") is { Count: > 0 } wanted && Selects(wanted, labels));
        var ports = document.TextsAt("spec", "ports").Where(p => int.TryParse(p.Value, out _)).ToDictionary(p => p.Key, p => int.Parse(p.Value));
        if (labels.Count == 0) return Tell(document, "spec.labels", "a local process needs labels, for services and policies to find it: write labels: {app: NAME}");
        if (ports.Count == 0 && !isGateway && documents.Find(d => Is(d, "", "Service") && Space(d) == Space(document) && d.TextsAt("spec", "selector") is { Count: > 0 } wanted && Selects(wanted, labels)) is { } service)
            return Tell(document, "spec.ports", $"Service {service.TextAt("metadata", "name")} sends requests to it, but where it listens is not said: write ports: {{{PortName(service)}: 3000}} for one that listens on 127.0.0.1:3000");

        return new(name, Space(document), document.TextAt("spec", "serviceAccount") ?? "default", labels, ports,
            document.TextsAt("metadata", "annotations").GetValueOrDefault(LocalEntry.CommandAnnotation), Path.GetDirectoryName(Path.GetFullPath(document.Origin.File)) ?? "/", isGateway, document);
    }

    private LocalEntry? Tell(MapNode document, string field, string what)
    {
        problems.Add($"WorkloadEntry/{Space(document)}/{document.TextAt("metadata", "name")} in {document.Origin} was left out: {field}: {what}");
        return null;
    }

    private static string PortName(MapNode service) => service.ItemsAt("spec", "ports") is [var port, ..] ? port.TextAt("name") ?? "http" : "http";

    private static bool Is(MapNode document, string group, string kind) =>
        document.TextAt("kind") == kind && (document.TextAt("apiVersion") ?? "") is var version && (group.Length == 0 ? !version.Contains('/', StringComparison.Ordinal) : version.StartsWith(group + "/", StringComparison.Ordinal));

    private static string Space(MapNode document) => document.TextAt("metadata", "namespace") ?? "default";

    private static Dictionary<string, string> Selector(MapNode sidecar) => sidecar.TextsAt("spec", "workloadSelector", "labels");

    private static bool Selects(Dictionary<string, string> wanted, IReadOnlyDictionary<string, string> labels) => wanted.All(pair => labels.GetValueOrDefault(pair.Key) == pair.Value);

    private static IEnumerable<Node> Items(Node node) => node.TextAt("kind") == "List" ? node.ItemsAt("items") : [node];

    private static IEnumerable<string> Files(string folder) =>
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Where(f => Path.GetExtension(f) is ".yaml" or ".yml" or ".json").Order(StringComparer.Ordinal);
}
