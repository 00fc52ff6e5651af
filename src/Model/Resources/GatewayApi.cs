using System.Collections.Immutable;

namespace Mesh.Model.Resources;

public sealed class GatewayClass(ResourceMeta meta, Fields root) : Resource(meta)
{
    public string Controller { get; } = root["spec"].Text("controllerName");
}

public sealed record SecretRef(string Group, string Kind, string Namespace, string Name)
{
    public static SecretRef Read(Fields f) => new(f.Text("group"), f.Text("kind", "Secret"), f.Text("namespace"), f.Text("name"));
}

public sealed record LabelRequirement(string Key, string Operator, ImmutableArray<string> Values)
{
    public bool Holds(LabelSet labels) => Operator switch
    {
        "In" => labels[Key] is { } value && Values.Contains(value),
        "NotIn" => labels[Key] is not { } other || !Values.Contains(other),
        "Exists" => labels[Key] is not null,
        "DoesNotExist" => labels[Key] is null,
        _ => false,
    };
}

/// <summary>A Kubernetes label selector.</summary>
public sealed record LabelSelector(LabelSet MatchLabels, ImmutableArray<LabelRequirement> Requirements)
{
    public bool Selects(LabelSet labels) => MatchLabels.Selects(labels) && Requirements.All(requirement => requirement.Holds(labels));

    public static LabelSelector Read(Fields f) => new(
        f.Labels("matchLabels"), f.Each("matchExpressions", e => new LabelRequirement(e.Text("key"), e.Text("operator"), e.Texts("values"))));
}

public sealed record RouteKind(string Group, string Kind);

public sealed record ListenerTls(
    string Mode, ImmutableArray<SecretRef> Certificates, LabelSet Options, ImmutableArray<SecretRef> FrontendCas)
{
    public static ListenerTls Read(Fields f) => new(
        f.Text("mode", "Terminate"), f.Each("certificateRefs", SecretRef.Read), f.Labels("options"), f["frontendValidation"].Each("caCertificateRefs", SecretRef.Read));
}

public sealed record ApiListener(string Name, string Hostname, int Port, string Protocol, ListenerTls? Tls)
{
    public string From { get; init; } = "Same";
    public LabelSelector? FromSelector { get; init; }
    public ImmutableArray<RouteKind> Kinds { get; init; } = [];

    public static ApiListener Read(Fields f) => new(
        f.Text("name"), f.Text("hostname").ToLowerInvariant(), f.Int("port"), f.Text("protocol"), f.Maybe("tls", ListenerTls.Read))
    {
        From = f["allowedRoutes"]["namespaces"].Text("from", "Same"),
        FromSelector = f["allowedRoutes"]["namespaces"].Maybe("selector", LabelSelector.Read),
        Kinds = f["allowedRoutes"].Each("kinds", k => new RouteKind(k.Text("group", "gateway.networking.k8s.io"), k.Text("kind"))),
    };
}

public sealed record ApiAddress(string Type, string Value);

/// <summary>Whom a gateway asks for a certificate (spec.tls.frontend).</summary>
/// <param name="AllowsInsecure">A caller without a certificate, or with one that proves nothing, is let in too.</param>
public sealed record FrontendValidation(ImmutableArray<SecretRef> Cas, bool AllowsInsecure)
{
    public static FrontendValidation Read(Fields f) => new(f.Each("caCertificateRefs", SecretRef.Read), f.Text("mode") == "AllowInsecureFallback");
}

public sealed class ApiGateway(ResourceMeta meta, Fields root) : Resource(meta)
{
    public string ClassName { get; } = root["spec"].Text("gatewayClassName");
    public ImmutableArray<ApiListener> Listeners { get; } = root["spec"].Each("listeners", ApiListener.Read);
    public ImmutableArray<ApiAddress> Addresses { get; } =
        root["spec"].Each("addresses", a => new ApiAddress(a.Text("type", "IPAddress"), a.Text("value")));
    public FrontendValidation? Frontend { get; } = root["spec"]["tls"]["frontend"]["default"].Maybe("validation", FrontendValidation.Read);
    public ImmutableArray<(int Port, FrontendValidation? Validation)> FrontendOfPorts { get; } =
        root["spec"]["tls"]["frontend"].Each("perPort", p => (p.Int("port"), p["tls"].Maybe("validation", FrontendValidation.Read)));
    public SecretRef? ClientCertificate { get; } = root["spec"]["tls"]["backend"].Maybe("clientCertificateRef", SecretRef.Read);
    public SecretRef? Parameters { get; } = root["spec"]["infrastructure"].Maybe("parametersRef", SecretRef.Read);
    public LabelSet InfrastructureLabels { get; } = root["spec"]["infrastructure"].Labels("labels");
    public LabelSet InfrastructureAnnotations { get; } = root["spec"]["infrastructure"].Labels("annotations");
    public string ListenerSetsFrom { get; } = root["spec"]["allowedListeners"]["namespaces"].Text("from", "None");
    public LabelSelector? ListenerSetsSelector { get; } = root["spec"]["allowedListeners"]["namespaces"].Maybe("selector", LabelSelector.Read);

