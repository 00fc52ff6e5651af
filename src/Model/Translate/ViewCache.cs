using System.Collections.Concurrent;
using System.Collections.Immutable;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>The configurations of one World by shape, built on demand, and those of the World before, from which unchanged sets are taken over.</summary>
internal sealed class ViewCache
{
    private readonly Lock gate = new();
    private readonly Parts parts = new();
    private Generation current = new(null, []);

    public ProxyConfiguration For(World.World world, ProxyNode proxy)
    {
        var shape = ProxyShape.Of(proxy, world.Mesh);
        if (!proxy.IsGateway && world.Registry.SidecarFor(proxy.Namespace, proxy.Labels)?.Ingress.Any(InboundTargets.NamesOwnAddress) == true)
            shape = shape with { Ip = proxy.Ip };
        var generation = GenerationOf(world);
        return generation.Built.GetOrAdd(shape, key => new(() => Build(world, key, generation.Before.GetValueOrDefault(key)))).Value;
    }

    private ProxyConfiguration Build(World.World world, ProxyShape shape, ProxyConfiguration? before)
    {
        var scope = world.Registry.ScopeOf(shape.Namespace, shape.Kind.IsGateway ? null : world.Registry.SidecarFor(shape.Namespace, shape.Labels));
        var view = new View(world, shape, scope);
        return shape.Kind.IsGateway ? GatewayTranslation.Build(view, parts, before) : SidecarTranslation.Build(view, parts, before);
    }

    private Generation GenerationOf(World.World world)
    {
        lock (gate)
        {
            if (ReferenceEquals(current.World, world)) return current;
            // A straggler that still asks for an older World is answered, but not remembered.
            if (current.World is { } newest && newest.Version > world.Version) return new(world, []);
            var before = new Dictionary<ProxyShape, ProxyConfiguration>(current.Before);
            foreach (var (shape, built) in current.Built)
                if (built.IsValueCreated) before[shape] = built.Value;
            return current = new(world, Recent(before));
        }
    }

    /// <summary>Shapes that nobody asked for in a while are forgotten once there are many.</summary>
    private Dictionary<ProxyShape, ProxyConfiguration> Recent(Dictionary<ProxyShape, ProxyConfiguration> before)
    {
        const int shapesMax = 20_000;
        return before.Count <= shapesMax ? before : current.Built.Where(pair => pair.Value.IsValueCreated).ToDictionary(pair => pair.Key, pair => pair.Value.Value);
    }

    private sealed class Generation(World.World? world, Dictionary<ProxyShape, ProxyConfiguration> before)
    {
        public World.World? World { get; } = world;
        public Dictionary<ProxyShape, ProxyConfiguration> Before { get; } = before;
        public ConcurrentDictionary<ProxyShape, Lazy<ProxyConfiguration>> Built { get; } = new();
    }
}
