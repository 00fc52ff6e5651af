using System.Runtime.CompilerServices;
using Mesh.Model.Translate;
using Mesh.Model.World;
using Mesh.Xds;
using Encoded = Mesh.Xds.NamedResource;
using EncodedSet = Mesh.Xds.ResourceSet;
using TranslatedSet = Mesh.Model.Translate.ResourceSet;

namespace Mesh.ControlPlane.Serve;

/// <summary>
/// From the translator's resources to what goes on the wire: each resource is framed once, each set turned once, however many proxies see it.
/// What nobody holds any more is forgotten.
/// </summary>
internal sealed class ServedResources(Translator translator)
{
    private readonly ConditionalWeakTable<TranslatedSet, EncodedSet> sets = [];
    private readonly ConditionalWeakTable<Model.Translate.NamedResource, Encoded> resources = [];

    public ProxyConfiguration For(World world, ProxyNode proxy) => translator.For(world, proxy);

    public EncodedSet Of(ProxyConfiguration configuration, string typeUrl) =>
        sets.GetValue(configuration.Of(typeUrl), set => EncodedSet.Of(typeUrl, set.All.Select(Framed)));

    private Encoded Framed(Model.Translate.NamedResource resource) =>
        resources.GetValue(resource, r => Encoded.Of(r.Name, r.TypeUrl, r.Body));
}
