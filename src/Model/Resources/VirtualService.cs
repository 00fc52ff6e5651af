using System.Collections.Immutable;

namespace Mesh.Model.Resources;

public enum RouteSemantics { Istio, Gateway, Ingress }

/// <summary>networking.istio.io VirtualService as written; names are not yet resolved (<see cref="World.Hostnames"/> does that).</summary>
public sealed class VirtualService(ResourceMeta meta) : Resource(meta)
{
    public required ImmutableArray<string> Hosts { get; init; }
    public required ImmutableArray<string> Gateways { get; init; }
    public required ImmutableArray<HttpRule> Http { get; init; }
    public required ImmutableArray<L4Rule> Tls { get; init; }
    public required ImmutableArray<L4Rule> Tcp { get; init; }
    public required ImmutableArray<string> ExportTo { get; init; }
    public RouteSemantics Semantics { get; init; }

    public static VirtualService Read(ResourceMeta meta, Fields root)
    {
        var spec = root["spec"];
        return new(meta)
        {
            Hosts = [.. spec.Texts("hosts").Select(host => host.ToLowerInvariant())],
            Gateways = spec.Texts("gateways"),
            Http = spec.Each("http", HttpRule.Read),
            Tls = spec.Each("tls", L4Rule.Read),
            Tcp = spec.Each("tcp", L4Rule.Read),
            ExportTo = spec.Texts("exportTo"),
            Semantics = meta.Annotations["internal.istio.io/route-semantics"] switch
            {
                "gateway" => RouteSemantics.Gateway,
                "ingress" => RouteSemantics.Ingress,
                _ => RouteSemantics.Istio,
            },
        };
    }
}

public sealed record HttpRule(string Name)
{
    public ImmutableArray<HttpMatch> Match { get; init; } = [];
    public ImmutableArray<RouteDestination> Route { get; init; } = [];
    public Redirect? Redirect { get; init; }
    public DirectResponse? DirectResponse { get; init; }
    public DelegateRef? Delegate { get; init; }
    public Rewrite? Rewrite { get; init; }
    public TimeSpan? Timeout { get; init; }
    public Retry? Retries { get; init; }
    public Fault? Fault { get; init; }
    public ImmutableArray<Mirror> Mirrors { get; init; } = [];
    public Cors? Cors { get; init; }
    public HeaderChanges? Headers { get; init; }

    public static HttpRule Read(Fields f)
    {
        var mirrors = f.Each("mirrors", m => new Mirror(Destination.Read(m["destination"]), m["percentage"].DoubleOrNull("value") ?? 100));
        if (f.Has("mirror"))
        {
            var share = f["mirrorPercentage"].DoubleOrNull("value") ?? f.DoubleOrNull("mirrorPercent") ?? f.DoubleOrNull("mirror_percent") ?? 100;
            mirrors = mirrors.Insert(0, new(Destination.Read(f["mirror"]), share));
        }
        return new(f.Text("name"))
        {
            Match = f.Each("match", HttpMatch.Read),
            Route = f.Each("route", RouteDestination.Read),
            Redirect = f.Maybe("redirect", Redirect.Read),
            DirectResponse = f.Maybe("directResponse", DirectResponse.Read),
            Delegate = f.Maybe("delegate", d => new DelegateRef(d.Text("name"), d.Text("namespace"))),
            Rewrite = f.Maybe("rewrite", Rewrite.Read),
            Timeout = f.Duration("timeout"),
            Retries = f.Maybe("retries", Retry.Read),
            Fault = f.Maybe("fault", Fault.Read),
            Mirrors = mirrors,
            Cors = f.Maybe("corsPolicy", Cors.Read),
            Headers = f.Maybe("headers", HeaderChanges.Read),
        };
    }
}

public sealed record NamedMatch(string Name, StringMatch? Match);

