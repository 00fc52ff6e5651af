using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Model.Yaml;

namespace Mesh.Cli.Manifests;

/// <summary>What to install: an IstioOperator's spec with its profile underneath and the --set paths on top.</summary>
internal sealed record InstallSpec(JsonObject Spec, string Namespace, string Revision)
{
    private const string DefaultProfile = "default";

    /// <summary>Profiles that need parts this mesh does not have.</summary>
    private static readonly Dictionary<string, string> RefusedProfiles = new(StringComparer.Ordinal)
    {
        ["ambient"] = "ambient mode needs ztunnel and the CNI node agent, which this mesh does not have: use \"default\" (sidecars)",
        ["openshift"] = "OpenShift needs the CNI node agent, which this mesh does not have: use \"default\" and allow istio-init the capabilities NET_ADMIN and NET_RAW",
        ["openshift-ambient"] = "ambient mode needs ztunnel and the CNI node agent, which this mesh does not have",
        ["remote"] = "a control plane of another cluster is not supported yet: install \"default\" in each cluster",
    };

    public bool IsDefaultRevision => Revision.Length == 0;

    /// <param name="error">As the command prints it.</param>
    /// <param name="files">Path and text of every -f, in order.</param>
    /// <param name="force">Takes values that nobody knows.</param>
    public static InstallSpec? Read(IReadOnlyList<(string Path, string Text)> files, IReadOnlyList<string> sets, string? revision, bool force, out string error)
    {
        error = "";
        var user = new JsonObject();
        foreach (var (path, text) in files)
        {
            if (Document(path, text, out error) is not { } document) return null;
            Overlay.Stack(user, document);
        }
        foreach (var set in sets)
        {
            if (SetPath.Apply(user.At("spec") as JsonObject ?? (JsonObject)(user["spec"] = new JsonObject()), set) is not { } problem) continue;
            error = problem;
            return null;
        }
        if (!string.IsNullOrEmpty(revision)) ((JsonObject)(user["spec"] ??= new JsonObject()))["revision"] = revision;

        var profile = user.At("spec", "profile").Text() ?? DefaultProfile;
        if (RefusedProfiles.TryGetValue(profile, out var refusal))
        {
            error = $"profile \"{profile}\" cannot be installed: {refusal}";
            return null;
        }
        if (Profile(profile) is not { } underneath)
        {
            error = $"merge inputs: profile \"{profile}\" not found; have {string.Join(", ", Profiles)}";
            return null;
        }

        var merged = Overlay.Of(underneath);
        MergeOperator(merged, user);
        var spec = (JsonObject)merged["spec"]!;
        if (!force && user["spec"] is JsonObject asked && SpecRules.Problem(asked) is { } unknown)
        {
            error = $"could not unmarshal: {unknown}";
            return null;
        }
        // What nobody checks, on top of what was checked.
        if (spec["unvalidatedValues"] is JsonObject anything) Overlay.Stack(spec.MapAt("values"), anything);
        var specNamespace = merged.At("metadata", "namespace").Text() ?? spec.At("values", "global", "istioNamespace").Text() ?? "istio-system";
        specNamespace = spec.At("values", "global", "istioNamespace").Text() ?? spec["namespace"].Text() ?? specNamespace;
        var named = spec["revision"].Text() ?? spec.At("values", "revision").Text() ?? "";
        return new(spec, specNamespace, named == "default" ? "" : named);
    }

    public static IReadOnlyList<string> Profiles => [.. Bundled.Names("profiles/").Select(name => name["profiles/".Length..])];

    /// <summary>Is the component switched on? Who names it and says nothing else wants it.</summary>
    public bool Enabled(string component) => Component(component) is { } one && IsOn(one);

    public JsonObject? Component(string name) => Spec.At("components", name) as JsonObject;

    /// <summary>The namespace of one component; that of the installation unless it says another.</summary>
    public string NamespaceOf(JsonObject? component) => component.At("namespace").Text() is { Length: > 0 } own ? own : Namespace;

    /// <summary>A gateway is wanted by its component, or in the older way by a value of its kind.</summary>
    public IEnumerable<(string Kind, JsonObject Gateway)> Gateways =>
        GatewaysOf("ingressGateways", "istio-ingressgateway").Concat(GatewaysOf("egressGateways", "istio-egressgateway"));

