using System.Collections.Immutable;

namespace Mesh.Model.World;

/// <summary>Services and the rule for each, as callers see them. Compared by what it holds, so that equal views become one object.</summary>
public sealed class Seen : IEquatable<Seen>
{
    private readonly int hash;
    private readonly Lazy<Dictionary<string, MeshService>> byHost;
    private readonly Lazy<ILookup<string, MeshService>> aliases;

    public Seen(ImmutableArray<MeshService> services, ImmutableArray<MergedRule?> rules)
    {
        (Services, Rules) = (services, rules);
        var code = new HashCode();
        foreach (var service in services) code.Add(service);
        foreach (var rule in rules) code.Add(rule);
        hash = code.ToHashCode();
        byHost = new(() => Services.ToDictionary(service => service.Host));
        aliases = new(() => Services.Where(service => service.Resolution == Resolution.Alias).ToLookup(service => Concrete(service.AliasOf)));
    }

    /// <summary>Each host once.</summary>
    public ImmutableArray<MeshService> Services { get; }

    public ImmutableArray<MergedRule?> Rules { get; }

    public MeshService? Find(string host) => byHost.Value.GetValueOrDefault(host);

    /// <summary>The ExternalName services that stand for a host.</summary>
    public IEnumerable<MeshService> AliasesOf(string host) => aliases.Value[host];

    /// <summary>An alias of an alias stands for what that stands for; a circle of them stands for nothing.</summary>
    private string Concrete(string host)
    {
        const int HopsMax = 16;
        for (var hops = 0; hops < HopsMax; hops++)
        {
            if (Find(host) is not { Resolution: Resolution.Alias } alias) return host;
            host = alias.AliasOf;
        }
        return "";
    }

    public bool Equals(Seen? other) => ReferenceEquals(this, other)
        || other is not null && other.hash == hash && Services.AsSpan().SequenceEqual(other.Services.AsSpan()) && Rules.AsSpan().SequenceEqual(other.Rules.AsSpan());

    public override bool Equals(object? obj) => Equals(obj as Seen);

    public override int GetHashCode() => hash;
}