public sealed record HttpMatch(string Name)
{
    public StringMatch? Uri { get; init; }
    public StringMatch? Scheme { get; init; }
    public StringMatch? Method { get; init; }
    public StringMatch? Authority { get; init; }
    public ImmutableArray<NamedMatch> Headers { get; init; } = [];
    public ImmutableArray<NamedMatch> WithoutHeaders { get; init; } = [];
    public ImmutableArray<NamedMatch> QueryParams { get; init; } = [];
    public bool IgnoreUriCase { get; init; }
    public int Port { get; init; }
    public LabelSet SourceLabels { get; init; } = LabelSet.Empty;
    public string SourceNamespace { get; init; } = "";
    public ImmutableArray<string> Gateways { get; init; } = [];
    public string StatPrefix { get; init; } = "";

    public static HttpMatch Read(Fields f) => new(f.Text("name"))
    {
        Uri = f.Maybe("uri", StringMatch.Read),
        Scheme = f.Maybe("scheme", StringMatch.Read),
        Method = f.Maybe("method", StringMatch.Read),
        Authority = f.Maybe("authority", StringMatch.Read),
        Headers = Named(f["headers"]),
        WithoutHeaders = Named(f["withoutHeaders"]),
        QueryParams = Named(f["queryParams"]),
        IgnoreUriCase = f.Bool("ignoreUriCase"),
        Port = f.Int("port"),
        SourceLabels = f.Labels("sourceLabels"),
        SourceNamespace = f.Text("sourceNamespace"),
        Gateways = f.Texts("gateways"),
        StatPrefix = f.Text("statPrefix"),
    };

    private static ImmutableArray<NamedMatch> Named(Fields map) =>
        [.. map.Entries().OrderBy(entry => entry.Key, StringComparer.Ordinal).Select(entry => new NamedMatch(entry.Key, StringMatch.Read(entry.Value)))];
}

/// <summary>Port 0: the service's only port, else the listener's.</summary>
public sealed record Destination(string Host, string Subset, int Port)
{
    public static Destination Read(Fields f) => new(f.Text("host").ToLowerInvariant(), f.Text("subset"), f["port"].Int("number"));
}

public sealed record RouteDestination(Destination Destination, int Weight, HeaderChanges? Headers)
{
    /// <summary>True where a Gateway API reference could not be resolved: its share of the traffic is answered with 500.</summary>
    public bool IsBroken { get; init; }

    public static RouteDestination Read(Fields f) =>
        new(Destination.Read(f["destination"]), f.Int("weight"), f.Maybe("headers", HeaderChanges.Read));
}

public sealed record HeaderChange(ImmutableArray<KeyValuePair<string, string>> Set, ImmutableArray<KeyValuePair<string, string>> Add, ImmutableArray<string> Remove)
{
    public static HeaderChange Read(Fields f) => new(Sorted(f["set"]), Sorted(f["add"]), f.Texts("remove"));

    private static ImmutableArray<KeyValuePair<string, string>> Sorted(Fields map) => [.. map.Pairs().OrderBy(pair => pair.Key, StringComparer.Ordinal)];
}

public sealed record HeaderChanges(HeaderChange? Request, HeaderChange? Response)
{
    public static HeaderChanges Read(Fields f) => new(f.Maybe("request", HeaderChange.Read), f.Maybe("response", HeaderChange.Read));
}

public sealed record DelegateRef(string Name, string Namespace);

public sealed record Redirect(string? Uri, string? PrefixRewrite, string Authority, int? Port, string? DerivePort, string Scheme, int Code)
{
    /// <summary>A <see cref="DerivePort"/> of the Gateway API: the port of the listener, unless the scheme implies it.</summary>
    public const string ListenerPort = "FROM_LISTENER";

    public static Redirect Read(Fields f) => new(
        f.TextOrNull("uri"), f.TextOrNull("prefixRewrite"), f.Text("authority"), f.IntOrNull("port"), f.TextOrNull("derivePort"), f.Text("scheme"),
        f.Int("redirectCode"));
}

