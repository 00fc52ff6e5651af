namespace Mesh.Model.World;

/// <summary>Names of hosts with at most one leading <c>*</c>, compared as Istio compares them.</summary>
public static class Hostnames
{
    public static bool IsWildcard(string host) => host.Length > 0 && host[0] == '*';

    /// <summary>A short name becomes a Service of <paramref name="ns"/>; a name with a dot, or a wildcard, is taken as it is.</summary>
    public static string Resolve(string host, string ns, string domain) =>
        host.Length == 0 || IsWildcard(host) || host.Contains('.', StringComparison.Ordinal) || host.Contains(':', StringComparison.Ordinal)
            ? host
            : $"{host}.{ns}.svc.{domain}";

    /// <summary>True when some name is covered by both: a wildcard stands for one or more labels in front.</summary>
    public static bool Matches(string a, string b)
    {
        if (!IsWildcard(a) && !IsWildcard(b)) return a == b;
        if (IsWildcard(a) && IsWildcard(b)) return a.Length < b.Length ? b.AsSpan(1).EndsWith(a.AsSpan(1)) : a.AsSpan(1).EndsWith(b.AsSpan(1));
        return IsWildcard(a) ? b.AsSpan().EndsWith(a.AsSpan(1)) : a.AsSpan().EndsWith(b.AsSpan(1));
    }

    /// <summary>True when every name covered by <paramref name="inner"/> is covered by <paramref name="outer"/>.</summary>
    public static bool IsWithin(string inner, string outer)
    {
        if (!IsWildcard(outer)) return !IsWildcard(inner) && inner == outer;
        if (!IsWildcard(inner)) return inner.AsSpan().EndsWith(outer.AsSpan(1));
        return inner.Length >= outer.Length && inner.AsSpan(1).EndsWith(outer.AsSpan(1));
    }

    /// <summary>Exact names before wildcards, longer before shorter, then by letter.</summary>
    public static int BySpecificity(string a, string b)
    {
        var (wildA, wildB) = (IsWildcard(a), IsWildcard(b));
        if (wildA != wildB) return wildA ? 1 : -1;
        return a.Length != b.Length ? b.Length.CompareTo(a.Length) : string.CompareOrdinal(a, b);
    }
}
