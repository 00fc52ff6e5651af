using System.Collections.Immutable;
using Envoy.Config.Listener.V3;
using Envoy.Config.Rbac.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Mesh.Model.Resources;
using HttpRbac = Envoy.Extensions.Filters.Http.Rbac.V3.RBAC;
using TcpRbac = Envoy.Extensions.Filters.Network.Rbac.V3.RBAC;

namespace Mesh.Model.Translate;

/// <summary>AuthorizationPolicies of one workload to RBAC filters: audit, then deny, then allow. Custom ones stand before the tokens.</summary>
internal static class Access
{
    private const string HttpName = "envoy.filters.http.rbac";
    private const string TcpName = "envoy.filters.network.rbac";

    private static readonly ImmutableArray<AuthorizationAction> Order = [AuthorizationAction.Audit, AuthorizationAction.Deny, AuthorizationAction.Allow];

    public static IEnumerable<HttpFilter> Http(ImmutableArray<AuthorizationPolicy> policies, MeshConfig mesh)
    {
        foreach (var action in Order)
            if (Rules(policies, action, forTcp: false, mesh) is { } rules)
            {
                var filter = new HttpRbac { Rules = rules.Enforced };
                if (rules.Shadow is not null)
                {
                    filter.ShadowRules = rules.Shadow;
                    filter.ShadowRulesStatPrefix = ShadowPrefix(action);
                }
                yield return HttpManagers.Filter(HttpName, filter);
            }
    }

    public static IEnumerable<Filter> Tcp(ImmutableArray<AuthorizationPolicy> policies, MeshConfig mesh, string statPrefix)
    {
        foreach (var action in Order)
            if (Rules(policies, action, forTcp: true, mesh) is { } rules)
            {
                var filter = new TcpRbac { Rules = rules.Enforced, StatPrefix = statPrefix };
                if (rules.Shadow is not null)
                {
                    filter.ShadowRules = rules.Shadow;
                    filter.ShadowRulesStatPrefix = ShadowPrefix(action);
                }
                yield return new Filter { Name = TcpName, TypedConfig = Protos.Pack(filter) };
            }
    }

    private static string ShadowPrefix(AuthorizationAction action) => action == AuthorizationAction.Deny ? "istio_dry_run_deny_" : "istio_dry_run_allow_";

    /// <returns>Null when no policy has this action; enforced rules are null when all of them are dry runs.</returns>
    private static (RBAC? Enforced, RBAC? Shadow)? Rules(ImmutableArray<AuthorizationPolicy> policies, AuthorizationAction action, bool forTcp, MeshConfig mesh)
    {
        var (enforced, shadow) = ((RBAC?)null, (RBAC?)null);
        foreach (var policy in policies.Where(policy => policy.Action == action))
        {
            var into = policy.IsDryRun ? shadow ??= New(action) : enforced ??= New(action);
            AddRules(into, policy, forTcp, mesh, "", "");
        }
        return enforced is null && shadow is null ? null : (enforced, shadow);
    }

    public static void AddRules(RBAC into, AuthorizationPolicy policy, bool forTcp, MeshConfig mesh, string prefix, string suffix)
    {
        var builder = new AccessRule(policy, forTcp, new(mesh));
        for (var i = 0; i < policy.Rules.Length; i++)
            if (builder.Build(policy.Rules[i]) is { } rule)
                into.Policies[$"{prefix}ns[{policy.Namespace}]-policy[{policy.Name}]-rule[{i}]{suffix}"] = rule;
    }

    private static RBAC New(AuthorizationAction action) => new()
    {
        Action = action switch
        {
            AuthorizationAction.Deny => RBAC.Types.Action.Deny,
            AuthorizationAction.Audit => RBAC.Types.Action.Log,
            _ => RBAC.Types.Action.Allow,
        },
    };
}