public sealed record DirectResponse(int Status, string? Text, byte[]? Bytes)
{
    public static DirectResponse Read(Fields f)
    {
        var body = f["body"];
        byte[]? bytes = null;
        if (body.TextOrNull("bytes") is { } base64)
        {
            var decoded = new byte[base64.Length];
            if (Convert.TryFromBase64String(base64, decoded, out var length)) bytes = decoded[..length];
            else body["bytes"].Refuse("must be base64");
        }
        return new(f.Int("status"), body.TextOrNull("string"), bytes);
    }
}

public sealed record Rewrite(string Uri, string Authority, string RegexMatch, string RegexRewrite)
{
    /// <summary>Gateway API's ReplacePrefixMatch: slashes at the seam are kept right.</summary>
    public bool IsSegmentPrefix { get; init; }

    public bool HasRegex => RegexMatch.Length > 0;

    public static Rewrite Read(Fields f) => new(
        f.Text("uri"), f.Text("authority"), f["uriRegexRewrite"].Text("match"), f["uriRegexRewrite"].Text("rewrite"));
}

public sealed record Retry(int Attempts, TimeSpan? PerTryTimeout, string RetryOn, bool RemoteLocalities, bool? IgnorePreviousHosts, TimeSpan? Backoff)
{
    public static Retry Read(Fields f) => new(
        f.Int("attempts"), f.Duration("perTryTimeout"), f.Text("retryOn"), f.Bool("retryRemoteLocalities"), f.BoolOrNull("retryIgnorePreviousHosts"),
        f.Duration("backoff"));
}

/// <summary>Shares are percentages; absent means never.</summary>
public sealed record Fault(TimeSpan? Delay, double DelayShare, int? AbortHttp, string? AbortGrpc, double AbortShare)
{
    public static Fault Read(Fields f)
    {
        var (delay, abort) = (f["delay"], f["abort"]);
        return new(
            delay.Duration("fixedDelay"), delay["percentage"].DoubleOrNull("value") ?? delay.DoubleOrNull("percent") ?? 0,
            abort.IntOrNull("httpStatus"), abort.TextOrNull("grpcStatus"), abort["percentage"].DoubleOrNull("value") ?? 0);
    }
}

public sealed record Mirror(Destination Destination, double Share);

public sealed record Cors(
    ImmutableArray<StringMatch> AllowOrigins, ImmutableArray<string> AllowMethods, ImmutableArray<string> AllowHeaders, ImmutableArray<string> ExposeHeaders,
    TimeSpan? MaxAge, bool? AllowCredentials, bool ForwardsUnmatchedPreflights)
{
    public static Cors Read(Fields f)
    {
        var origins = f.Each("allowOrigins", StringMatch.Read).OfType<StringMatch>().ToImmutableArray();
        if (origins.IsEmpty) origins = [.. f.Texts("allowOrigin").Select(exact => new StringMatch(MatchKind.Exact, exact))];
        return new(
            origins, f.Texts("allowMethods"), f.Texts("allowHeaders"), f.Texts("exposeHeaders"), f.Duration("maxAge"), f.BoolOrNull("allowCredentials"),
            f.Text("unmatchedPreflights") != "IGNORE");
    }
}

/// <summary>A <c>tls</c> or <c>tcp</c> rule; SNI hosts are empty for tcp.</summary>
public sealed record L4Rule(ImmutableArray<L4Match> Match, ImmutableArray<RouteDestination> Route)
{
    public static L4Rule Read(Fields f) => new(f.Each("match", L4Match.Read), f.Each("route", RouteDestination.Read));
}

public sealed record L4Match(
    ImmutableArray<string> SniHosts, ImmutableArray<string> DestinationSubnets, int Port, LabelSet SourceLabels, string SourceNamespace,
    ImmutableArray<string> Gateways)
{
    public static L4Match Read(Fields f) => new(
        [.. f.Texts("sniHosts").Select(host => host.ToLowerInvariant())], f.Texts("destinationSubnets"), f.Int("port"), f.Labels("sourceLabels"), f.Text("sourceNamespace"), f.Texts("gateways"));
}
