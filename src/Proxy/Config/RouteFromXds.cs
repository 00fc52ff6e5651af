using System.Collections.Immutable;
using System.Globalization;
using Envoy.Config.Route.V3;
using Envoy.Extensions.Path.Match.UriTemplate.V3;
using Envoy.Extensions.Path.Rewrite.UriTemplate.V3;
using Envoy.Extensions.Retry.Priority.PreviousPriorities.V3;
using static Mesh.Proxy.Config.ValuesFromXds;
using Proto = Envoy.Config.Route.V3;

namespace Mesh.Proxy.Config;

/// <summary>Route tables.</summary>
internal static class RouteFromXds
{
    private const uint BodyBytesMax = 1024 * 1024;
    private const ulong WeightSumMax = uint.MaxValue;

    public static RouteTable Read(RouteConfiguration proto)
    {
        if (proto.Vhds is not null && proto.Vhds.ConfigSource?.Ads is null) throw new ConfigRefusedException("vhds.config_source", "virtual hosts come over the ADS stream only");
        if (proto.ClusterSpecifierPlugins.Count > 0) throw new ConfigRefusedException("cluster_specifier_plugins", "are not supported");

        var bodyMax = Math.Min(proto.MaxDirectResponseBodySizeBytes ?? 4096, BodyBytesMax);
        var table = new RouteTable
        {
            Name = proto.Name,
            HasHostsApart = proto.Vhds is not null,
            VirtualHosts = Each("virtual_hosts", proto.VirtualHosts, host => ReadHost(host, bodyMax)),
            Headers = Edits(proto.RequestHeadersToAdd, proto.RequestHeadersToRemove, proto.ResponseHeadersToAdd, proto.ResponseHeadersToRemove),
            InternalOnlyHeaders = [.. proto.InternalOnlyHeaders.Select(name => name.ToLowerInvariant())],
            IgnorePortInHost = proto.IgnorePortInHostMatching,
            MostSpecificEditsWin = proto.MostSpecificHeaderMutationsWins,
            DirectResponseBodyBytesMax = bodyMax,
            FilterOverrides = HttpFiltersFromXds.Overrides(proto.TypedPerFilterConfig),
            Metadata = ValuesFromXds.Metadata(proto.Metadata),
        };
        RefuseDuplicates(table);
        return table;
    }

    /// <summary>A virtual host that comes by itself (VHDS).</summary>
    public static VirtualHost ReadDiscoveredHost(Proto.VirtualHost proto) => ReadHost(proto, BodyBytesMax);

    public static ImmutableArray<RateLimitActions> RateLimits(IReadOnlyList<RateLimit> limits) => Each("rate_limits", limits, limit =>
        new RateLimitActions(limit.Stage ?? 0, limit.DisableKey, Each("actions", limit.Actions, Action)));

    public static RouteMatchSettings Match(RouteMatch? proto)
    {
        if (proto is null) throw new ConfigRefusedException("match", "is missing");

        var (kind, path) = proto.PathSpecifierCase switch
        {
            RouteMatch.PathSpecifierOneofCase.Prefix => (PathMatchKind.Prefix, proto.Prefix),
            RouteMatch.PathSpecifierOneofCase.Path => (PathMatchKind.Path, proto.Path),
            RouteMatch.PathSpecifierOneofCase.SafeRegex => (PathMatchKind.Regex, proto.SafeRegex.Regex),
            RouteMatch.PathSpecifierOneofCase.PathSeparatedPrefix => (PathMatchKind.SeparatedPrefix, proto.PathSeparatedPrefix),
            RouteMatch.PathSpecifierOneofCase.ConnectMatcher => (PathMatchKind.Connect, ""),
            RouteMatch.PathSpecifierOneofCase.PathMatchPolicy => (PathMatchKind.Template, In("path_match_policy", proto.PathMatchPolicy, Template)),
            _ => throw new ConfigRefusedException("match", "has no path, prefix or pattern"),
        };
        if (kind == PathMatchKind.Regex) In("match.safe_regex", path, LinearPattern.Compile);
        if (kind == PathMatchKind.SeparatedPrefix && (path.EndsWith('/') || !path.StartsWith('/')))
            throw new ConfigRefusedException("match.path_separated_prefix", $"'{path}' must start and may not end with a slash");
        return new()
        {
            PathKind = kind,
            Path = path,
            IgnoreCase = proto.CaseSensitive == false,
            Headers = Each("match.headers", proto.Headers, MatchersFromXds.Header),
            Queries = Each("match.query_parameters", proto.QueryParameters, MatchersFromXds.Query),
            Share = proto.RuntimeFraction is { } share ? Share(share, Fraction.All) : null,
            GrpcOnly = proto.Grpc is not null,
            ClientCertPresented = proto.TlsContext?.Presented,
            ClientCertValidated = proto.TlsContext?.Validated,
            Metadata = Each("match.dynamic_metadata", proto.DynamicMetadata, MatchersFromXds.Metadata),
        };
    }

