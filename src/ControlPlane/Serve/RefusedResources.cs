using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.Validation;

namespace Mesh.ControlPlane.Serve;

/// <summary>What was not accepted, and why. Null as key: the file itself could not be read.</summary>
public sealed record RefusedResource(string File, ResourceKey? Key, IReadOnlyList<Finding> Findings);

/// <summary>The list of what is refused now, for logs, metrics and tools. Any thread.</summary>
internal sealed class RefusedResources
{
    private ImmutableList<RefusedResource> all = [];
    private IReadOnlyList<RefusedResource> parts = [], withoutEffect = [];
    private readonly Lock guard = new();

    public IReadOnlyList<RefusedResource> All => Volatile.Read(ref all);

    /// <summary>Resources that are in force, but not whole: patches of an EnvoyFilter that nothing here understands. Replaced with each World.</summary>
    public IReadOnlyList<RefusedResource> Parts
    {
        get => Volatile.Read(ref parts);
        set => Volatile.Write(ref parts, value);
    }

    /// <summary>Resources that are in force, but name somebody whom nobody here tells: providers of a Telemetry. Replaced with each World.</summary>
    public IReadOnlyList<RefusedResource> WithoutEffect
    {
        get => Volatile.Read(ref withoutEffect);
        set => Volatile.Write(ref withoutEffect, value);
    }

    public bool Has(ResourceKey key) => All.Any(r => r.Key == key);

    /// <returns>False when exactly this was known.</returns>
    public bool Add(string file, ResourceKey? key, IReadOnlyList<Finding> findings)
    {
        lock (guard)
        {
            var before = all.Find(r => r.Key == key && (key is not null || r.File == file));
            if (before is not null && before.Findings.SequenceEqual(findings)) return false;
            all = (before is null ? all : all.Remove(before)).Add(new(file, key, findings));
            return true;
        }
    }

    public void Clear(ResourceKey key)
    {
        lock (guard)
        {
            if (all.Exists(r => r.Key == key)) all = all.RemoveAll(r => r.Key == key);
        }
    }

    public void ClearFile(string file)
    {
        lock (guard)
        {
            all = all.RemoveAll(r => r.Key is null && r.File == file);
        }
    }
}
