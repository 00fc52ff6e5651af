using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>One patch that could be read, with the resource it came from.</summary>
internal sealed record ReadPatch(EnvoyFilter Source, string ApplyTo, string Context, PatchOperation Operation, Fields Match, Google.Protobuf.IMessage? Value);

/// <summary>The EnvoyFilter patches for one workload in Istio's order: root namespace first, then by priority, age and name.</summary>
internal sealed class PatchSet(ImmutableArray<ReadPatch> patches) : IEquatable<PatchSet>
{
    public static PatchSet None { get; } = new([]);

    public ImmutableArray<ReadPatch> Patches { get; } = patches;

    public bool IsEmpty => Patches.IsEmpty;

    public bool Touches(params ReadOnlySpan<string> kinds)
    {
        foreach (var patch in Patches)
            if (kinds.Contains(patch.ApplyTo)) return true;
        return false;
    }

    public static PatchSet For(View view)
    {
        var all = view.World.Policies.Patches;
        if (all.All.IsEmpty) return None;
        var (root, ns) = (view.Mesh.RootNamespace, view.Shape.Namespace);
        var chosen = all.In(root).Concat(ns == root ? [] : all.In(ns))
            .Where(filter => filter.Targets.IsEmpty && (filter.Selector is null || filter.Selector.Selects(view.Shape.Labels)))
            .OrderBy(filter => filter.Namespace == root ? 0 : 1).ThenBy(filter => filter.Priority).ThenBy(filter => filter.Meta.Created)
            .ThenBy(filter => filter.Name, StringComparer.Ordinal);
        var set = new PatchSet([.. chosen.SelectMany(filter => PatchReader.Read(filter, out _))]);
        return set.IsEmpty ? None : set;
    }

    public IEnumerable<ReadPatch> For(string applyTo, string context) =>
        Patches.Where(patch => patch.ApplyTo == applyTo && (patch.Context == "ANY" || patch.Context == context));

    /// <summary>Patches are read anew for each World, but a resource stays the same object: that is what counts.</summary>
    public bool Equals(PatchSet? other) => other is not null
        && Patches.Select(patch => patch.Source).SequenceEqual(other.Patches.Select(patch => patch.Source), ReferenceEqualityComparer.Instance);

    public override bool Equals(object? obj) => Equals(obj as PatchSet);

    public override int GetHashCode() => Patches.Length;
}