    public static RetrySettings? Retry(Proto.RetryPolicy? proto)
    {
        if (proto is null) return null;

        var backoff = Limit(proto.RetryBackOff?.BaseInterval) ?? TimeSpan.FromMilliseconds(25);
        var max = Limit(proto.RetryBackOff?.MaxInterval);
        if (max < backoff) throw new ConfigRefusedException("retry_back_off.max_interval", "is shorter than base_interval");
        return new()
        {
            On = RetryWords.Parse(proto.RetryOn),
            RetriesMax = proto.NumRetries ?? 1,
            PerTryTimeout = Limit(proto.PerTryTimeout),
            PerTryIdleTimeout = Limit(proto.PerTryIdleTimeout),
            BackoffBase = backoff,
            BackoffMax = max,
            StatusCodes = [.. proto.RetriableStatusCodes.Select(code => (int)code)],
            ResponseHeaders = Each("retriable_headers", proto.RetriableHeaders, MatchersFromXds.Header),
            RequestHeaders = Each("retriable_request_headers", proto.RetriableRequestHeaders, MatchersFromXds.Header),
            AvoidPreviousHosts = proto.RetryHostPredicate.Any(predicate => predicate.Name == "envoy.retry_host_predicates.previous_hosts"),
            HostSelectionAttemptsMax = (uint)Math.Clamp(proto.HostSelectionRetryMaxAttempts == 0 ? 1 : proto.HostSelectionRetryMaxAttempts, 1, 100),
            PreviousPrioritiesUpdateFrequency = proto.RetryPriority is { Name: "envoy.retry_priorities.previous_priorities" } priority
                ? (uint)Math.Max(1, Unpack(priority.TypedConfig, PreviousPrioritiesConfig.Parser).UpdateFrequency)
                : null,
        };
    }

    private static VirtualHost ReadHost(Proto.VirtualHost proto, uint bodyMax)
    {
        if (proto.Domains.Count == 0) throw new ConfigRefusedException("domains", $"virtual host '{proto.Name}' has none");
        if (proto.Matcher is not null) throw new ConfigRefusedException("matcher", "matching trees are not supported");

        var retry = In("retry_policy", proto.RetryPolicy, Retry);
        return new()
        {
            Name = proto.Name,
            Domains = [.. proto.Domains.Select(domain => domain.ToLowerInvariant())],
            Routes = Each("routes", proto.Routes, route => ReadRoute(route, bodyMax)),
            RequireTls = (RequireTls)proto.RequireTls,
            Headers = Edits(proto.RequestHeadersToAdd, proto.RequestHeadersToRemove, proto.ResponseHeadersToAdd, proto.ResponseHeadersToRemove),
            Retry = retry,
            AttemptCountInRequest = proto.IncludeRequestAttemptCount,
            AttemptCountInResponse = proto.IncludeAttemptCountInResponse,
            RateLimits = RateLimits(proto.RateLimits),
            Mirrors = Each("request_mirror_policies", proto.RequestMirrorPolicies, ReadMirror),
            FilterOverrides = HttpFiltersFromXds.Overrides(proto.TypedPerFilterConfig),
            Metadata = ValuesFromXds.Metadata(proto.Metadata),
        };
    }

