using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;

namespace Mesh.Proxy.Upstream;

/// <summary>By what a series is found again: object identities, so that nothing is compared letter by letter.</summary>
internal readonly record struct SeriesKey(WorkloadLabels? Peer, string? Principal, bool IsMutual, bool IsGrpc, EndpointState? Endpoint, MetricPlan? Plan)
{
    public bool IsSame(in SeriesKey other) =>
        ReferenceEquals(Peer, other.Peer) && ReferenceEquals(Principal, other.Principal) && IsMutual == other.IsMutual && IsGrpc == other.IsGrpc && ReferenceEquals(Endpoint, other.Endpoint)
        && ReferenceEquals(Plan, other.Plan);
}

/// <summary>The series that one cluster's requests were counted in lately. Small and searched in order: the usual one moves to the front.</summary>
internal sealed class SeriesCache
{
    private const int EntriesMax = 256;

    private readonly List<(SeriesKey Key, RequestSeries Series)> _entries = [];

    public RequestSeries? Find(in SeriesKey key)
    {
        for (var i = 0; i < _entries.Count; i++)
        {
            if (!_entries[i].Key.IsSame(key)) continue;
            if (_entries[i].Series.IsGivenUp)
            {
                _entries.RemoveAt(i);
                return null;
            }

            if (i > 0) (_entries[0], _entries[i]) = (_entries[i], _entries[0]);
            return _entries[0].Series;
        }
        return null;
    }

    public RequestSeries Add(in SeriesKey key, RequestSeries series)
    {
        if (_entries.Count >= EntriesMax) _entries.RemoveRange(EntriesMax / 2, EntriesMax / 2);
        _entries.Add((key, series));
        return series;
    }
}

/// <summary>What metrics call a destination.</summary>
internal sealed record ServiceLabels(string Host, string Name, string Namespace)
{
    private static readonly ServiceLabels Unknown = new("unknown", "unknown", "unknown");

    /// <param name="request">Gives its Host where the cluster stands for no service; null: it does not.</param>
    public static ServiceLabels Of(Cluster? cluster, RequestHead? request)
    {
        if (cluster?.Metadata.Get("istio", "services")?.Items is { Length: > 0 } services)
            return new(Text(services[0]["host"]), Text(services[0]["name"]), Text(services[0]["namespace"]));

        var named = cluster?.Name is "BlackHoleCluster" or "PassthroughCluster" or "InboundPassthroughCluster" ? cluster.Name : null;
        if (request is null || request.Authority.IsEmpty) return named is null ? Unknown : new("unknown", named, "unknown");

        var authority = request.Authority;
        var colon = authority.LastIndexOf((byte)':');
        var host = Encoding.Latin1.GetString(colon > 0 ? authority[..colon] : authority);
        return new(host, named ?? host, "unknown");
    }

    /// <summary>By the metadata that the control plane gives endpoints: workload;namespace;service;revision;cluster.</summary>
    public static WorkloadLabels OfEndpoint(Endpoint? endpoint)
    {
        if (endpoint?.Metadata.Get("istio", "workload")?.Text is not { } text) return WorkloadLabels.Unknown;

        var parts = text.Split(';');
        string Part(int i, string otherwise) => i < parts.Length && parts[i].Length > 0 ? parts[i] : otherwise;
        return new(Part(0, "unknown"), Part(1, "unknown"), Part(2, "unknown"), Part(3, "latest"), Part(2, "unknown"), Part(3, "unknown"), Part(4, "unknown"));
    }

    /// <summary>A verified identity tells the namespace of a peer that has told nothing else.</summary>
    public static WorkloadLabels ByPrincipal(string? principal)
    {
        var at = principal?.IndexOf("/ns/", StringComparison.Ordinal) ?? -1;
        if (at < 0) return WorkloadLabels.Unknown;

        var rest = principal![(at + 4)..];
        return WorkloadLabels.Unknown with { Namespace = rest.Split('/')[0] };
    }

    private static string Text(MetadataValue? value) => value?.Text is { Length: > 0 } text ? text : "unknown";
}
