using System.Runtime.CompilerServices;
using Mesh.Model.Resources;
using Mesh.Model.Translate;
using Mesh.Model.Validation;

namespace Mesh.ControlPlane.Serve;

/// <summary>Says of each EnvoyFilter which of its patches are left out, and why: in the log once, and in the list of what is refused while it lasts.</summary>
internal sealed class PatchRefusals(RefusedResources refused, ILogger<PatchRefusals> log)
{
    private readonly ConditionalWeakTable<EnvoyFilter, IReadOnlyList<Finding>> known = [];

    public void Take(PublishedWorld world) => refused.Parts =
        [.. world.World.Policies.Patches.All.Select(filter => new RefusedResource(filter.Meta.Origin.File, filter.Meta.Key, FindingsOf(filter))).Where(one => one.Findings.Count > 0)];

    private IReadOnlyList<Finding> FindingsOf(EnvoyFilter filter)
    {
        if (known.TryGetValue(filter, out var findings)) return findings;

        findings = [.. PatchReader.Check(filter).Select(issue => new Finding($"this patch is left out: {issue.Message}", issue.Origin, issue.Path))];
        foreach (var finding in findings) log.LogWarning("{Place}: {Resource}: {Field} {Message}", finding.Origin, filter.Meta.Key, finding.Field, finding.Message);
        known.Add(filter, findings);
        return findings;
    }
}
