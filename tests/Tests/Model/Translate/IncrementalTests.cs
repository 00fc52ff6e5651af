using CsCheck;
using Mesh.Model.Resources;
using Mesh.Model.Translate;
using Mesh.Model.World;
using Mesh.Model.Yaml;
using Mesh.Xds;
using Node = Mesh.Model.Yaml.Node;
using ResourceReader = Mesh.Model.Resources.ResourceReader;

namespace Mesh.Tests.Model.Translations;

/// <summary>
/// Whatever is remembered from one version of the world to the next, a proxy is sent what a control plane would send that starts now. Random changes, of every
/// kind that some memory could overlook, are compared with a translation from nothing after each step.
/// </summary>
public sealed class IncrementalTests
{
    private static readonly string[] Types = [TypeUrl.Cluster, TypeUrl.Endpoints, TypeUrl.Listener, TypeUrl.Routes, TypeUrl.VirtualHost, TypeUrl.Secret, TypeUrl.NameTable];

    private static readonly ProxyNode[] Proxies =
    [
        Sidecar("web", "shop", "r1/z1", apart: true, dns: false, "app: web, version: v1"),
        Sidecar("web2", "shop", "r1/z2", apart: false, dns: true, "app: web, version: v2"),
        Sidecar("db", "data", "r2/z1", apart: true, dns: true, "app: db"),
        Sidecar("lone", "other", "", apart: false, dns: false, "app: lone"),
        Gateway(),
    ];

    [Fact]
    public void After_any_changes_a_proxy_is_sent_what_a_control_plane_that_starts_now_would_send()
    {
        var slot = Gen.Int[0, ResourceVariants.All.Length - 1];
        Gen.Select(slot, Gen.Int[0, 3]).List[4, 22].Holds(steps => Follow(steps), cases: 45);
    }

    [Fact]
    public void Each_change_alone_and_taken_back_is_seen_by_all_proxies_that_it_concerns()
    {
        for (var slot = 0; slot < ResourceVariants.All.Length; slot++)
            Follow([(slot, 1), (slot, 2), (slot, 3), (slot, 1), (slot, 0), (slot, 2)]);
    }

    private static void Follow(IReadOnlyList<(int Slot, int Variant)> steps)
    {
        var present = new Dictionary<int, Resource>();
        for (var i = 0; i < ResourceVariants.All.Length; i++)
            if (ResourceVariants.All[i].StartsPresent && Read(i, 1) is { } first) present[i] = first;
        var mesh = MeshConfig.Default;
        var (builder, translator) = (new WorldBuilder(mesh), new Translator());
        foreach (var resource in present.Values) builder.Apply(resource);
        Compare("at first");

        foreach (var (slot, variant) in steps)
        {
            if (ResourceVariants.All[slot].Variants(variant) is { } text && text.StartsWith("mesh:", StringComparison.Ordinal))
                builder.Mesh = mesh = MeshConfig.Parse(text["mesh:".Length..], "mesh", out _)!;
            else if (Read(slot, variant) is { } now)
            {
                present[slot] = now;
                builder.Apply(now);
            }
            else if (present.Remove(slot, out var gone)) builder.Remove(gone.Meta.Key);
            Compare($"after {ResourceVariants.All[slot].Name} became {variant}, in {string.Join(" ", steps.Select(step => $"({step.Slot}, {step.Variant})"))}");
        }

        void Compare(string when)
        {
            var fresh = new WorldBuilder(mesh);
            foreach (var resource in present.Values) fresh.Apply(resource);
            var (remembered, anew) = (builder.Build(), fresh.Build());
            var starting = new Translator();
            foreach (var proxy in Proxies)
            {
                var (kept, made) = (translator.For(remembered, proxy), starting.For(anew, proxy));
                foreach (var type in Types) AssertSame(made.Of(type), kept.Of(type), $"{TypeUrl.ShortName(type)} of {proxy.Name} {when}");
            }
        }
    }

    private static void AssertSame(ResourceSet made, ResourceSet kept, string where)
    {
        var differs = made.All.Where(resource => kept.Find(resource.Name)?.Version != resource.Version).Select(resource => resource.Name)
            .Concat(kept.All.Where(resource => made.Find(resource.Name) is null).Select(resource => "-" + resource.Name)).ToList();
        if (differs.Count > 0) Assert.Fail($"{where}: {string.Join(", ", differs)}\nanew: {Text(made, differs[0])}\nkept: {Text(kept, differs[0])}");
        Assert.Equal(made.All.Select(resource => resource.Name), kept.All.Select(resource => resource.Name));
    }

    private static string Text(ResourceSet set, string name) => set.Find(name.TrimStart('-')) is { } found ? found.ToAny().ToString() : "none";

    private static Resource? Read(int slot, int variant) => ResourceVariants.All[slot].Variants(variant) is { } yaml ? Resource(yaml) : null;

    private static Resource Resource(string yaml)
    {
        var document = Assert.Single(YamlReader.Read(yaml, "variant", out var error));
        Assert.Null(error);
        var resource = ResourceReader.Read(document, out var issues);
        Assert.True(issues.Count == 0, $"{string.Join("; ", issues)} in\n{yaml}");
        return resource!;
    }

    private static ProxyNode Sidecar(string name, string ns, string locality, bool apart, bool dns, string labels) => ProxyNode.Parse(
        $"sidecar~10.9.0.1~{name}.{ns}~{ns}.svc.cluster.local", "", locality.Length > 0 ? Locality.Parse(locality) : Locality.None, Metadata(
            $"{{NAMESPACE: {ns}, SERVICE_ACCOUNT: {name}, LABELS: {{{labels}}}, ISTIO_FILTERS: \"true\", NODE_NAME: n1, VHDS: \"{(apart ? "true" : "false")}\", DNS_CAPTURE: \"{(dns ? "true" : "false")}\"}}"))!;

    private static ProxyNode Gateway() => ProxyNode.Parse(
        "router~10.9.0.9~ingress.istio-system~istio-system.svc.cluster.local", "", Locality.None,
        Metadata("{NAMESPACE: istio-system, SERVICE_ACCOUNT: ingress, LABELS: {istio: ingressgateway}, ISTIO_FILTERS: \"true\"}"))!;

    private static Node Metadata(string yaml) => YamlReader.Read(yaml, "node", out _).Single();
}
