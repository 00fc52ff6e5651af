using System.Globalization;
using System.Text.Json.Nodes;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector;

/// <summary>
/// One scrape for proxy and application: the pod's prometheus.io annotations move into ISTIO_PROMETHEUS_ANNOTATIONS, and new ones point at the proxy.
/// </summary>
internal static class PrometheusMerge
{
    // Prometheus sees an annotation's name with every odd character as "_"; so must we, or two spellings would fight.
    private const string Scrape = "prometheus_io_scrape";
    private const string Port = "prometheus_io_port";
    private const string Path = "prometheus_io_path";
    private const string Targets = "prometheus_istio_io_scrape_targets";
    private const string SecurePort = "prometheus_istio_io_secure_port";

    private static readonly Dictionary<int, string> ReservedPorts = new()
    {
        [15000] = "Envoy admin", [15001] = "outbound traffic capture", [15004] = "pilot debug", [15006] = "inbound traffic capture",
        [15008] = "HBONE tunnel", [15020] = "pilot-agent status / merged Prometheus", [15021] = "Envoy health", [15053] = "DNS proxy",
        [15090] = "Envoy Prometheus (already merged)",
    };

    /// <returns>Null, or why the pod's metrics cannot be scraped as it says.</returns>
    public static string? Apply(JsonObject pod, InjectorSettings settings)
    {
        var annotations = pod.MapAt("metadata").MapAt("annotations");
        var problem = Merge(pod, annotations, settings);
        if (problem is null) NameSecurePort(pod, annotations);
        return problem;
    }

    public static string? PortOf(JsonObject annotations) => Values(annotations, Port).FirstOrDefault();

    public static void RemoveFrom(JsonObject annotations)
    {
        foreach (var name in annotations.Select(annotation => annotation.Key).Where(name => Sanitized(name) is Scrape or Port or Path or Targets).ToList())
            annotations.Remove(name);
    }

    private static string? Merge(JsonObject pod, JsonObject annotations, InjectorSettings settings)
    {
        if (!IsWanted(annotations, settings)) return null;

        var statusPort = $"{ProxyConfig.OfMesh(settings).StatusPort}";
        if (PortOf(annotations) == statusPort) return null; // injected before, or set so by someone who knows

        var targets = ParseTargets(Values(annotations, Targets).FirstOrDefault());
        var port = targets is [var first, ..] ? first.Port : PortOf(annotations) ?? "";
        var path = targets is [var head, ..] ? head.Path : Values(annotations, Path).FirstOrDefault() ?? "";
        var scrape = Values(annotations, Scrape).FirstOrDefault() ?? "";
        var problem = targets.Count > 0
            ? targets.Select(target => PortProblem(target.Port, statusPort, "invalid prometheus scrape targets", "target port")).FirstOrDefault(found => found is not null)
            : port.Length > 0 ? PortProblem(port, statusPort, "invalid prometheus scrape configuration", "port") : null;
        if (problem is not null) return problem;

        if (UserContainers.Proxy(pod) is { } proxy && (scrape + path + port).Length > 0)
        {
            var value = new JsonObject { ["scrape"] = scrape, ["path"] = path, ["port"] = port };
            if (targets.Count > 0) value["targets"] = List([.. targets.Select(target => Map(("port", target.Port), ("path", target.Path)))]);
            proxy.ListAt("env").AddNode(Env("ISTIO_PROMETHEUS_ANNOTATIONS", value.Compact()));
        }
        RemoveFrom(annotations);
        annotations["prometheus.io/port"] = statusPort;
        annotations["prometheus.io/path"] = "/stats/prometheus";
        annotations["prometheus.io/scrape"] = "true";
        return null;
    }

    private static bool IsWanted(JsonObject annotations, InjectorSettings settings)
    {
        if (Values(annotations, Scrape).Select(AnnotationRules.ParseBool).FirstOrDefault(wish => wish is not null) == false) return false;
        if (annotations["prometheus.istio.io/merge-metrics"].Text() is { } wish) return AnnotationRules.ParseBool(wish) ?? true;
        return settings.MeshConfig["enablePrometheusMerge"] is not { } mesh || mesh.IsTrue();
    }

    private static string? PortProblem(string port, string statusPort, string what, string noun)
    {
        if (!int.TryParse(port, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) || number is < 1 or > 65535)
            return $"{what}: invalid {noun} \"{port}\"";
        if ($"{number}" == statusPort) return $"{what}: {noun} {port} conflicts with agent port";
        return ReservedPorts.TryGetValue(number, out var reason)
            ? $"{what}: {noun} {port} is reserved for Istio ({reason}) and cannot be scraped" : null;
    }

    /// <summary>"8080:/m, 9090" → two targets; a list with an entry that has no port is no list at all.</summary>
    private static List<(string Port, string Path)> ParseTargets(string? text)
    {
        var targets = new List<(string Port, string Path)>();
        foreach (var entry in (text ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = entry.Split(':', 2, StringSplitOptions.TrimEntries);
            if (parts[0].Length == 0) return [];
            targets.Add((parts[0], parts.Length == 2 && parts[1].Length > 0 ? parts[1] : "/metrics"));
        }
        return targets;
    }

    private static void NameSecurePort(JsonObject pod, JsonObject annotations)
    {
        if (annotations.Any(annotation => Sanitized(annotation.Key) == SecurePort)) return;

        var port = UserContainers.Proxy(pod).At("env").Named("ENVOY_SECURE_MERGED_METRICS_PORT").At("value").Text();
        if (port is not (null or "" or "0")) annotations["prometheus.istio.io/secure-port"] = port;
    }

    private static IEnumerable<string> Values(JsonObject annotations, string name) =>
        annotations.Where(annotation => Sanitized(annotation.Key) == name).Select(annotation => annotation.Value.Text()).OfType<string>();

    private static string Sanitized(string name) => string.Create(name.Length, name, static (span, text) =>
    {
        for (var i = 0; i < span.Length; i++) span[i] = char.IsAsciiLetterOrDigit(text[i]) ? text[i] : '_';
    });
}
