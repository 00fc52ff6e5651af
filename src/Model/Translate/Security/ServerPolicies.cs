using System.Collections.Immutable;
using Envoy.Config.Listener.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;

namespace Mesh.Model.Translate;

/// <summary>The filters that guard a workload, in Istio's order: external check, tokens, audit, deny, allow.</summary>
internal sealed record ServerPolicies(ImmutableArray<HttpFilter> HttpFilters, ImmutableArray<Filter> TcpFilters)
{
    public static ServerPolicies None { get; } = new([], []);
}
