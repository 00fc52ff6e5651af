using System.Collections.Immutable;
using System.Net;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http.Filters;

namespace Mesh.Proxy.Security;

/// <summary>What an authorizer said.</summary>
internal sealed record AuthorizerVerdict(bool IsAllowed)
{
    /// <summary>Of a denial; the caller's status.</summary>
    public int Status { get; init; } = 403;
    public ReadOnlyMemory<byte> Body { get; init; }
    /// <summary>For the denial's answer, or for the request that goes on.</summary>
    public ImmutableArray<(string Name, string Value, bool Append)> Headers { get; init; } = [];
    public ImmutableArray<string> HeadersToRemove { get; init; } = [];
    /// <summary>For the upstream's answer when the request was let through: beside what it has of that name, or in its place.</summary>
    public ImmutableArray<(string Name, string Value, bool Append)> ResponseHeaders { get; init; } = [];
    /// <summary>Query parameters to be set, then those to be taken out.</summary>
    public ImmutableArray<KeyValuePair<string, string>> ParametersToSet { get; init; } = [];
    public ImmutableArray<string> ParametersToRemove { get; init; } = [];
    /// <summary>What rules and logs may read as metadata of the filter.</summary>
    public MetadataValue? Metadata { get; init; }
    /// <summary>False: a value holds what no HTTP field or request line can, and would read as one that the authorizer never named.</summary>
    public bool IsCarriable => Headers.Concat(ResponseHeaders).All(header => AnswerFields.IsValue(header.Value)) && ParametersToSet.All(one => IsQueryPart(one.Key) && IsQueryPart(one.Value));

    private static bool IsQueryPart(string text) => !text.AsSpan().ContainsAnyInRange('\0', ' ') && text.AsSpan().IndexOfAny('&', '#', '\x7f') < 0;
}

/// <summary>The gRPC form of Envoy's external authorization (envoy.service.auth.v3), as bytes.</summary>
internal static class AuthorizerMessages
{
    /// <summary>A CheckRequest about this request.</summary>
    public static byte[] Request(Exchange exchange, ExternalAuthorizationSettings settings, ReadOnlyMemory<byte> body, ImmutableDictionary<string, string> context)
    {
        var (request, client) = (exchange.Request, exchange.Client);
        var http = new FieldWriter()
            .Text(1, exchange.StreamId.ToString(System.Globalization.CultureInfo.InvariantCulture))
            .Text(2, Latin(request.MethodName));
        foreach (var (name, value) in Fields(exchange, settings)) http.Entry(3, name, value);
        http.Text(4, Latin(request.Path)).Text(5, Latin(request.Authority)).Text(6, request.Scheme == HttpScheme.Https ? "https" : "http")
            .Varint(9, (ulong)body.Length).Text(10, Latin(Observe.FormatSource.NameOf(request.Version)))
            .Bytes(settings.Body is { AsBytes: true } ? 12 : 11, body.Span);

        var time = exchange.StartedUtc;
        var attributes = new FieldWriter()
            .Message(1, Peer(exchange.Source, client.Peer, settings.IncludePeerCertificate))
            .Message(2, Peer(client.Destination, null, false).Text(4, client.LocalUri))
            .Message(4, new FieldWriter()
                .Message(1, new FieldWriter().Varint(1, (ulong)time.ToUnixTimeSeconds()).Varint(2, (ulong)(time.Ticks % TimeSpan.TicksPerSecond * 100)))
                .Message(2, http));
        foreach (var (key, value) in context) attributes.Entry(10, key, value);
        return new FieldWriter().Message(1, attributes).ToArray();
    }

    /// <summary>A CheckRequest about this connection, of which no byte has gone on yet.</summary>
    public static byte[] Request(ClientConnection client, bool withCertificate) => new FieldWriter().Message(1, new FieldWriter()
        .Message(1, Peer(client.Source, client.Peer, withCertificate))
        .Message(2, Peer(client.Destination, null, false).Text(4, client.LocalUri))).ToArray();

