using System.Globalization;
using System.Text;
using Mesh.Model.Resources;
using Mesh.Model.Translate;
using Mesh.Model.World;
using Mesh.Model.Yaml;

namespace Mesh.Tests.Cases;

/// <summary>
/// The small mesh of a case, from lines such as <c>service reviews 9080:http v1=10.0.0.1 v2=10.0.0.2@r1/z2 v3=10.0.0.3!</c>
/// (@ a place, ! no sidecar), <c>service db 5432:tcp headless …</c>, <c>caller web.shop@r1/z1 tier=gold</c>, <c>server reviews-v1</c>,
/// <c>gateway</c>, <c>mesh key: value</c>. Namespace default unless written <c>name.namespace</c>.
/// </summary>
internal sealed class CaseWorld
{
    private readonly WorldBuilder builder = new();
    private readonly Translator translator = new();
    private readonly StringBuilder mesh = new();
    private readonly Dictionary<string, ProxyNode> pods = [];
    private ProxyNode caller = Node("web", "default", "10.9.9.9", Locality.None, LabelSet.Of([new("app", "web")]), false);
    private string server = "";
    private int addresses;
    private int created;

    public List<string> Refused { get; } = [];

    /// <summary>The pod whose sidecar serves: the one named, or the first.</summary>
    public ProxyNode Server => pods[server.Length > 0 ? server : pods.Keys.First()];

    /// <summary>The name of the pod at an address, for all pods of the topology.</summary>
    public Dictionary<string, string> PodsByAddress { get; } = [];

    public CaseWorld(IEnumerable<string> topology)
    {
        foreach (var line in topology.Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#'))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            switch (words[0])
            {
                case "service": Service(words[1], words[2..]); break;
                case "caller": Caller(words[1], words[2..]); break;
                case "server": server = words[1]; break;
                case "gateway": Gateway(); break;
                case "mesh": mesh.Append(line["mesh ".Length..]).Append('\n'); break;
                default: throw new InvalidDataException($"a case knows no \"{words[0]}\"");
            }
        }
        if (mesh.Length == 0) return;
        builder.Mesh = MeshConfig.Parse(mesh.ToString(), "mesh", out var issues) ?? throw new InvalidDataException(string.Join("; ", issues));
    }

    public void Apply(string yaml)
    {
        var documents = YamlReader.Read(yaml, "case", out var error);
        if (error is not null) Refused.Add(error.Message);
        foreach (var document in documents)
        {
            if (ResourceReader.Read(document, out var issues) is { } resource)
                builder.Apply(resource);
            else Refused.AddRange(issues.Select(issue => $"{issue.Path}: {issue.Message}"));
        }
    }

    public ProxyConfiguration ForCaller() => translator.For(builder.Build(), caller);

    public ProxyConfiguration ForServer() => translator.For(builder.Build(), Server);

    public ProxyConfiguration ForGateway() => translator.For(builder.Build(), Node(
        "ingress", "istio-system", "10.8.8.8", Locality.None, LabelSet.Of([new("istio", "ingressgateway"), new("app", "istio-ingressgateway")]), true));

    public World Build() => builder.Build();

    private void Service(string fullName, string[] words)
    {
        var (name, ns) = Split(fullName);
        var ports = words.Where(word => word.Contains(':', StringComparison.Ordinal) && char.IsAsciiDigit(word[0])).ToList();
        var headless = words.Contains("headless");
        var yaml = new StringBuilder();
        var number = ++addresses;
        yaml.Append(CultureInfo.InvariantCulture, $"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {ns}, creationTimestamp: \"{Time()}\"}}\n");
        yaml.Append(CultureInfo.InvariantCulture, $"spec: {{clusterIP: {(headless ? "None" : $"10.96.0.{number}")}, selector: {{app: {name}}}, ports: [{string.Join(", ", ports.Select(Port))}]}}\n");
        var members = words.Where(word => word.Contains('=', StringComparison.Ordinal)).ToList();
        var slice = new StringBuilder();
        slice.Append(CultureInfo.InvariantCulture, $"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}-1, namespace: {ns}, labels: {{kubernetes.io/service-name: {name}}}}}\n");
        slice.Append(CultureInfo.InvariantCulture, $"addressType: IPv4\nports: [{string.Join(", ", ports.Select(Port))}]\nendpoints:\n");
        foreach (var member in members)
        {
            var (version, rest) = (member[..member.IndexOf('=', StringComparison.Ordinal)], member[(member.IndexOf('=', StringComparison.Ordinal) + 1)..]);
            var plain = rest.EndsWith('!');
            var at = rest.TrimEnd('!').Split('@');
            var pod = $"{name}-{version}";
            PodsByAddress[at[0]] = pod;
            var labels = $"app: {name}, version: {version}{(plain ? "" : ", security.istio.io/tlsMode: istio")}{(at.Length > 1 ? $", istio-locality: {at[1].Replace('/', '.')}" : "")}";
            Apply($"apiVersion: v1\nkind: Pod\nmetadata: {{name: {pod}, namespace: {ns}, labels: {{{labels}}}}}\nspec: {{serviceAccountName: {name}}}\nstatus: {{podIP: {at[0]}, phase: Running, conditions: [{{type: Ready, status: \"True\"}}]}}\n");
            slice.Append(CultureInfo.InvariantCulture, $"- {{addresses: [{at[0]}], conditions: {{ready: true}}, targetRef: {{kind: Pod, name: {pod}, namespace: {ns}}}}}\n");
            if (!plain)
                pods[pod] = Node(pod, ns, at[0], at.Length > 1 ? Locality.Parse(at[1]) : Locality.None, LabelSet.Of([new("app", name), new("version", version), new("security.istio.io/tlsMode", "istio")]), false);
        }
        Apply(yaml.ToString());
        if (members.Count > 0) Apply(slice.ToString());
    }

    private void Gateway() => Apply("""
        apiVersion: v1
        kind: Service
        metadata: {name: istio-ingressgateway, namespace: istio-system}
        spec:
          clusterIP: 10.96.1.1
          selector: {istio: ingressgateway}
          ports: [{name: http2, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
        """);

    private void Caller(string text, string[] labels)
    {
        var at = text.Split('@');
        var (name, ns) = Split(at[0]);
        var own = labels.Select(label => label.Split('=')).Select(pair => new KeyValuePair<string, string>(pair[0], pair[1])).Append(new("app", name));
        caller = Node(name, ns, "10.9.9.9", at.Length > 1 ? Locality.Parse(at[1]) : Locality.None, LabelSet.Of(own), false);
    }

    private string Time() => $"2024-01-01T00:00:{++created % 60:00}Z";

    private static string Port(string text)
    {
        var parts = text.Split(':');
        return $"{{name: {(parts[1].Length > 0 ? parts[1] : "auto")}, port: {parts[0]}, targetPort: {(parts.Length > 2 ? parts[2] : parts[0])}, protocol: TCP}}";
    }

    private static (string Name, string Namespace) Split(string text)
    {
        var dot = text.IndexOf('.', StringComparison.Ordinal);
        return dot < 0 ? (text, "default") : (text[..dot], text[(dot + 1)..]);
    }

    private static ProxyNode Node(string name, string ns, string ip, Locality place, LabelSet labels, bool isGateway) =>
        new($"{(isGateway ? "router" : "sidecar")}~{ip}~{name}.{ns}~{ns}.svc.cluster.local")
        {
            IsGateway = isGateway, Ip = ip, Name = name, Namespace = ns, Labels = labels, Locality = place, ServiceAccount = name,
        };
}
