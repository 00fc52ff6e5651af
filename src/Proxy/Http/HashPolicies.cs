using System.Globalization;
using System.IO.Hashing;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>What decides the endpoint of a consistent hash: header, cookie, address or query parameter, combined as Envoy combines them so that both place a key alike.</summary>
internal static class HashPolicies
{
    /// <summary>Null: nothing to hash by; any endpoint will do.</summary>
    public static ulong? Evaluate(Exchange exchange, Forward forward)
    {
        ulong? hash = null;
        foreach (var policy in forward.HashPolicies)
        {
            if (Evaluate(exchange, policy) is { } value) hash = (hash is { } before ? before << 1 | before >> 63 : 0) ^ value;
            if (policy.Terminal && hash is not null) break;
        }
        return hash;
    }

    public static ulong Of(ReadOnlySpan<byte> bytes) => XxHash64.HashToUInt64(bytes);

    private static ulong? Evaluate(Exchange exchange, HashPolicy policy) => policy.Kind switch
    {
        HashPolicyKind.Header => OfHeader(exchange.Request, policy),
        HashPolicyKind.Cookie => OfCookie(exchange, policy),
        HashPolicyKind.SourceIp => OfAddress(exchange.Source.Address),
        HashPolicyKind.QueryParameter => OfQuery(exchange.Request, policy),
        _ => exchange.GetFilterState(policy.Name) is { } state ? Of(Encoding.UTF8.GetBytes(state)) : null,
    };

    private static ulong? OfHeader(RequestHead request, HashPolicy policy)
    {
        if (policy.Name is ":path") return Of(request.Path);
        if (policy.Name is ":authority" or "host") return Of(request.Authority);
        if (policy.Name is ":method") return Of(request.MethodName);

        var name = policy.Cell.Get(policy, static p => HeaderName.TryParse(p.Name) ?? throw new ConfigRefusedException("hash_policy.header", $"'{p.Name}' is no header name"));
        if (!request.Headers.TryGet(name, out var first)) return null;

        var count = 0;
        foreach (var _ in request.Headers.Values(name)) count++;
        if (count == 1) return Of(Rewritten(policy, first));

        // Several values hash alike whatever their order.
        var values = new List<byte[]>(count);
        foreach (var value in request.Headers.Values(name)) values.Add(Rewritten(policy, value).ToArray());
        values.Sort((a, b) => a.AsSpan().SequenceCompareTo(b));
        ulong hash = 0;
        foreach (var value in values) hash = XxHash64.HashToUInt64(value, (long)hash);
        return hash;
    }

    private static ReadOnlySpan<byte> Rewritten(HashPolicy policy, ReadOnlySpan<byte> value) => policy.HeaderRewrite is { } rewrite
        ? Encoding.UTF8.GetBytes(rewrite.Pattern.ReplaceAll(Encoding.UTF8.GetString(value), rewrite.Substitution))
        : value;

    private static ulong? OfCookie(Exchange exchange, HashPolicy policy)
    {
        if (TryFindCookie(exchange.Request.Headers, policy.Name, out var value) && !value.IsEmpty) return Of(value);
        if (policy.CookieTtl is not { } ttl) return null;

        // The same for all requests that race on a connection, so that they all meet the same endpoint.
        var text = Encoding.ASCII.GetBytes(Of(Encoding.ASCII.GetBytes($"{exchange.Source}{exchange.Client.Destination}")).ToString("x16", CultureInfo.InvariantCulture));
        exchange.HashCookie = SetCookie(policy.Name, Encoding.ASCII.GetString(text), policy.CookiePath, ttl, policy.CookieAttributes);
        return Of(text);
    }

    public static string SetCookie(string name, string value, string path, TimeSpan ttl, IEnumerable<KeyValuePair<string, string>> attributes)
    {
        var text = new StringBuilder().Append(name).Append("=\"").Append(value).Append('"');
        if (ttl > TimeSpan.Zero) text.Append(CultureInfo.InvariantCulture, $"; Max-Age={(long)ttl.TotalSeconds}");
        if (path.Length > 0) text.Append("; Path=").Append(path);
        foreach (var (key, attribute) in attributes) text.Append("; ").Append(key).Append(attribute.Length > 0 ? "=" : "").Append(attribute);
        return text.Append("; HttpOnly").ToString();
    }

    /// <summary>The value of the first cookie of that name, without quotes.</summary>
    public static bool TryFindCookie(Headers headers, ReadOnlySpan<char> name, out ReadOnlySpan<byte> value)
    {
        Span<byte> wanted = stackalloc byte[256];
        if (Encoding.ASCII.TryGetBytes(name, wanted, out var length))
        {
            foreach (var header in headers.Values(KnownHeader.Cookie))
            {
                var rest = header;
                while (!rest.IsEmpty)
                {
                    var end = rest.IndexOf((byte)';');
                    var part = (end < 0 ? rest : rest[..end]).Trim((byte)' ');
                    rest = end < 0 ? default : rest[(end + 1)..];
                    var equals = part.IndexOf((byte)'=');
                    if (equals < 0 || !part[..equals].SequenceEqual(wanted[..length])) continue;

                    value = part[(equals + 1)..];
                    if (value.Length >= 2 && value[0] == '"' && value[^1] == '"') value = value[1..^1];
                    return true;
                }
            }
        }
        value = default;
        return false;
    }

    public static ulong? OfAddress(System.Net.IPAddress address)
    {
        Span<byte> text = stackalloc byte[64];
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        return address.TryFormat(text, out var length) ? Of(text[..length]) : null;
    }

    private static ulong? OfQuery(RequestHead request, HashPolicy policy)
    {
        if (!QueryString.TryFind(request.Query, policy.Name, out var value)) return null;
        if (value.IndexOf((byte)'%') < 0) return Of(value);
        return Of(QueryString.Decode(value, new byte[value.Length]));
    }
}