    public FrontendValidation? FrontendOf(int port)
    {
        foreach (var (own, validation) in FrontendOfPorts)
            if (own == port) return validation;
        return Frontend;
    }
}

public sealed class ListenerSet(ResourceMeta meta, Fields root) : Resource(meta)
{
    public ParentRef Parent { get; } = ParentRef.Read(root["spec"]["parentRef"]);
    public ImmutableArray<ApiListener> Listeners { get; } = root["spec"].Each("listeners", ApiListener.Read);
}

public sealed record ParentRef(string Group, string Kind, string Namespace, string Name, string SectionName, int? Port)
{
    public static ParentRef Read(Fields f) => new(
        f.Text("group", "gateway.networking.k8s.io"), f.Text("kind", "Gateway"), f.Text("namespace"), f.Text("name"), f.Text("sectionName"),
        f.IntOrNull("port"));
}

public sealed record BackendRef(string Group, string Kind, string Namespace, string Name, int? Port, int Weight)
{
    public ImmutableArray<ApiFilter> Filters { get; init; } = [];

    public static BackendRef Read(Fields f) => new(
        f.Text("group"), f.Text("kind", "Service"), f.Text("namespace"), f.Text("name"), f.IntOrNull("port"), f.Int("weight", 1))
    {
        Filters = f.Each("filters", ApiFilter.Read),
    };
}

public sealed record ApiHeaderFilter(
    ImmutableArray<KeyValuePair<string, string>> Set, ImmutableArray<KeyValuePair<string, string>> Add, ImmutableArray<string> Remove)
{
    public static ApiHeaderFilter Read(Fields f) => new(Each(f, "set"), Each(f, "add"), f.Texts("remove"));

    /// <summary>Of several entries with one name the first counts.</summary>
    private static ImmutableArray<KeyValuePair<string, string>> Each(Fields f, string list) =>
        [.. f.Each(list, h => new KeyValuePair<string, string>(h.Text("name"), h.Text("value"))).DistinctBy(h => h.Key.ToLowerInvariant())];
}

public sealed record ApiPathChange(string Type, string FullPath, string PrefixMatch)
{
    public static ApiPathChange Read(Fields f) => new(f.Text("type"), f.Text("replaceFullPath"), f.Text("replacePrefixMatch"));
}

public sealed record ApiRedirect(string Scheme, string Hostname, ApiPathChange? Path, int? Port, int? Code);

public sealed record ApiMirror(BackendRef Backend, double Share);

/// <summary>One filter of a route rule; exactly one of the parts is set, or none for a kind that is not supported.</summary>
public sealed record ApiFilter(string Type)
{
    public ApiHeaderFilter? RequestHeaders { get; init; }
    public ApiHeaderFilter? ResponseHeaders { get; init; }
    public ApiRedirect? Redirect { get; init; }
    public string RewriteHostname { get; init; } = "";
    public ApiPathChange? RewritePath { get; init; }
    public ApiMirror? Mirror { get; init; }
    public Cors? Cors { get; init; }

    public static ApiFilter Read(Fields f) => new(f.Text("type"))
    {
        RequestHeaders = f.Maybe("requestHeaderModifier", ApiHeaderFilter.Read),
        ResponseHeaders = f.Maybe("responseHeaderModifier", ApiHeaderFilter.Read),
        Redirect = f.Maybe("requestRedirect", r => new ApiRedirect(
            r.Text("scheme"), r.Text("hostname"), r.Maybe("path", ApiPathChange.Read), r.IntOrNull("port"), r.IntOrNull("statusCode"))),
        RewriteHostname = f["urlRewrite"].Text("hostname"),
        RewritePath = f["urlRewrite"].Maybe("path", ApiPathChange.Read),
        Mirror = f.Maybe("requestMirror", m => new ApiMirror(BackendRef.Read(m["backendRef"]), ShareOf(m))),
        Cors = f.Maybe("cors", ReadCors),
    };

    private static double ShareOf(Fields f)
    {
        if (f.DoubleOrNull("percent") is { } percent) return percent;
        if (!f.Has("fraction")) return 100;
        return 100.0 * f["fraction"].Int("numerator") / Math.Max(1, f["fraction"].Int("denominator", 100));
    }

    private static Cors ReadCors(Fields f) => new(
        [.. f.Texts("allowOrigins").Select(Origin)], f.Texts("allowMethods"), f.Texts("allowHeaders"), f.Texts("exposeHeaders"),
        f.IntOrNull("maxAge") is > 0 and var seconds ? TimeSpan.FromSeconds(seconds) : null, f.Bool("allowCredentials") ? true : null, false);

    private static StringMatch Origin(string origin)
    {
        // Whatever has the form of an origin: "null" and half a URL are none.
        if (origin == "*") return new(MatchKind.Regex, @"[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s?#]+");
        var star = origin.IndexOf('*', StringComparison.Ordinal);
        if (star < 0) return new(MatchKind.Exact, origin);
        if (star == origin.Length - 1) return new(MatchKind.Prefix, origin[..star]);
        return new(MatchKind.Regex, string.Join(".*", origin.Split('*').Select(System.Text.RegularExpressions.Regex.Escape)));
    }
}

