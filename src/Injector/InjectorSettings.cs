using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>Whether the proxy may be an init container that keeps running (Kubernetes 1.33 and later).</summary>
public enum NativeSidecarMode { Auto, Enabled, Disabled }

/// <summary>A ProxyConfig resource: settings of the proxies of a mesh, a namespace or one workload. Oldest first.</summary>
public sealed record ProxyConfigResource(string Namespace, IReadOnlyDictionary<string, string> MatchLabels, JsonObject Spec);

/// <summary>Everything that decides how a pod is injected, apart from the pod. Immutable; replaced whole.</summary>
public sealed record InjectorSettings
{
    /// <summary>The chart's values, defaults included.</summary>
    public required JsonObject Values { get; init; }

    /// <summary>As the user wrote it; defaults are ours to know.</summary>
    public required JsonObject MeshConfig { get; init; }

    /// <summary>Throws <see cref="FormatException"/> for text that is not YAML. Given by the host, since this project reads only JSON.</summary>
    public required Func<string, JsonNode?> ReadYaml { get; init; }

    /// <summary>Empty for the default revision.</summary>
    public string Revision { get; init; } = "";
    /// <summary>"enabled" or "disabled": what happens to pods that say nothing about injection. Anything else injects nothing.</summary>
    public string Policy { get; init; } = "enabled";
    public ImmutableArray<string> DefaultTemplates { get; init; } = ["sidecar"];
    /// <summary>Name → text of the templates a user added.</summary>
    public ImmutableDictionary<string, string> CustomTemplates { get; init; } = ImmutableDictionary<string, string>.Empty;
    public ImmutableDictionary<string, ImmutableArray<string>> Aliases { get; init; } = ImmutableDictionary<string, ImmutableArray<string>>.Empty;
    public ImmutableArray<LabelSelector> NeverInject { get; init; } = [];
    public ImmutableArray<LabelSelector> AlwaysInject { get; init; } = [];
    public ImmutableDictionary<string, string> InjectedAnnotations { get; init; } = ImmutableDictionary<string, string>.Empty;
    public NativeSidecarMode NativeSidecars { get; init; } = NativeSidecarMode.Auto;
    public ImmutableArray<ProxyConfigResource> ProxyConfigs { get; init; } = [];

    /// <summary>Reads the parts that the chart's values hold.</summary>
    public static InjectorSettings From(JsonObject values, JsonObject meshConfig, string revision, Func<string, JsonNode?> readYaml)
    {
        var webhook = values.At("sidecarInjectorWebhook");
        var templates = webhook.At("defaultTemplates").Texts().ToImmutableArray();
        return new()
        {
            Values = values,
            MeshConfig = meshConfig,
            ReadYaml = readYaml,
            Revision = revision == "default" ? "" : revision,
            Policy = values.At("global", "proxy", "autoInject").Text() ?? "enabled",
            DefaultTemplates = templates.IsEmpty ? ["sidecar"] : templates,
            CustomTemplates = webhook.At("templates").Strings().ToImmutableDictionary(),
            Aliases = AliasesFrom(webhook.At("aliases")),
            NeverInject = SelectorsFrom(webhook.At("neverInjectSelector")),
            AlwaysInject = SelectorsFrom(webhook.At("alwaysInjectSelector")),
            InjectedAnnotations = webhook.At("injectedAnnotations").Strings().ToImmutableDictionary(),
        };
    }

    /// <summary>From the ConfigMaps istio-sidecar-injector (keys config and values) and istio (key mesh), as the installation wrote them.</summary>
    /// <exception cref="FormatException">One of the texts is not YAML, or no map.</exception>
    public static InjectorSettings FromConfigMaps(string config, string values, string mesh, string revision, Func<string, JsonNode?> readYaml)
    {
        var settings = From(Map("values", values), Map("mesh", mesh), revision, readYaml);
        var stated = Map("config", config);
        var templates = stated["defaultTemplates"].Texts().ToImmutableArray();
        return settings with
        {
            Policy = stated["policy"].Text() ?? settings.Policy,
            DefaultTemplates = templates.IsEmpty ? settings.DefaultTemplates : templates,
            // Templates of Istio's own names would be Istio's: ours are part of the program. What differs is the user's.
            CustomTemplates = stated["templates"].Strings().ToImmutableDictionary().SetItems(settings.CustomTemplates),
            Aliases = stated["aliases"] is JsonObject ? AliasesFrom(stated["aliases"]) : settings.Aliases,
            NeverInject = stated.ContainsKey("neverInjectSelector") ? SelectorsFrom(stated["neverInjectSelector"]) : settings.NeverInject,
            AlwaysInject = stated.ContainsKey("alwaysInjectSelector") ? SelectorsFrom(stated["alwaysInjectSelector"]) : settings.AlwaysInject,
            InjectedAnnotations = stated["injectedAnnotations"] is JsonObject ? stated["injectedAnnotations"].Strings().ToImmutableDictionary() : settings.InjectedAnnotations,
        };

        JsonObject Map(string what, string text) => readYaml(text) switch
        {
            JsonObject map => map,
            null => [],
            _ => throw new FormatException($"{what} is not a map"),
        };
    }

    public static NativeSidecarMode ParseNativeSidecars(string? text) => text?.ToLowerInvariant() switch
    {
        "true" => NativeSidecarMode.Enabled,
        "false" => NativeSidecarMode.Disabled,
        _ => NativeSidecarMode.Auto,
    };

    private static ImmutableArray<LabelSelector> SelectorsFrom(JsonNode? list) =>
        [.. list.Objects().Select(LabelSelector.Parse).OfType<LabelSelector>()];

    private static ImmutableDictionary<string, ImmutableArray<string>> AliasesFrom(JsonNode? map) =>
        map is JsonObject aliases
            ? aliases.ToImmutableDictionary(alias => alias.Key, alias => alias.Value.Texts().ToImmutableArray())
            : ImmutableDictionary<string, ImmutableArray<string>>.Empty;
}
