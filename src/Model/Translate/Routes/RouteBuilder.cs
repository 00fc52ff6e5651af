using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Envoy.Config.Route.V3;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>
/// The rules of one VirtualService to Envoy's routes, in order; what can never match is left out. A rule that cannot be told to a proxy takes all others with it: the
/// ones behind it were not meant for its requests. (Istio sends it, and Envoy turns down the whole table, the rules of others too.)
/// </summary>
internal static class RouteBuilder
{
    public static List<Route> Build(VirtualService vs, RouteContext context)
    {
        var routes = new List<Route>();
        foreach (var rule in vs.Http)
        {
            if (rule.Match.IsEmpty)
            {
                routes.Add(One(vs, rule, null, RouteMatches.Build(null, vs.Semantics)!, context));
                break;   // a rule without match takes all: the rest is never reached
            }
            foreach (var match in rule.Match)
            {
                if (match.Port > 0 && match.Port != context.Port) continue;
                if (!context.Applies(match.Gateways, match.SourceLabels, match.SourceNamespace)) continue;
                if (RouteMatches.Build(match, vs.Semantics) is not { } condition) return [];

                var route = One(vs, rule, match, condition, context);
                routes.Add(route);
                if (RouteMatches.TakesAll(route)) return routes;
            }
        }
        return routes;
    }

    /// <summary>False when no rule of it holds for this caller and port: the service then is as if nobody spoke for it.</summary>
    public static bool Says(VirtualService vs, RouteContext context) => vs.Http.Any(rule => rule.Match.IsEmpty || rule.Match.Any(match =>
        (match.Port == 0 || match.Port == context.Port) && context.Applies(match.Gateways, match.SourceLabels, match.SourceNamespace)));

    /// <summary>True when some match asks for the caller's labels or namespace.</summary>
    public static bool AsksWhoCalls(VirtualService vs) =>
        vs.Http.Any(rule => rule.Match.Any(match => match.SourceLabels.Count > 0 || match.SourceNamespace.Length > 0));

    /// <summary>What the routes of a VirtualService are made from beside itself: the services it names and their rules.</summary>
    public static ObjectList Needs(VirtualService vs, Func<string, MeshService?> find, Func<MeshService, MergedRule?> ruleFor)
    {
        var needs = ImmutableArray.CreateBuilder<object?>();
        void Add(string host)
        {
            var service = find(host);
            needs.Add(service);
            if (service is not null) needs.Add(ruleFor(service));
        }
        foreach (var rule in vs.Http)
        {
            foreach (var share in rule.Route) Add(share.Destination.Host);
            foreach (var mirror in rule.Mirrors) Add(mirror.Destination.Host);
        }
        return new(needs.ToImmutable());
    }

    /// <summary>The route of a service without VirtualService.</summary>
    public static Route Default(MeshService service, ServicePort port, RouteContext context)
    {
        var cluster = Names.Outbound(port.Number, "", service.Host);
        var hash = HashOf(context.RuleFor(service), "", port.Number);
        var action = new RouteAction
        {
            Cluster = cluster,
            Timeout = new(),
            MaxGrpcTimeout = new(),
            RetryPolicy = Retries.Outbound(null, context.Mesh, hashes: false),
        };
        AddHash(action, hash);
        return new()
        {
            Name = "default",
            Match = new() { Prefix = "/" },
            Route_ = action,
            Decorator = new() { Operation = $"{Names.HostAndPort(service.Host, port.Number)}/*" },
        };
    }

    private static Route One(VirtualService vs, HttpRule rule, HttpMatch? match, RouteMatch condition, RouteContext context)
    {
        var name = match is { Name.Length: > 0 } ? $"{rule.Name}.{match.Name}" : rule.Name;
        var route = new Route
        {
            Name = name,
            Match = condition,
            Metadata = new() { FilterMetadata = { ["istio"] = Protos.Struct(("config", Value.ForString($"/apis/networking.istio.io/v1/namespaces/{vs.Namespace}/virtual-service/{vs.Name}"))) } },
            StatPrefix = match?.StatPrefix ?? "",
        };
        var authority = rule.Rewrite is { Authority.Length: > 0 } ? rule.Rewrite.Authority : HeaderEdits.Authority(rule.Headers);
        HeaderEdits.Apply(rule.Headers, route.RequestHeadersToAdd, route.RequestHeadersToRemove, route.ResponseHeadersToAdd, route.ResponseHeadersToRemove);
        var forwards = rule.Redirect is null && rule.DirectResponse is null;
        if (forwards && rule.Route is [var only])
        {
            // A destination alone has its changes on the route, after the rule's own: what it sets wins. Among several the rule's own win.
            if (string.IsNullOrEmpty(authority)) authority = HeaderEdits.Authority(only.Headers);
            HeaderEdits.Apply(only.Headers, route.RequestHeadersToAdd, route.RequestHeadersToRemove, route.ResponseHeadersToAdd, route.ResponseHeadersToRemove);
        }

        if (rule.Redirect is { } redirect) route.Redirect = Redirects.Build(redirect, context);
        else if (rule.DirectResponse is { } direct) route.DirectResponse = Direct(direct);
        else route.Route_ = Forward(rule, match, vs, authority, context);

        if (rule.Fault is { } fault && Faults.Build(fault) is { } filter) route.TypedPerFilterConfig["envoy.filters.http.fault"] = Protos.Pack(filter);
        if (rule.Cors is { } cors) route.TypedPerFilterConfig["envoy.filters.http.cors"] = Protos.Pack(CorsRules.Build(cors));
        route.Decorator = new() { Operation = Operation(route, vs, context) };
        return route;
    }