public sealed record ApiValueMatch(string Type, string Name, string Value);

public sealed record ApiRouteMatch(string PathType, string? Path)
{
    public string Method { get; init; } = "";
    public ImmutableArray<ApiValueMatch> Headers { get; init; } = [];
    public ImmutableArray<ApiValueMatch> Query { get; init; } = [];

    /// <summary>gRPC: service and method, matched exactly or by regex.</summary>
    public string GrpcType { get; init; } = "";
    public string GrpcService { get; init; } = "";
    public string GrpcMethod { get; init; } = "";
}

public sealed record ApiRetry(ImmutableArray<int> Codes, int? Attempts, TimeSpan? Backoff);

public sealed record ApiRule(string Name)
{
    public ImmutableArray<ApiRouteMatch> Matches { get; init; } = [];
    public ImmutableArray<ApiFilter> Filters { get; init; } = [];
    public ImmutableArray<BackendRef> Backends { get; init; } = [];
    public TimeSpan? RequestTimeout { get; init; }
    public TimeSpan? BackendTimeout { get; init; }
    public ApiRetry? Retry { get; init; }

    public static ApiRule ReadHttp(Fields f) => Read(f, [.. f.Each("matches", m => new ApiRouteMatch(
        m["path"].Text("type", "PathPrefix"), m.Has("path") ? m["path"].Text("value", "/") : null)
    {
        Method = m.Text("method"),
        Headers = m.Each("headers", ReadValue),
        Query = m.Each("queryParams", ReadValue),
    })]);

    public static ApiRule ReadGrpc(Fields f) => Read(f, [.. f.Each("matches", m => new ApiRouteMatch("", null)
    {
        GrpcType = m["method"].Text("type", "Exact"),
        GrpcService = m["method"].Text("service"),
        GrpcMethod = m["method"].Text("method"),
        Headers = m.Each("headers", ReadValue),
    })]);

    public static ApiRule ReadL4(Fields f) => Read(f, []);

    private static ApiRule Read(Fields f, ImmutableArray<ApiRouteMatch> matches) => new(f.Text("name"))
    {
        Matches = matches,
        Filters = f.Each("filters", ApiFilter.Read),
        Backends = f.Each("backendRefs", BackendRef.Read),
        RequestTimeout = f["timeouts"].Duration("request"),
        BackendTimeout = f["timeouts"].Duration("backendRequest"),
        Retry = f.Maybe("retry", r => new ApiRetry(
            [.. r.Texts("codes").Select(code => int.TryParse(code, out var number) ? number : 0)], r.IntOrNull("attempts"), r.Duration("backoff"))),
    };

    private static ApiValueMatch ReadValue(Fields f) => new(f.Text("type", "Exact"), f.Text("name"), f.Text("value"));
}

public enum ApiRouteType { Http, Grpc, Tls, Tcp }

public sealed class ApiRoute(ResourceMeta meta, Fields root, ApiRouteType type) : Resource(meta)
{
    public ApiRouteType Type { get; } = type;
    public ImmutableArray<ParentRef> Parents { get; } = root["spec"].Each("parentRefs", ParentRef.Read);
    public ImmutableArray<string> Hostnames { get; } = [.. root["spec"].Texts("hostnames").Select(host => host.ToLowerInvariant())];
    public ImmutableArray<ApiRule> Rules { get; } = root["spec"].Each("rules", rule => type switch
    {
        ApiRouteType.Http => ApiRule.ReadHttp(rule),
        ApiRouteType.Grpc => ApiRule.ReadGrpc(rule),
        _ => ApiRule.ReadL4(rule),
    });
}

public sealed record GrantFrom(string Group, string Kind, string Namespace);

public sealed record GrantTo(string Group, string Kind, string Name);

public sealed class ReferenceGrant(ResourceMeta meta, Fields root) : Resource(meta)
{
    public ImmutableArray<GrantFrom> From { get; } =
        root["spec"].Each("from", f => new GrantFrom(f.Text("group"), f.Text("kind"), f.Text("namespace")));
    public ImmutableArray<GrantTo> To { get; } = root["spec"].Each("to", t => new GrantTo(t.Text("group"), t.Text("kind"), t.Text("name")));
}

public sealed record PolicyTarget(string Group, string Kind, string Name, string SectionName);

public sealed class BackendTlsPolicy(ResourceMeta meta, Fields root) : Resource(meta)
{
    public ImmutableArray<PolicyTarget> Targets { get; } = root["spec"].Each("targetRefs", t => new PolicyTarget(
        t.Text("group"), t.Text("kind"), t.Text("name"), t.Text("sectionName")));
    public string Hostname { get; } = root["spec"]["validation"].Text("hostname");
    public ImmutableArray<SecretRef> CaRefs { get; } = root["spec"]["validation"].Each("caCertificateRefs", SecretRef.Read);
    public string WellKnownCas { get; } = root["spec"]["validation"].Text("wellKnownCACertificates");
    public ImmutableArray<string> SubjectAltNames { get; } =
        root["spec"]["validation"].Each("subjectAltNames", s => s.Text("hostname", s.Text("uri")));
}
