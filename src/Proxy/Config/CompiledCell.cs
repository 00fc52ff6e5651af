namespace Mesh.Proxy.Config;

/// <summary>
/// A setting's place for what a higher room makes of it once (a routing index, a compiled rule), so that no request and no loop has to look it up.
/// Two loops may make it at the same time; either result serves. A copy of the record shares the cell but not what is in it.
/// </summary>
internal sealed class CompiledCell : IEquatable<CompiledCell>
{
    private Entry? entry;

    public T Get<TSource, T>(TSource source, Func<TSource, T> compile) where TSource : class where T : class
    {
        var current = Volatile.Read(ref entry);
        if (current is not null && ReferenceEquals(current.Source, source)) return (T)current.Value;

        var value = compile(source);
        Volatile.Write(ref entry, new(source, value));
        return value;
    }

    // Not part of what a setting says.
    public bool Equals(CompiledCell? other) => other is not null;
    public override bool Equals(object? obj) => obj is CompiledCell;
    public override int GetHashCode() => 0;

    private sealed record Entry(object Source, object Value);
}