    /// <summary>Null when the bytes are no CheckResponse: that is an error, not a permission.</summary>
    public static AuthorizerVerdict? Response(ReadOnlySpan<byte> bytes)
    {
        var (code, hasStatus) = (0UL, false);
        AuthorizerVerdict? denied = null, allowed = null;
        MetadataValue? metadata = null;
        var reader = new FieldReader(bytes);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: (code, hasStatus) = (CodeOf(reader.Content), true); break;
                case 2: denied = Denied(reader.Content); break;
                case 3: allowed = Allowed(reader.Content); break;
                case 4:
                    metadata = StructReader.Read(reader.Content);
                    if (metadata is null) return null;
                    break;
            }
        }
        if (reader.IsBroken || denied is { IsCarriable: false } || allowed is { IsCarriable: false }) return null;
        if (code == 0 && !hasStatus && allowed is null && !bytes.IsEmpty) return null;
        return (code != 0 ? denied ?? new(false) : allowed ?? new(true)) with { Metadata = metadata };
    }

    /// <summary>The request's fields that the authorizer may see; of one name with several values, one with commas.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Fields(Exchange exchange, ExternalAuthorizationSettings settings)
    {
        var result = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            [":method"] = Latin(exchange.Request.MethodName),
            [":path"] = Latin(exchange.Request.Path),
            [":authority"] = Latin(exchange.Request.Authority),
            [":scheme"] = exchange.Request.Scheme == HttpScheme.Https ? "https" : "http",
        };
        foreach (var field in exchange.Request.Headers)
        {
            var name = Latin(field.Name).ToLowerInvariant();
            if (!settings.AllowedHeaders.IsEmpty && !settings.AllowedHeaders.Any(match => match.IsMatch(name))) continue;
            if (settings.DisallowedHeaders.Any(match => match.IsMatch(name))) continue;
            result[name] = result.TryGetValue(name, out var before) ? $"{before},{Latin(field.Value)}" : Latin(field.Value);
        }
        return result;
    }

    private static FieldWriter Peer(IPEndPoint at, PeerIdentity? identity, bool withCertificate)
    {
        var address = new FieldWriter().Message(1, new FieldWriter().Text(2, at.Address.ToString()).Varint(3, (ulong)at.Port));
        var peer = new FieldWriter().Message(1, address).Text(4, identity?.SpiffeId);
        if (withCertificate && identity is not null)
            peer.Text(5, Uri.EscapeDataString($"-----BEGIN CERTIFICATE-----\n{Convert.ToBase64String(identity.Der.Span, Base64FormattingOptions.InsertLineBreaks)}\n-----END CERTIFICATE-----\n"));
        return peer;
    }

    private static ulong CodeOf(ReadOnlySpan<byte> bytes)
    {
        var reader = new FieldReader(bytes);
        var code = 0UL;
        while (reader.Next())
            if (reader.Field == 1) code = reader.Value;
        return reader.IsBroken ? 2 : code;
    }

    private static AuthorizerVerdict Denied(ReadOnlySpan<byte> bytes)
    {
        var (status, body, headers) = (403, Array.Empty<byte>(), ImmutableArray.CreateBuilder<(string, string, bool)>());
        var reader = new FieldReader(bytes);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1 when CodeOf(reader.Content) is >= 200 and <= 599 and var code: status = (int)code; break;
                case 2: headers.Add(Header(reader.Content)); break;
                case 3: body = reader.Content.ToArray(); break;
            }
        }
        return new(false) { Status = status, Body = body, Headers = headers.ToImmutable() };
    }

    private static AuthorizerVerdict Allowed(ReadOnlySpan<byte> bytes)
    {
        var (headers, removed, response) = (ImmutableArray.CreateBuilder<(string, string, bool)>(), ImmutableArray.CreateBuilder<string>(), ImmutableArray.CreateBuilder<(string, string, bool)>());
        var (set, unset) = (ImmutableArray.CreateBuilder<KeyValuePair<string, string>>(), ImmutableArray.CreateBuilder<string>());
        var reader = new FieldReader(bytes);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 2: headers.Add(Header(reader.Content)); break;
                case 5: removed.Add(reader.Text); break;
                case 6: response.Add(Header(reader.Content)); break;
                case 7: set.Add(Parameter(reader.Content)); break;
                case 8: unset.Add(reader.Text); break;
            }
        }
        return new(true)
        {
            Headers = headers.ToImmutable(), HeadersToRemove = removed.ToImmutable(), ResponseHeaders = response.ToImmutable(), ParametersToSet = set.ToImmutable(), ParametersToRemove = unset.ToImmutable(),
        };
    }

    private static KeyValuePair<string, string> Parameter(ReadOnlySpan<byte> bytes)
    {
        var (key, value) = ("", "");
        var reader = new FieldReader(bytes);
        while (reader.Next())
        {
            if (reader.Field == 1) key = reader.Text;
            else if (reader.Field == 2) value = reader.Text;
        }
        return new(key, value);
    }

    // HeaderValueOption: the header, and "append" as a wrapped bool. Without it a field replaces what the caller sent of that name, so that nobody forges it.
    private static (string Name, string Value, bool Append) Header(ReadOnlySpan<byte> bytes)
    {
        var (name, value, append) = ("", "", false);
        var reader = new FieldReader(bytes);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1:
                    var inner = new FieldReader(reader.Content);
                    while (inner.Next())
                    {
                        if (inner.Field == 1) name = inner.Text.ToLowerInvariant();
                        else if (inner.Field is 2 or 3) value = inner.Text;
                    }
                    break;
                case 2:
                    var wrapped = new FieldReader(reader.Content);
                    append = wrapped.Next() && wrapped.Value != 0;
                    break;
            }
        }
        return (name, value, append);
    }

    private static string Latin(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);
}