    private static Route ReadRoute(Proto.Route proto, uint bodyMax)
    {
        var match = Match(proto.Match);
        return new()
        {
            Name = proto.Name,
            Match = match,
            Action = proto.ActionCase switch
            {
                Proto.Route.ActionOneofCase.Route_ => In("route", proto.Route_, action => ReadForward(Supported(action))),
                Proto.Route.ActionOneofCase.Redirect => In("redirect", proto.Redirect, ReadRedirect),
                Proto.Route.ActionOneofCase.DirectResponse => In("direct_response", proto.DirectResponse, direct => ReadDirect(direct, bodyMax)),
                Proto.Route.ActionOneofCase.NonForwardingAction => new NonForwarding(),
                Proto.Route.ActionOneofCase.None => throw new ConfigRefusedException("action", "is missing"),
                var other => throw new ConfigRefusedException($"an action of kind {other} is not supported"),
            },
            Headers = Edits(proto.RequestHeadersToAdd, proto.RequestHeadersToRemove, proto.ResponseHeadersToAdd, proto.ResponseHeadersToRemove),
            DecoratorOperation = proto.Decorator?.Operation ?? "",
            DecoratorPropagate = proto.Decorator?.Propagate ?? true,
            Tracing = proto.Tracing is { } tracing
                ? new(
                    tracing.ClientSampling is null ? null : Share(tracing.ClientSampling, Fraction.All),
                    tracing.RandomSampling is null ? null : Share(tracing.RandomSampling, Fraction.All),
                    tracing.OverallSampling is null ? null : Share(tracing.OverallSampling, Fraction.All),
                    Each("tracing.custom_tags", tracing.CustomTags, TracingFromXds.Tag))
                : null,
            StatPrefix = proto.StatPrefix,
            FilterOverrides = HttpFiltersFromXds.Overrides(proto.TypedPerFilterConfig),
            Metadata = ValuesFromXds.Metadata(proto.Metadata),
        };
    }

    private static DirectResponse ReadDirect(DirectResponseAction proto, uint bodyMax)
    {
        if (proto.Status is < 200 or > 599) throw new ConfigRefusedException("status", $"{proto.Status} is not between 200 and 599");
        var body = Bytes(proto.Body);
        if (body.Length > bodyMax) throw new ConfigRefusedException("body", $"has {body.Length} bytes, {bodyMax} are allowed");
        return new((int)proto.Status, body);
    }

    private static Redirect ReadRedirect(RedirectAction proto) => new()
    {
        Status = proto.ResponseCode switch
        {
            RedirectAction.Types.RedirectResponseCode.Found => 302,
            RedirectAction.Types.RedirectResponseCode.SeeOther => 303,
            RedirectAction.Types.RedirectResponseCode.TemporaryRedirect => 307,
            RedirectAction.Types.RedirectResponseCode.PermanentRedirect => 308,
            _ => 301,
        },
        Scheme = proto.SchemeRedirect,
        HttpsRedirect = proto.HttpsRedirect,
        Host = proto.HostRedirect,
        Port = proto.PortRedirect is <= 65535 ? proto.PortRedirect : throw new ConfigRefusedException("port_redirect", $"{proto.PortRedirect} is not a port"),
        Path = proto.PathRedirect,
        PrefixRewrite = proto.PrefixRewrite,
        Regex = proto.PathRewriteSpecifierCase == RedirectAction.PathRewriteSpecifierOneofCase.RegexRewrite
            ? In("regex_rewrite", proto.RegexRewrite, MatchersFromXds.Rewrite)
            : null,
        StripQuery = proto.StripQuery,
    };

    // What would be asked for and not done is refused, so that it is seen.
    private static Proto.RouteAction Supported(Proto.RouteAction proto)
    {
        if (proto.HedgePolicy is not null) throw new ConfigRefusedException("hedge_policy", "is not supported; a retry with per_try_timeout asks again");
        if (proto.InternalRedirectPolicy is { MaxInternalRedirects: not 0 }) throw new ConfigRefusedException("internal_redirect_policy", "is not supported; the redirect goes to the caller");
        return proto;
    }

