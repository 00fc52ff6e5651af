using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Serve;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Resources;
using Mesh.Model.Yaml;
using Resource = Mesh.Model.Resources.Resource;

namespace Mesh.ControlPlane.Kube;

/// <summary>
/// The injector's settings as the ConfigMaps of this revision hold them now. Null until they have been read; a broken change leaves the
/// former ones in force.
/// </summary>
internal sealed class InjectorConfig : IKubeSink
{
    private readonly Options options;
    private readonly ILogger<InjectorConfig> log;
    private readonly NativeSidecarMode native;
    private readonly Lock guard = new();
    private (string Config, string Values, string Mesh) texts = ("", "", "");
    private InjectorSettings? fromMaps;
    private volatile InjectorSettings? current;
    private ImmutableArray<Injector.ProxyConfigResource> proxyConfigs = [];

    public InjectorConfig(Options options, KubeOptions kube, WorldFeed feed, ILogger<InjectorConfig> log)
    {
        (this.options, this.log) = (options, log);
        native = InjectorSettings.ParseNativeSidecars(kube.NativeSidecars);
        feed.Published += world => TakeProxyConfigs(world.World.Resources.OfType<Model.Resources.ProxyConfigResource>());
    }

    public InjectorSettings? Current => current;

    private string Suffix => options.Revision is "default" or "" ? "" : "-" + options.Revision;

    public void Replace(IReadOnlyList<JsonElement> objects)
    {
        foreach (var item in objects) Changed(item);
    }

    public void Changed(JsonElement item)
    {
        var name = item.GetProperty("metadata").GetProperty("name").GetString();
        lock (guard)
        {
            var next = texts;
            if (name == "istio-sidecar-injector" + Suffix) next = next with { Config = Data(item, "config"), Values = Data(item, "values") };
            else if (name == "istio" + Suffix) next = next with { Mesh = Data(item, "mesh") };
            if (next == texts) return;

            texts = next;
            if (next.Config.Length == 0) return;
            try
            {
                fromMaps = InjectorSettings.FromConfigMaps(next.Config, next.Values, next.Mesh, options.Revision, YamlJson.Read) with { NativeSidecars = native };
                Publish();
            }
            catch (FormatException e)
            {
                log.LogWarning("the injector's ConfigMap {Name} cannot be read, the former settings stay: {Reason}", name, e.Message);
            }
        }
    }

    public void Deleted(JsonElement item)
    {
        // A ConfigMap that is being replaced is gone for a moment; pods are to be injected all the same.
    }

    public void Trouble(string sentence)
    {
        // The store beside us says it.
    }

    private void TakeProxyConfigs(IEnumerable<Model.Resources.ProxyConfigResource> resources)
    {
        var ordered = resources.ToList();
        ordered.Sort(Resource.ByAge);
        lock (guard)
        {
            proxyConfigs = [.. ordered.Select(Convert)];
            Publish();
        }
    }

    private void Publish()
    {
        if (fromMaps is not null) current = fromMaps with { ProxyConfigs = proxyConfigs };
    }

    private static Injector.ProxyConfigResource Convert(Model.Resources.ProxyConfigResource resource)
    {
        var spec = new JsonObject();
        if (resource.Concurrency is { } concurrency) spec["concurrency"] = concurrency;
        if (resource.ImageType.Length > 0) spec["image"] = new JsonObject { ["imageType"] = resource.ImageType };
        var variables = new JsonObject();
        foreach (var (key, value) in resource.Environment.Pairs) variables[key] = value;
        if (variables.Count > 0) spec["environmentVariables"] = variables;
        return new(resource.Namespace, resource.Selector.Pairs.ToDictionary(label => label.Key, label => label.Value), spec);
    }

    private static string Data(JsonElement map, string key) =>
        map.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Object && data.TryGetProperty(key, out var text) && text.ValueKind == JsonValueKind.String ? text.GetString()! : "";
}
