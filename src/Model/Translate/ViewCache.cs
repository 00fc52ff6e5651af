using System.Collections.Concurrent;
using System.Collections.Immutable;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>The configurations of one World by shape, built on demand, and those of the World before, from which unchanged sets are taken over.</summary>
internal sealed class ViewCache
{
    // A connected proxy is asked for at nearly every World; what nobody asked for in so many of them is of proxies that left, and would pin old bytes.
    private const int GenerationsMax = 16;

    private readonly Lock gate = new();
    private readonly Parts parts = new();
    private Generation current = new(null, []);

    public ProxyConfiguration For(World.World world, ProxyNode proxy)
    {
        var shape = ProxyShape.Of(proxy, world.Mesh);
        if (!proxy.IsGateway && world.Registry.SidecarFor(proxy.Namespace, proxy.Labels)?.Ingress.Any(InboundTargets.NamesOwnAddress) == true)
            shape = shape with { Ip = proxy.Ip };
        var generation = GenerationOf(world);
        return generation.Built.GetOrAdd(shape, key => new(() => Build(world, key, generation.Before.GetValueOrDefault(key)?.Configuration))).Value;
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
            var before = new Dictionary<ProxyShape, Former>(current.Before.Count);
            foreach (var (shape, former) in current.Before)
                if (former.Age < GenerationsMax) before[shape] = former with { Age = former.Age + 1 };
            foreach (var (shape, built) in current.Built)
                if (built.IsValueCreated) before[shape] = new(built.Value, 0);
            return current = new(world, before);
        }
    }

    private sealed record Former(ProxyConfiguration Configuration, int Age);

    private sealed class Generation(World.World? world, Dictionary<ProxyShape, Former> before)
    {
        public World.World? World { get; } = world;
        public Dictionary<ProxyShape, Former> Before { get; } = before;
        public ConcurrentDictionary<ProxyShape, Lazy<ProxyConfiguration>> Built { get; } = new();
    }
}