    private static Forward ReadForward(Proto.RouteAction proto) => new()
    {
        Clusters = proto.ClusterSpecifierCase switch
        {
            Proto.RouteAction.ClusterSpecifierOneofCase.Cluster => [new() { Name = proto.Cluster }],
            Proto.RouteAction.ClusterSpecifierOneofCase.WeightedClusters => In("weighted_clusters", proto.WeightedClusters, ReadWeighted),
            Proto.RouteAction.ClusterSpecifierOneofCase.ClusterHeader => [],
            Proto.RouteAction.ClusterSpecifierOneofCase.None => throw new ConfigRefusedException("cluster", "is missing"),
            var other => throw new ConfigRefusedException($"a cluster specifier of kind {other} is not supported"),
        },
        ClusterHeader = proto.ClusterHeader.ToLowerInvariant(),
        WeightsHeader = proto.WeightedClusters?.HeaderName.ToLowerInvariant() ?? "",
        ClusterNotFoundStatus = proto.ClusterNotFoundResponseCode switch
        {
            Proto.RouteAction.Types.ClusterNotFoundResponseCode.NotFound => 404,
            Proto.RouteAction.Types.ClusterNotFoundResponseCode.InternalServerError => 500,
            _ => 503,
        },
        PrefixRewrite = proto.PrefixRewrite,
        RegexRewrite = In("regex_rewrite", proto.RegexRewrite, MatchersFromXds.Rewrite),
        PathTemplateRewrite = proto.PathRewritePolicy is { } policy
            ? In("path_rewrite_policy", policy, p => Unpack(p.TypedConfig, UriTemplateRewriteConfig.Parser).PathTemplateRewrite)
            : "",
        HostRewrite = proto.HostRewriteLiteral,
        AutoHostRewrite = proto.AutoHostRewrite ?? false,
        HostRewriteHeader = proto.HostRewriteHeader.ToLowerInvariant(),
        HostRewritePathRegex = In("host_rewrite_path_regex", proto.HostRewritePathRegex, MatchersFromXds.Rewrite),
        AppendXForwardedHost = proto.AppendXForwardedHost,
        Timeout = Limit(proto.Timeout, TimeSpan.FromSeconds(15)),
        IdleTimeout = Limit(proto.IdleTimeout),
        HasIdleTimeout = proto.IdleTimeout is not null,
        GrpcTimeoutMax = Span(proto.MaxGrpcTimeout),
        StreamDuration = proto.MaxStreamDuration is { } duration
            ? new(Span(duration.MaxStreamDuration_), Span(duration.GrpcTimeoutHeaderMax), Span(duration.GrpcTimeoutHeaderOffset))
            : null,
        Retry = In("retry_policy", proto.RetryPolicy, Retry),
        Mirrors = Each("request_mirror_policies", proto.RequestMirrorPolicies, ReadMirror),
        HashPolicies = Each("hash_policy", proto.HashPolicy, ReadHashPolicy),
        RateLimits = RateLimits(proto.RateLimits),
        Upgrades = [.. proto.UpgradeConfigs.Select(upgrade => new UpgradeSettings(upgrade.UpgradeType.ToLowerInvariant(), upgrade.Enabled ?? true))],
        MetadataMatch = SubsetCriteria(proto.MetadataMatch),
        HighPriority = proto.Priority == Envoy.Config.Core.V3.RoutingPriority.High,
    };

