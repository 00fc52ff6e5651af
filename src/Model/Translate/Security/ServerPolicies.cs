using System.Collections.Immutable;
using Envoy.Config.Listener.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>The filters that guard a workload, in Istio's order, our own limits before them: external check, tokens, audit, deny, allow.</summary>
internal sealed record ServerPolicies(ImmutableArray<HttpFilter> HttpFilters, ImmutableArray<Filter> TcpFilters)
{
    /// <param name="attached">The Gateway API objects that the workload stands for.</param>
    public static ServerPolicies For(View view, ImmutableArray<TargetRef> attached)
    {
        var policies = view.World.Policies;
        var access = policies.AccessFor(view.Shape.Namespace, view.Shape.Labels, attached);
        var tokens = policies.TokensFor(view.Shape.Namespace, view.Shape.Labels, attached);

        var http = ImmutableArray.CreateBuilder<HttpFilter>();
        // What is over the limit costs no check.
        http.AddRange(RateLimits.Http(policies.LimitsFor(view.Shape.Namespace, view.Shape.Labels, attached)));
        http.AddRange(ExternalAccess.Http(access, view));
        if (Tokens.Filter(tokens, view.World.FetchedKeys, routesByClaims: view.Shape.Kind.IsGateway) is { } filter) http.Add(filter);
        http.AddRange(Access.Http(access, view.Mesh));
        return new(http.ToImmutable(), [.. ExternalAccess.Tcp(access, view), .. Access.Tcp(access, view.Mesh, "tcp.")]);
    }
}
