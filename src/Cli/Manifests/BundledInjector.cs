using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Model.Yaml;

namespace Mesh.Cli.Manifests;

/// <summary>The injector's settings as an installation of this program would write them: for work without a cluster.</summary>
internal static class BundledInjector
{
    public static (string Config, string Values, string Mesh) Texts(InstallSpec spec)
    {
        var objects = Manifest.Render(spec).SelectMany(component => component.Objects).ToList();
        var suffix = spec.IsDefaultRevision ? "" : "-" + spec.Revision;
        JsonNode? Data(string name) => objects.First(o => o["kind"].Text() == "ConfigMap" && o.At("metadata", "name").Text() == name + suffix)["data"];
        var injector = Data("istio-sidecar-injector");
        return (injector.At("config").Text()!, injector.At("values").Text()!, Data("istio").At("mesh").Text()!);
    }
}
