using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Envoy.Config.Listener.V3;
using Envoy.Config.Rbac.V3;
using Envoy.Extensions.Filters.Http.ExtAuthz.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Envoy.Type.Matcher.V3;
using Mesh.Model.Resources;
using HttpRbac = Envoy.Extensions.Filters.Http.Rbac.V3.RBAC;
using TcpRbac = Envoy.Extensions.Filters.Network.Rbac.V3.RBAC;

namespace Mesh.Model.Translate;

/// <summary>AuthorizationPolicies with action CUSTOM: requests that match are asked about at a provider; where there is none they are denied.</summary>
internal static class ExternalAccess
{
    private const string ShadowPrefix = "istio_ext_authz_";
    private const string PolicyPrefix = "istio-ext-authz-";
    private const string BrokenSuffix = "-deny-due-to-bad-CUSTOM-action";

    private static readonly TimeSpan TimeoutDefault = TimeSpan.FromSeconds(600);

    public static IEnumerable<HttpFilter> Http(ImmutableArray<AuthorizationPolicy> policies, View view)
    {
        var custom = policies.Where(policy => policy.Action == AuthorizationAction.Custom).ToImmutableArray();
        if (custom.IsEmpty) yield break;
        if (Provider(custom, view) is not var (provider, cluster, authority) || provider is null)
        {
            yield return HttpManagers.Filter("envoy.filters.http.rbac", new HttpRbac { Rules = Rules(custom, view, forTcp: false, "", BrokenSuffix) });
            yield break;
        }
        yield return HttpManagers.Filter("envoy.filters.http.rbac", new HttpRbac
        {
            ShadowRules = Rules(custom, view, forTcp: false, PolicyPrefix, ""),
            ShadowRulesStatPrefix = ShadowPrefix,
        });
        yield return HttpManagers.Filter("envoy.filters.http.ext_authz", Check(provider, cluster, authority));
    }

    public static IEnumerable<Filter> Tcp(ImmutableArray<AuthorizationPolicy> policies, View view)
    {
        var custom = policies.Where(policy => policy.Action == AuthorizationAction.Custom).ToImmutableArray();
        if (custom.IsEmpty) yield break;
        if (Provider(custom, view) is not var (provider, cluster, authority) || provider is null || provider.Kind != "envoyExtAuthzGrpc")
        {
            yield return new Filter
            {
                Name = "envoy.filters.network.rbac",
                TypedConfig = Protos.Pack(new TcpRbac { Rules = Rules(custom, view, forTcp: true, "", BrokenSuffix), StatPrefix = "tcp." }),
            };
            yield break;
        }
        yield return new Filter
        {
            Name = "envoy.filters.network.rbac",
            TypedConfig = Protos.Pack(new TcpRbac
            {
                ShadowRules = Rules(custom, view, forTcp: true, PolicyPrefix, ""), ShadowRulesStatPrefix = ShadowPrefix, StatPrefix = "tcp.",
            }),
        };
        yield return new Filter
        {
            Name = "envoy.filters.network.ext_authz",
            TypedConfig = Protos.Pack(new Envoy.Extensions.Filters.Network.ExtAuthz.V3.ExtAuthz
            {
                GrpcService = Grpc(provider, cluster, authority),
                FailureModeAllow = provider.FailOpen,
                StatPrefix = "tcp.",
                TransportApiVersion = ApiVersion.V3,
                FilterEnabledMetadata = Matched("envoy.filters.network.rbac"),
            }),
        };
    }

    private static RBAC Rules(ImmutableArray<AuthorizationPolicy> custom, View view, bool forTcp, string prefix, string suffix)
    {
        var rules = new RBAC { Action = RBAC.Types.Action.Deny };
        foreach (var policy in custom) Access.AddRules(rules, policy, forTcp, view.Mesh, prefix, suffix);
        return rules;
    }

    /// <returns>Null when it is missing, cannot be reached, or when two policies name different ones.</returns>
    private static (ExtensionProvider Provider, string Cluster, string Authority)? Provider(ImmutableArray<AuthorizationPolicy> custom, View view)
    {
        if (custom.Select(policy => policy.Provider).Distinct().Count() > 1) return null;
        if (view.Mesh.Provider(custom[0].Provider) is not { Kind: "envoyExtAuthzHttp" or "envoyExtAuthzGrpc", Port: > 0 } provider) return null;
        return Providers.ClusterOf(provider, view) is var (cluster, host) ? (provider, cluster, host) : null;
    }

    private static ExtAuthz Check(ExtensionProvider provider, string cluster, string authority)
    {
        var made = new ExtAuthz
        {
            FailureModeAllow = provider.FailOpen,
            TransportApiVersion = ApiVersion.V3,
            FilterEnabledMetadata = Matched("envoy.filters.http.rbac"),
            ClearRouteCache = provider.ClearsRouteCache,
        };
        if (int.TryParse(provider.StatusOnError, out var status)) made.StatusOnError = new() { Code = (Envoy.Type.V3.StatusCode)status };
        if (provider.HasBody)
            made.WithRequestBody = new() { MaxRequestBytes = (uint)provider.BodyBytesMax, AllowPartialMessage = provider.AllowsPartialBody, PackAsBytes = provider.PacksBodyAsBytes };
        if (provider.Kind == "envoyExtAuthzGrpc")
        {
            made.GrpcService = Grpc(provider, cluster, authority);
            return made;
        }
        made.AllowedHeaders = Headers(provider.IncludeRequestHeaders);
        made.HttpService = new()
        {
            PathPrefix = provider.PathPrefix,
            ServerUri = new() { Uri = $"http://{authority}", Cluster = cluster, Timeout = Protos.Span(provider.Timeout ?? TimeoutDefault) },
        };
        if (!provider.AdditionalHeaders.IsEmpty)
        {
            made.HttpService.AuthorizationRequest = new();
            foreach (var (name, value) in provider.AdditionalHeaders)
                made.HttpService.AuthorizationRequest.HeadersToAdd.Add(new HeaderValue { Key = name, Value = value });
        }
        if (!provider.HeadersToUpstreamOnAllow.IsEmpty || !provider.HeadersToDownstreamOnAllow.IsEmpty || !provider.HeadersToDownstreamOnDeny.IsEmpty)
            made.HttpService.AuthorizationResponse = new()
            {
                AllowedUpstreamHeaders = Headers(provider.HeadersToUpstreamOnAllow),
                AllowedClientHeaders = Headers(provider.HeadersToDownstreamOnDeny),
                AllowedClientHeadersOnSuccess = Headers(provider.HeadersToDownstreamOnAllow),
            };
        return made;
    }

    private static GrpcService Grpc(ExtensionProvider provider, string cluster, string authority) => new()
    {
        EnvoyGrpc = new() { ClusterName = cluster, Authority = authority },
        Timeout = Protos.Span(provider.Timeout ?? TimeoutDefault),
    };

    private static ListStringMatcher? Headers(ImmutableArray<string> names)
    {
        if (names.IsEmpty) return null;
        var made = new ListStringMatcher();
        foreach (var name in names)
        {
            var text = RbacMatchers.Text(name);
            text.IgnoreCase = text.SafeRegex is null;
            made.Patterns.Add(text);
        }
        return made;
    }

    /// <summary>The check runs only where the shadow rules before it found a policy.</summary>
    private static MetadataMatcher Matched(string filter) => new()
    {
        Filter = filter,
        Path = { new MetadataMatcher.Types.PathSegment { Key = $"{ShadowPrefix}shadow_effective_policy_id" } },
        Value = new() { StringMatch = new() { Prefix = PolicyPrefix[..^1] } },
    };
}
