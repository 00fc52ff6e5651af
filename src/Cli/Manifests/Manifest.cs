using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Model.Schema;

namespace Mesh.Cli.Manifests;

/// <summary>The objects of one part of an installation.</summary>
internal sealed record Component(string Name, string Title, IReadOnlyList<JsonObject> Objects);

/// <summary>From what is wanted to the objects that make it so.</summary>
internal static class Manifest
{
    public const string OwnerLabel = "install.operator.istio.io/owning-resource";
    public const string ComponentLabel = "operator.istio.io/component";
    public const string ManagedLabel = "operator.istio.io/managed";
    public const string RevisionLabel = "istio.io/rev";

    /// <exception cref="FormatException">The values do not fit the charts.</exception>
    public static IReadOnlyList<Component> Render(InstallSpec spec)
    {
        var components = new List<Component>();
        if (spec.Enabled("base"))
            components.Add(Make("Base", "Istio core", [.. Crds(), .. Chart.Render("base", spec.ChartValues("base"), spec.Namespace)], spec));
        if (spec.Enabled("pilot"))
        {
            var pilot = spec.Component("pilot");
            var objects = Chart.Render("istiod", spec.ChartValues("istiod", pilot), spec.NamespaceOf(pilot));
            K8sSettings.Apply(pilot.At("k8s") as JsonObject, objects);
            components.Add(Make("Pilot", "Istiod", objects, spec));
        }

        var gateways = spec.Gateways.ToList();
        foreach (var (name, title, kind) in ((string, string, string)[])[("IngressGateways", "Ingress gateways", "istio-ingressgateway"), ("EgressGateways", "Egress gateways", "istio-egressgateway")])
        {
            var objects = gateways.Where(gateway => gateway.Kind == kind).SelectMany(gateway => Gateway(spec, kind, gateway.Gateway)).ToList();
            if (objects.Count > 0) components.Add(Make(name, title, objects, spec));
        }
        return components;
    }

    /// <summary>All objects in the order in which they can be applied.</summary>
    public static IReadOnlyList<JsonObject> InOrder(IEnumerable<Component> components) =>
        [.. components.SelectMany(component => component.Objects).OrderBy(o => ApplyOrder.Of(o["kind"].Text() ?? "")).ThenBy(o => o["kind"].Text(), StringComparer.Ordinal).ThenBy(o => o.At("metadata", "name").Text(), StringComparer.Ordinal)];

    private static IEnumerable<JsonObject> Gateway(InstallSpec spec, string kind, JsonObject gateway)
    {
        var values = spec.ChartValues("gateways");
        var settings = Overlay.Of(values.At("gateways", kind) as JsonObject, new JsonObject { ["enabled"] = true });
        Overlay.Onto(settings, K8sSettings.Values(gateway["k8s"] as JsonObject));
        if (gateway["name"].Text() is { Length: > 0 } name) settings["name"] = name;
        if (gateway["label"] is JsonObject labels) settings["labels"] = Overlay.Of(settings["labels"] as JsonObject, labels);
        values["gateways"] = new JsonObject { [kind] = settings };
        var objects = Chart.Render("gateways", values, spec.NamespaceOf(gateway));
        K8sSettings.Apply(gateway["k8s"] as JsonObject, objects);
        return objects;
    }

    private static Component Make(string name, string title, IReadOnlyList<JsonObject> objects, InstallSpec spec)
    {
        foreach (var item in objects)
        {
            if (!item.At("metadata", "labels").IsEmpty() || item["metadata"] is JsonObject)
            {
                var labels = (JsonObject)(((JsonObject)item["metadata"]!)["labels"] ??= new JsonObject());
                labels[OwnerLabel] = "unknown";
                labels[ComponentLabel] = name;
                labels[ManagedLabel] = "Reconcile";
                // CRDs belong to no revision: the last one to go must not take them from the others.
                if (item["kind"].Text() != "CustomResourceDefinition") labels[RevisionLabel] = spec.IsDefaultRevision ? "default" : spec.Revision;
            }
        }
        return new(name, title, objects);
    }

    private static IEnumerable<JsonObject> Crds() => CrdManifest.Kinds.Select(CrdManifest.Of);
}