    private static RouteAction Forward(HttpRule rule, HttpMatch? match, VirtualService vs, string? authority, RouteContext context)
    {
        var action = new RouteAction
        {
            Timeout = Protos.Span(rule.Timeout ?? default),
            MaxGrpcTimeout = Protos.Span(rule.Timeout ?? default),
        };
        if (vs.Semantics == RouteSemantics.Gateway) action.ClusterNotFoundResponseCode = RouteAction.Types.ClusterNotFoundResponseCode.InternalServerError;
        Rewrites.Apply(action, rule.Rewrite, match);
        if (authority is { Length: > 0 }) action.HostRewriteLiteral = authority;
        foreach (var mirror in rule.Mirrors.Where(mirror => mirror.Share > 0))
            action.RequestMirrorPolicies.Add(new RouteAction.Types.RequestMirrorPolicy
            {
                Cluster = context.ClusterOf(mirror.Destination),
                RuntimeFraction = new() { DefaultValue = Faults.Share(mirror.Share) },
                TraceSampled = false,
                DisableShadowHostSuffixAppend = true,
            });

        if (rule.Route is [var single])
        {
            action.Cluster = ClusterOf(single, context);
            var hash = HashFor(single, context);
            AddHash(action, hash);
            action.RetryPolicy = Retries.Outbound(rule.Retries, context.Mesh, hash is not null);
            return action;
        }
        action.RetryPolicy = Retries.Outbound(rule.Retries, context.Mesh, hashes: false);
        action.WeightedClusters = new();
        foreach (var share in rule.Route.Where(share => share.Weight > 0))
        {
            action.WeightedClusters.Clusters.Add(Weighted(share, authority, context));
            AddHash(action, HashFor(share, context));
        }
        if (action.WeightedClusters.Clusters.Count == 0) action.Cluster = "UnknownService";
        return action;
    }

    private static WeightedCluster.Types.ClusterWeight Weighted(RouteDestination share, string? authority, RouteContext context)
    {
        var made = new WeightedCluster.Types.ClusterWeight { Name = ClusterOf(share, context), Weight = (uint)share.Weight };
        if (HeaderEdits.Authority(share.Headers) is { Length: > 0 } own && string.IsNullOrEmpty(authority)) made.HostRewriteLiteral = own;
        HeaderEdits.Apply(share.Headers, made.RequestHeadersToAdd, made.RequestHeadersToRemove, made.ResponseHeadersToAdd, made.ResponseHeadersToRemove);
        return made;
    }

    private static string ClusterOf(RouteDestination share, RouteContext context) => share.IsBroken ? "UnknownService" : context.ClusterOf(share.Destination);

    /// <summary>A port's own hash counts only where the destination names that port.</summary>
    private static ConsistentHash? HashFor(RouteDestination share, RouteContext context) =>
        context.Find(share.Destination.Host) is { } service ? HashOf(context.RuleFor(service), share.Destination.Subset, share.Destination.Port) : null;

    /// <summary>The subset's port, the subset, the port, the top: the first that has a hash.</summary>
    private static ConsistentHash? HashOf(MergedRule? rule, string subset, int port)
    {
        var own = rule?.Subsets.FirstOrDefault(one => one.Name == subset)?.TrafficPolicy;
        return AtPort(own, port) ?? own?.LoadBalancer?.Hash ?? AtPort(rule?.Policy, port) ?? rule?.Policy?.LoadBalancer?.Hash;

        static ConsistentHash? AtPort(TrafficPolicy? policy, int port) =>
            policy?.Ports.FirstOrDefault(entry => port > 0 && entry.Port == port)?.Policy.LoadBalancer?.Hash;
    }

    private static void AddHash(RouteAction action, ConsistentHash? hash)
    {
        if (hash is null) return;
        var policy = new RouteAction.Types.HashPolicy();
        if (hash.Header.Length > 0) policy.Header = new() { HeaderName = hash.Header };
        else if (hash.Cookie is { } cookie)
        {
            policy.Cookie = new() { Name = cookie.Name, Path = cookie.Path };
            if (cookie.Ttl is { } ttl) policy.Cookie.Ttl = Protos.Span(ttl);
            foreach (var (name, value) in cookie.Attributes)
                policy.Cookie.Attributes.Add(new RouteAction.Types.HashPolicy.Types.CookieAttribute { Name = name, Value = value });
        }
        else if (hash.SourceIp) policy.ConnectionProperties = new() { SourceIp = true };
        else if (hash.QueryParameter.Length > 0) policy.QueryParameter = new() { Name = hash.QueryParameter };
        else return;
        action.HashPolicy.Add(policy);
    }

    private static DirectResponseAction Direct(DirectResponse response)
    {
        var made = new DirectResponseAction { Status = (uint)response.Status };
        if (response.Text is not null) made.Body = new() { InlineString = response.Text };
        else if (response.Bytes is not null) made.Body = new() { InlineBytes = ByteString.CopyFrom(response.Bytes) };
        return made;
    }

    /// <summary>The name of the trace span: destination and path, or the VirtualService where there are several destinations.</summary>
    private static string Operation(Route route, VirtualService vs, RouteContext context)
    {
        var path = route.Match.PathSpecifierCase switch
        {
            RouteMatch.PathSpecifierOneofCase.Prefix => $"{route.Match.Prefix}*",
            RouteMatch.PathSpecifierOneofCase.Path => route.Match.Path,
            RouteMatch.PathSpecifierOneofCase.SafeRegex => route.Match.SafeRegex.Regex,
            RouteMatch.PathSpecifierOneofCase.PathSeparatedPrefix => $"{route.Match.PathSeparatedPrefix}/*",
            _ => "/*",
        };
        var parts = route.Route_?.Cluster.Split('|');
        return parts is ["outbound", var port, _, var host] ? $"{host}:{port}{path}" : $"{vs.Name}:{context.Port}{path}";
    }
}