    private IEnumerable<(string Kind, JsonObject Gateway)> GatewaysOf(string component, string kind)
    {
        var byValue = Spec.At("values", "gateways", kind, "enabled").IsTrue();
        return Spec.At("components", component).Objects().Where(gateway => byValue || IsOn(gateway)).Select(gateway => (kind, gateway));
    }

    private static bool IsOn(JsonObject component) => component["enabled"] is not { } enabled || enabled.IsTrue();

    /// <summary>Values of one chart: its defaults, then hub and tag, then the user's. `values.pilot` is the control plane's root.</summary>
    /// <param name="component">What is said of the component: its own hub and tag.</param>
    public JsonObject ChartValues(string chart, JsonObject? component = null)
    {
        var values = Spec["values"] as JsonObject ?? [];
        var global = new JsonObject();
        if (Spec["hub"] is { } hub) global["hub"] = hub.DeepClone();
        if (Spec["tag"].Text() is { } tag) global["tag"] = tag;
        var merged = Overlay.Of(Chart.DefaultValues(chart), new JsonObject { ["global"] = global }, values);
        if (chart == "istiod")
        {
            if (values["pilot"] is JsonObject pilot) Overlay.Onto(merged, pilot);
            Overlay.Onto(merged, K8sSettings.Values(component?["k8s"] as JsonObject));
            foreach (var name in (string[])["hub", "tag"])
                if (component?[name] is { } own) merged[name] = own.DeepClone(); // of the control plane alone: the proxies keep the mesh's
            if (Spec["meshConfig"] is JsonObject mesh) Overlay.Onto(merged, new JsonObject { ["meshConfig"] = mesh.DeepClone() });
            if (Enabled("cni")) Overlay.Onto(merged, new JsonObject { ["cni"] = new JsonObject { ["enabled"] = true } });
            else if (merged["cni"] is JsonObject cni) cni["enabled"] = false; // the component decides, not the value
            merged.Remove("pilot");
        }
        merged["revision"] = Revision;
        return merged;
    }

    private static JsonObject? Profile(string name)
    {
        if (Bundled.Text("profiles/" + name) is not { } text) return null;

        var profile = (JsonObject)YamlJson.Read(Bundled.Text("profiles/" + DefaultProfile)!)!;
        if (name != DefaultProfile) MergeOperator(profile, (JsonObject)YamlJson.Read(text)!);
        ((JsonObject)profile["spec"]!)["profile"] = name;
        return profile;
    }

    private static JsonObject? Document(string path, string text, out string error)
    {
        error = "";
        var documents = YamlReader.Read(text, path, out var broken);
        if (broken is not null)
        {
            error = $"merge inputs: unable to parse file: error converting YAML to JSON: yaml: line {broken.Origin.Line}: {broken.Message}";
            return null;
        }
        if (documents.Count == 0) return [];
        if (documents.Count > 1 || YamlJson.Of(documents[0]) is not JsonObject document)
        {
            error = $"merge inputs: {path}: one IstioOperator is wanted";
            return null;
        }
        if (document["kind"].Text() is { } kind && kind != "IstioOperator")
        {
            error = $"merge inputs: {path}: kind {kind} is not IstioOperator";
            return null;
        }
        return document;
    }

    /// <summary>Lists of gateways merge by name; all else merges as values do.</summary>
    private static void MergeOperator(JsonObject under, JsonObject over)
    {
        var lists = new Dictionary<string, JsonArray>();
        var copy = (JsonObject)over.DeepClone();
        foreach (var list in (string[])["ingressGateways", "egressGateways"])
        {
            if (copy.At("spec", "components", list) is not JsonArray added) continue;
            var existing = under.At("spec", "components", list) as JsonArray ?? [];
            lists[list] = ByName(existing, added);
            ((JsonObject)copy["spec"]!["components"]!).Remove(list);
        }
        Overlay.Stack(under, copy);
        foreach (var (name, list) in lists)
            ((JsonObject)((JsonObject)under["spec"]!)["components"]!)[name] = list;
    }

    private static JsonArray ByName(JsonArray existing, JsonArray added)
    {
        var merged = existing.OfType<JsonObject>().Select(gateway => (JsonObject)gateway.DeepClone()).ToList();
        foreach (var gateway in added.OfType<JsonObject>())
        {
            var same = merged.Find(other => other["name"].Text() == gateway["name"].Text());
            if (same is null) merged.Add((JsonObject)gateway.DeepClone());
            else Overlay.Onto(same, gateway);
        }
        return new([.. merged]);
    }
}
