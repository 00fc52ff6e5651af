using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>
/// The way in: a World and a proxy's introduction become the xDS resources for that proxy.
/// <code>
/// var builder = new WorldBuilder(mesh);                       // one owner
/// builder.Apply(ResourceReader.Read(node, out var issues)!);  // every accepted resource; Remove(key) for a deleted one
/// var world = builder.Build();                                // immutable; the same object while nothing changed
/// var proxy = ProxyNodes.From(discoveryRequest.Node);         // or ProxyNode.Parse(...)
/// var config = translator.For(world, proxy);                  // any thread; shared between proxies of one kind
/// config.Of(typeUrl).All                                      // name, version, bytes
/// config.Clusters.Since(sentBefore.Clusters)                  // computed once for all proxies of a kind
/// </code>
/// Pure: equal inputs give equal bytes. Results are memoised by their inputs alone.
/// </summary>
public sealed class Translator
{
    private readonly ViewCache views = new();

    public ProxyConfiguration For(World.World world, ProxyNode proxy) => views.For(world, proxy);
}
