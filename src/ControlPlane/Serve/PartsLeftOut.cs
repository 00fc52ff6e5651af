using System.Runtime.CompilerServices;
using Mesh.Model.Resources;
using Mesh.Model.Validation;
using Mesh.Model.World;
using Resource = Mesh.Model.Resources.Resource;

namespace Mesh.ControlPlane.Serve;

/// <summary>Says of each resource that is in force in part only what is left out, and why: in the log once, and in the lists while it lasts.</summary>
internal sealed class PartsLeftOut(RefusedResources refused, ILogger<PartsLeftOut> log)
{
    private readonly ConditionalWeakTable<Resource, IReadOnlyList<Finding>> told = [];

    public void Take(PublishedWorld world)
    {
        var parts = LeftOut.Of(world.World).Where(one => one.Findings.Count > 0).ToList();
        foreach (var (resource, findings) in parts) Tell(resource, findings);
        refused.Parts = [.. parts.Where(one => one.Resource is EnvoyFilter).Select(Row)];
        refused.WithoutEffect = [.. parts.Where(one => one.Resource is not EnvoyFilter).Select(Row)];
    }

    private static RefusedResource Row((Resource Resource, IReadOnlyList<Finding> Findings) one) => new(one.Resource.Meta.Origin.File, one.Resource.Meta.Key, one.Findings);

    private void Tell(Resource resource, IReadOnlyList<Finding> findings)
    {
        if (told.TryGetValue(resource, out var before) && before.SequenceEqual(findings)) return;

        foreach (var finding in findings) log.LogWarning("{Place}: {Resource}: {Field} {Message}", finding.Origin, resource.Meta.Key, finding.Field, finding.Message);
        told.AddOrUpdate(resource, findings);
    }
}
