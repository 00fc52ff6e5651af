using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

public enum EndpointHealth { Healthy, NotReady, Draining }

/// <summary>Region, zone and subzone; empty where not known.</summary>
public readonly record struct Locality(string Region, string Zone, string Subzone)
{
    public static Locality None { get; } = new("", "", "");

    public static Locality Parse(string text)
    {
        var parts = text.Split('/');
        return new(parts[0], parts.Length > 1 ? parts[1] : "", parts.Length > 2 ? parts[2] : "");
    }

    public override string ToString() => Zone.Length == 0 && Subzone.Length == 0 ? Region : Subzone.Length == 0 ? $"{Region}/{Zone}" : $"{Region}/{Zone}/{Subzone}";
}

/// <summary>One address that serves one port of a service. Compared by value: an unchanged endpoint keeps its object.</summary>
public sealed record Endpoint(string Address, int Port)
{
    public LabelSet Labels { get; init; } = LabelSet.Empty;
    public Locality Locality { get; init; } = Locality.None;
    public uint Weight { get; init; } = 1;
    public string Namespace { get; init; } = "";
    public string ServiceAccount { get; init; } = "";
    public string Workload { get; init; } = "";
    public string Network { get; init; } = "";
    public string NodeName { get; init; } = "";
    public string Hostname { get; init; } = "";
    public EndpointHealth Health { get; init; }

    /// <summary>True when a sidecar with the mesh's certificate stands before it.</summary>
    public bool SpeaksMutualTls => Labels["security.istio.io/tlsMode"] is { } mode ? mode == "istio" : HasAccountOfItsOwn;

    /// <summary>A workload outside Kubernetes that is given an account is believed to have a sidecar, unless a label says otherwise.</summary>
    public bool HasAccountOfItsOwn { get; init; }
}

/// <summary>The endpoints of a service by service port number. A port's array stays the same object while nothing in it changes.</summary>
public sealed class ServiceEndpoints(ImmutableSortedDictionary<int, ImmutableArray<Endpoint>> ports, ImmutableArray<string> accounts)
{
    public static ServiceEndpoints None { get; } = new(ImmutableSortedDictionary<int, ImmutableArray<Endpoint>>.Empty, []);

    /// <summary>The accounts of all endpoints, <c>namespace/name</c>, in order. They decide whom callers believe.</summary>
    public ImmutableArray<string> Accounts { get; } = accounts;

    public IEnumerable<int> PortNumbers => ports.Keys;

    public ImmutableArray<Endpoint> For(int port) => ports.TryGetValue(port, out var endpoints) ? endpoints : [];

    public static bool AllHaveSidecars(ImmutableArray<Endpoint> endpoints) => !endpoints.IsEmpty && endpoints.All(endpoint => endpoint.SpeaksMutualTls);

    /// <summary>Keeps the predecessor's objects wherever the content is the same.</summary>
    public static ServiceEndpoints Of(SortedDictionary<int, List<Endpoint>> ports, ServiceEndpoints? before)
    {
        var same = before is not null;
        var accounts = new SortedSet<string>(StringComparer.Ordinal);
        var builder = ImmutableSortedDictionary.CreateBuilder<int, ImmutableArray<Endpoint>>();
        foreach (var (port, endpoints) in ports)
        {
            foreach (var endpoint in endpoints)
                if (endpoint.ServiceAccount.Length > 0) accounts.Add($"{endpoint.Namespace}/{endpoint.ServiceAccount}");
            var old = before?.For(port) ?? [];
            if (old.AsSpan().SequenceEqual(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(endpoints))) builder.Add(port, old);
            else
            {
                builder.Add(port, [.. endpoints]);
                same = false;
            }
        }
        if (same && before!.PortNumbers.SequenceEqual(builder.Keys)) return before;
        var names = before is not null && before.Accounts.SequenceEqual(accounts) ? before.Accounts : [.. accounts];
        return new(builder.ToImmutable(), names);
    }
}
