using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.ControlPlane.Kube;

/// <summary>Which namespaces the mesh looks at: those that a discovery selector matches; all when there is none. Any thread.</summary>
internal sealed class NamespaceScope
{
    private readonly Lock guard = new();
    private ImmutableDictionary<string, LabelSet> labels = ImmutableDictionary<string, LabelSet>.Empty;
    private ImmutableArray<LabelSelector> selectors = [];

    /// <summary>Called after the answer for some namespace may have changed.</summary>
    public event Action? Changed;

    public bool Includes(string name)
    {
        if (name.Length == 0) return true;
        var (wanted, known) = (Selectors, Labels);
        return wanted.IsEmpty || known.TryGetValue(name, out var of) && wanted.Any(selector => selector.Selects(of));
    }

    public void Namespace(string name, LabelSet? of)
    {
        lock (guard)
        {
            if (of is null ? !labels.ContainsKey(name) : labels.TryGetValue(name, out var before) && before.Equals(of)) return;
            labels = of is null ? labels.Remove(name) : labels.SetItem(name, of);
        }
        if (!Selectors.IsEmpty) Changed?.Invoke();
    }

    public void Select(ImmutableArray<LabelSelector> wanted)
    {
        lock (guard)
        {
            if (wanted.SequenceEqual(selectors)) return;
            selectors = wanted;
        }
        Changed?.Invoke();
    }

    private ImmutableArray<LabelSelector> Selectors
    {
        get
        {
            lock (guard) return selectors;
        }
    }

    private ImmutableDictionary<string, LabelSet> Labels
    {
        get
        {
            lock (guard) return labels;
        }
    }
}
