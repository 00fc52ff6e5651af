using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.Translate;
using Mesh.Model.Validation;
using Resource = Mesh.Model.Resources.Resource;

namespace Mesh.Model.World;

/// <summary>What of a valid resource has no effect here: patches that no filter of this mesh understands, providers that proxies do not write to. The rest of it holds.</summary>
public static class LeftOut
{
    /// <summary>Every resource that may be in force in part only, with nothing where all of it is.</summary>
    public static IEnumerable<(Resource Resource, IReadOnlyList<Finding> Findings)> Of(World world) =>
        world.Policies.Patches.All.Select(filter => ((Resource)filter, OfPatches(filter)))
            .Concat(world.Policies.Telemetry.All.Select(telemetry => ((Resource)telemetry, OfProviders(telemetry, world.Mesh))));

    public static IReadOnlyList<Finding> OfPatches(EnvoyFilter filter) =>
        [.. PatchReader.Check(filter).Select(issue => new Finding($"this patch is left out: {issue.Message}", issue.Origin, issue.Path))];

    public static IReadOnlyList<Finding> OfProviders(Telemetry telemetry, MeshConfig mesh)
    {
        var findings = new List<Finding>();
        Check("metrics", ProviderKinds.Metrics, telemetry.Metrics.Select(entry => entry.Providers));
        Check("accessLogging", ProviderKinds.Logs, telemetry.Logging.Select(entry => entry.Providers));
        Check("tracing", ProviderKinds.Traces, telemetry.Tracing.Select(entry => entry.Providers));
        return findings;

        void Check(string part, string[] supported, IEnumerable<ImmutableArray<string>> named)
        {
            foreach (var (names, entry) in named.Select((names, index) => (names, index)))
                foreach (var (name, index) in names.Select((name, index) => (name, index)))
                    if (mesh.Provider(name) is { } provider && !supported.Contains(provider.Kind))
                        findings.Add(new($"provider '{name}' is of type {provider.Kind}, which proxies do not write to; supported here: {string.Join(", ", supported)}",
                            telemetry.Meta.Origin, $"spec.{part}[{entry}].providers[{index}].name"));
        }
    }
}