    private static ImmutableArray<Config.WeightedCluster> ReadWeighted(Proto.WeightedCluster proto)
    {
        var clusters = Each("clusters", proto.Clusters, weighted => new Config.WeightedCluster
        {
            Name = weighted.Name,
            ClusterHeader = weighted.ClusterHeader.ToLowerInvariant(),
            Weight = weighted.Weight ?? 0,
            Headers = Edits(weighted.RequestHeadersToAdd, weighted.RequestHeadersToRemove, weighted.ResponseHeadersToAdd, weighted.ResponseHeadersToRemove),
            HostRewrite = weighted.HostRewriteLiteral,
            MetadataMatch = SubsetCriteria(weighted.MetadataMatch),
            FilterOverrides = HttpFiltersFromXds.Overrides(weighted.TypedPerFilterConfig),
        });
        var sum = clusters.Aggregate(0UL, (total, cluster) => total + cluster.Weight);
        if (sum is 0 or > WeightSumMax) throw new ConfigRefusedException("clusters", $"the weights add up to {sum}; the sum must be between 1 and {WeightSumMax}");
        return clusters;
    }

    private static Mirror ReadMirror(Proto.RouteAction.Types.RequestMirrorPolicy proto) => new(proto.Cluster, Share(proto.RuntimeFraction, Fraction.All))
    {
        ClusterHeader = proto.ClusterHeader.ToLowerInvariant(),
        TraceSampled = proto.TraceSampled ?? true,
        DisableShadowHostSuffix = proto.DisableShadowHostSuffixAppend,
    };

    private static Config.HashPolicy ReadHashPolicy(Proto.RouteAction.Types.HashPolicy proto) => proto.PolicySpecifierCase switch
    {
        Proto.RouteAction.Types.HashPolicy.PolicySpecifierOneofCase.Header => new(HashPolicyKind.Header, proto.Header.HeaderName.ToLowerInvariant(), proto.Terminal)
        {
            HeaderRewrite = MatchersFromXds.Rewrite(proto.Header.RegexRewrite),
        },
        Proto.RouteAction.Types.HashPolicy.PolicySpecifierOneofCase.Cookie => new(HashPolicyKind.Cookie, proto.Cookie.Name, proto.Terminal)
        {
            CookieTtl = Span(proto.Cookie.Ttl),
            CookiePath = proto.Cookie.Path,
            CookieAttributes = [.. proto.Cookie.Attributes.Select(a => KeyValuePair.Create(a.Name, a.Value))],
        },
        Proto.RouteAction.Types.HashPolicy.PolicySpecifierOneofCase.ConnectionProperties => new(HashPolicyKind.SourceIp, "", proto.Terminal),
        Proto.RouteAction.Types.HashPolicy.PolicySpecifierOneofCase.QueryParameter => new(HashPolicyKind.QueryParameter, proto.QueryParameter.Name, proto.Terminal),
        Proto.RouteAction.Types.HashPolicy.PolicySpecifierOneofCase.FilterState => new(HashPolicyKind.FilterState, proto.FilterState.Key, proto.Terminal),
        _ => throw new ConfigRefusedException("a hash policy without a kind"),
    };

