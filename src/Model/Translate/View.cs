using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>One World as one kind of proxy sees it; what every part of the translation reads.</summary>
internal sealed class View(World.World world, ProxyShape shape, Scope scope)
{
    private PatchSet? patches;
    private ClientKind? client;

    public World.World World { get; } = world;
    public ProxyShape Shape { get; } = shape;
    public Scope Scope { get; } = scope;
    public MeshConfig Mesh => World.Mesh;

    public PatchSet Patches => patches ??= PatchSet.For(this);

    /// <summary>The proxy as its clusters know it: with what its Gateway lets it present to backends.</summary>
    public ClientKind Client => client ??= Shape.Kind with { BackendCredential = Shape.Kind.IsGateway ? GatewayServers.BackendCredential(this) : "" };

    /// <summary>The labels, where some rule asks for them; else none, so that callers share what they are sent.</summary>
    public LabelSet LabelsThatMatter => Scope.Registry.LabelsMatter ? Shape.Labels : LabelSet.Empty;

    public MergedRule? RuleFor(MeshService service) => Scope.RuleFor(service, Shape.Labels);

    /// <summary>The service behind a host in a destination: what the scope shows; for gateways anything visible.</summary>
    public MeshService? Find(string host) => Scope.Find(host);

    public RouteContext Routes(int port, params string[] gateways) => new(
        Mesh, Find, RuleFor, [.. gateways], port, Shape.Labels, Shape.Namespace, Shape.Kind.IsGateway);

    /// <summary>The policy that holds for a service's port or subset.</summary>
    public TrafficPolicy PolicyOf(MeshService service, int port, string subset)
    {
        var rule = RuleFor(service);
        return EffectivePolicy.For(rule, rule?.Subsets.FirstOrDefault(one => one.Name == subset), port, Mesh);
    }
}
