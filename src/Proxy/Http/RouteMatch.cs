using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>A route's conditions made ready. Asked for every request of its virtual host until one fits; allocates nothing.</summary>
internal sealed class RouteMatch
{
    private readonly RouteMatchSettings settings;
    private readonly byte[] path;
    private readonly LinearPattern? pattern;
    private readonly PathTemplate? template;
    private readonly HeaderPredicate[] headers;
    private readonly QueryPredicate[] queries;

    public RouteMatch(RouteMatchSettings settings)
    {
        this.settings = settings;
        path = Encoding.UTF8.GetBytes(settings.Path);
        if (settings.PathKind == PathMatchKind.Regex) pattern = LinearPattern.Compile(settings.Path);
        if (settings.PathKind == PathMatchKind.Template) template = PathTemplate.Compile(settings.Path);
        headers = [.. settings.Headers.Select(match => new HeaderPredicate(match))];
        queries = [.. settings.Queries.Select(match => new QueryPredicate(match))];
    }

    /// <summary>Without metadata, client certificate and chance: for rules that know only the request.</summary>
    public bool IsMatch(RequestHead request) => PathMatches(request) && HeadersMatch(request);

    public bool IsMatch(Exchange exchange)
    {
        var request = exchange.Request;
        if (!PathMatches(request) || !HeadersMatch(request)) return false;
        if (settings.GrpcOnly && !exchange.IsGrpc) return false;
        if (settings.ClientCertPresented is { } presented && presented != (exchange.Client.Peer is not null)) return false;
        if (settings.ClientCertValidated is { } validated && validated != (exchange.Client.Peer is { IsValidated: true })) return false;
        if (!settings.Metadata.IsEmpty && !MetadataMatches(exchange)) return false;
        return settings.Share is not { } share || share.Includes((ulong)exchange.Random.NextInt64());
    }

    /// <summary>How much of the path is the matched part, which a prefix rewrite replaces.</summary>
    public int MatchedLength(ReadOnlySpan<byte> pathOnly) =>
        settings.PathKind is PathMatchKind.Prefix or PathMatchKind.SeparatedPrefix ? path.Length : pathOnly.Length;

    /// <summary>The new path in terms of this template's variables; null when this is no template.</summary>
    public string? RewriteByTemplate(ReadOnlySpan<byte> pathOnly, string rewrite) => template?.Rewrite(Encoding.UTF8.GetString(pathOnly), rewrite);

    public static bool Holds(MetadataMatch match, Exchange exchange)
    {
        var value = match.Path.IsEmpty ? null : exchange.GetMetadata(match.Filter, match.Path[0]);
        for (var i = 1; i < match.Path.Length; i++) value = value?[match.Path[i]];
        return match.Value.IsMatch(value) != match.Invert;
    }

    private bool PathMatches(RequestHead request)
    {
        if (settings.PathKind == PathMatchKind.Connect) return request.IsConnect;
        if (request.IsConnect) return false;

        var actual = request.PathOnly;
        return settings.PathKind switch
        {
            PathMatchKind.Prefix => StartsWith(actual),
            PathMatchKind.Path => actual.Length == path.Length && StartsWith(actual),
            PathMatchKind.SeparatedPrefix => StartsWith(actual) && (actual.Length == path.Length || actual[path.Length] == '/'),
            PathMatchKind.Template => template!.IsMatch(actual),
            _ => pattern!.IsFullMatch(actual),
        };
    }

    private bool StartsWith(ReadOnlySpan<byte> actual)
    {
        if (actual.Length < path.Length) return false;
        return settings.IgnoreCase ? Ascii.EqualsIgnoreCase(actual[..path.Length], path) : actual[..path.Length].SequenceEqual(path);
    }

    private bool HeadersMatch(RequestHead request)
    {
        foreach (var header in headers)
            if (!header.IsMatch(request)) return false;
        foreach (var query in queries)
            if (!query.IsMatch(request)) return false;
        return true;
    }

    private bool MetadataMatches(Exchange exchange)
    {
        foreach (var match in settings.Metadata)
            if (!Holds(match, exchange)) return false;
        return true;
    }
}