    private static RateLimitAction Action(RateLimit.Types.Action action) => action.ActionSpecifierCase switch
    {
        RateLimit.Types.Action.ActionSpecifierOneofCase.SourceCluster => new(RateLimitActionKind.SourceCluster) { Key = "source_cluster" },
        RateLimit.Types.Action.ActionSpecifierOneofCase.DestinationCluster => new(RateLimitActionKind.DestinationCluster) { Key = "destination_cluster" },
        RateLimit.Types.Action.ActionSpecifierOneofCase.RequestHeaders => new(RateLimitActionKind.RequestHeader)
        {
            Key = action.RequestHeaders.DescriptorKey,
            Value = action.RequestHeaders.HeaderName.ToLowerInvariant(),
            SkipIfAbsent = action.RequestHeaders.SkipIfAbsent,
        },
        RateLimit.Types.Action.ActionSpecifierOneofCase.RemoteAddress => new(RateLimitActionKind.RemoteAddress) { Key = "remote_address" },
        RateLimit.Types.Action.ActionSpecifierOneofCase.MaskedRemoteAddress => new(RateLimitActionKind.MaskedRemoteAddress)
        {
            Key = "masked_remote_address",
            V4PrefixLength = (int)Math.Min(32, action.MaskedRemoteAddress.V4PrefixMaskLen ?? 32),
            V6PrefixLength = (int)Math.Min(128, action.MaskedRemoteAddress.V6PrefixMaskLen ?? 128),
        },
        RateLimit.Types.Action.ActionSpecifierOneofCase.GenericKey => new(RateLimitActionKind.GenericKey)
        {
            Key = action.GenericKey.DescriptorKey.Length > 0 ? action.GenericKey.DescriptorKey : "generic_key",
            Value = action.GenericKey.DescriptorValue,
        },
        RateLimit.Types.Action.ActionSpecifierOneofCase.HeaderValueMatch => new(RateLimitActionKind.HeaderValueMatch)
        {
            Key = action.HeaderValueMatch.DescriptorKey.Length > 0 ? action.HeaderValueMatch.DescriptorKey : "header_match",
            Value = action.HeaderValueMatch.DescriptorValue,
            ExpectMatch = action.HeaderValueMatch.ExpectMatch ?? true,
            Headers = Each("header_value_match.headers", action.HeaderValueMatch.Headers, MatchersFromXds.Header),
        },
        RateLimit.Types.Action.ActionSpecifierOneofCase.QueryParameterValueMatch => new(RateLimitActionKind.QueryParameterValueMatch)
        {
            Key = action.QueryParameterValueMatch.DescriptorKey.Length > 0 ? action.QueryParameterValueMatch.DescriptorKey : "query_match",
            Value = action.QueryParameterValueMatch.DescriptorValue,
            ExpectMatch = action.QueryParameterValueMatch.ExpectMatch ?? true,
            Queries = Each("query_parameter_value_match.query_parameters", action.QueryParameterValueMatch.QueryParameters, MatchersFromXds.Query),
        },
        RateLimit.Types.Action.ActionSpecifierOneofCase.Metadata => new(RateLimitActionKind.Metadata)
        {
            Key = action.Metadata.DescriptorKey,
            MetadataFilter = action.Metadata.MetadataKey?.Key ?? "",
            MetadataPath = action.Metadata.MetadataKey is { } key ? [.. key.Path.Select(segment => segment.Key)] : [],
            Default = action.Metadata.DefaultValue,
            SkipIfAbsent = action.Metadata.SkipIfAbsent,
        },
        var other => throw new ConfigRefusedException($"a rate limit action of kind {other} is not supported"),
    };

    private static string Template(Envoy.Config.Core.V3.TypedExtensionConfig policy)
    {
        var type = TypeOf(policy.TypedConfig);
        if (type != "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig") throw new ConfigRefusedException($"'{type}' is not supported");
        return Unpack(policy.TypedConfig, UriTemplateMatchConfig.Parser).PathTemplate;
    }

    private static HeaderEditSet Edits(
        IReadOnlyList<Envoy.Config.Core.V3.HeaderValueOption> requestAdd, IReadOnlyList<string> requestRemove,
        IReadOnlyList<Envoy.Config.Core.V3.HeaderValueOption> responseAdd, IReadOnlyList<string> responseRemove)
    {
        if (requestAdd.Count + requestRemove.Count + responseAdd.Count + responseRemove.Count == 0) return HeaderEditSet.None;
        var edits = new HeaderEditSet(
            In("request_headers", requestAdd, add => MatchersFromXds.Edits(add, requestRemove)),
            In("response_headers", responseAdd, add => MatchersFromXds.Edits(add, responseRemove)));
        // Now, not with the first request: an operator nobody knows is refused with the table it stands in.
        Http.HeaderEdits.Prepare(edits);
        return edits;
    }

    // The same domain twice would make the answer depend on the order of the list, so the field's authors forbid it.
    private static void RefuseDuplicates(RouteTable table)
    {
        var seen = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var host in table.VirtualHosts)
            foreach (var domain in host.Domains)
                if (!seen.TryAdd(domain, host.Name))
                    throw new ConfigRefusedException("virtual_hosts", string.Create(CultureInfo.InvariantCulture,
                        $"domain '{domain}' is claimed by '{seen[domain]}' and by '{host.Name}'; each may appear once"));
    }
}
