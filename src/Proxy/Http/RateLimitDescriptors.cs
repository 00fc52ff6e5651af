using System.Collections.Immutable;
using System.Net;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>What a request is, as rate limits describe it: one list of key and value per configured set of actions that all apply.</summary>
internal static class RateLimitDescriptors
{
    /// <param name="ofFilter">Replaces what route and virtual host say, when it says anything.</param>
    public static List<IReadOnlyList<KeyValuePair<string, string>>> Of(Exchange exchange, ImmutableArray<RateLimitActions> ofFilter, uint stage)
    {
        var result = new List<IReadOnlyList<KeyValuePair<string, string>>>();
        if (!ofFilter.IsEmpty)
        {
            Add(exchange, ofFilter, stage, result);
            return result;
        }
        // What a route says stands in place of what its virtual host says.
        if (exchange.Route?.Action is Forward { RateLimits.IsEmpty: false } forward) Add(exchange, forward.RateLimits, stage, result);
        else if (exchange.VirtualHost is { } host) Add(exchange, host.RateLimits, stage, result);
        return result;
    }

    private static void Add(Exchange exchange, ImmutableArray<RateLimitActions> limits, uint stage, List<IReadOnlyList<KeyValuePair<string, string>>> result)
    {
        foreach (var limit in limits)
        {
            if (limit.Stage != stage) continue;

            var entries = new List<KeyValuePair<string, string>>(limit.Actions.Length);
            var isWhole = true;
            foreach (var action in limit.Actions)
            {
                var (value, skips) = ValueOf(exchange, action);
                if (value is not null) entries.Add(new(action.Key, value));
                else if (!skips) isWhole = false;
            }
            if (isWhole && entries.Count > 0) result.Add(entries);
        }
    }

    private static (string? Value, bool Skips) ValueOf(Exchange exchange, RateLimitAction action)
    {
        var request = exchange.Request;
        switch (action.Kind)
        {
            case RateLimitActionKind.GenericKey: return (action.Value, false);
            case RateLimitActionKind.SourceCluster: return (exchange.Worker.Node.Cluster, false);
            case RateLimitActionKind.DestinationCluster: return (exchange.Route?.Action is Forward forward ? Router.PickCluster(exchange, forward) : null, false);
            case RateLimitActionKind.RemoteAddress: return (exchange.Source.Address.ToString(), false);
            case RateLimitActionKind.MaskedRemoteAddress: return (Masked(exchange.Source.Address, action), false);
            case RateLimitActionKind.RequestHeader: return (HeaderOf(request, action.Value), action.SkipIfAbsent);
            case RateLimitActionKind.QueryParameter: return (QueryString.TryFind(request.Query, action.Value, out var value) ? Encoding.UTF8.GetString(value) : null, action.SkipIfAbsent);
            case RateLimitActionKind.HeaderValueMatch: return (action.Headers.All(match => new HeaderPredicate(match).IsMatch(request)) == action.ExpectMatch ? action.Value : null, false);
            case RateLimitActionKind.QueryParameterValueMatch: return (action.Queries.All(match => new QueryPredicate(match).IsMatch(request)) == action.ExpectMatch ? action.Value : null, false);
            default:
                var metadata = action.MetadataPath.IsEmpty ? null : exchange.GetMetadata(action.MetadataFilter, action.MetadataPath[0]);
                for (var i = 1; i < action.MetadataPath.Length; i++) metadata = metadata?[action.MetadataPath[i]];
                return (metadata?.Text ?? (action.Default.Length > 0 ? action.Default : null), action.SkipIfAbsent);
        }
    }

    private static string? HeaderOf(RequestHead request, string name) => name switch
    {
        ":path" => Encoding.Latin1.GetString(request.Path),
        ":method" => Encoding.Latin1.GetString(request.MethodName),
        ":authority" or "host" => Encoding.Latin1.GetString(request.Authority),
        _ => request.Headers.GetText(name),
    };

    private static string Masked(IPAddress address, RateLimitAction action) =>
        new AddressRange(address, address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? action.V4PrefixLength : action.V6PrefixLength).ToString();
}
