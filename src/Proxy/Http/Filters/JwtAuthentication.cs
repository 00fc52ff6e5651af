using System.Buffers.Text;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Security;

namespace Mesh.Proxy.Http.Filters;

/// <summary>Verifies the tokens a request brings, refuses bad ones, and leaves what good ones claim for the rules behind it.</summary>
internal sealed class JwtAuthentication : HttpFilter
{
    public const string MetadataName = "envoy.filters.http.jwt_authn";
    private const int RealmBytesMax = 256;

    private readonly JwtFilter settings;
    private readonly Dictionary<string, ProviderEntry> providers;
    private readonly (RouteMatch Match, JwtRequirement? Requirement)[] rules;

    public JwtAuthentication(JwtFilter settings, TimeProvider time)
    {
        this.settings = settings;
        var keys = settings.Jwt.Cell.Get(settings.Jwt, static jwt => jwt.Providers.ToDictionary(
            pair => pair.Key, pair => pair.Value.Keys is { } set ? JsonWebKeys.Parse(set.Json) : null, StringComparer.Ordinal));
        providers = settings.Jwt.Providers.ToDictionary(pair => pair.Key, pair => new ProviderEntry(pair.Value, new(pair.Value, keys[pair.Key], time)), StringComparer.Ordinal);
        rules = [.. settings.Jwt.Rules.Select(rule => (new RouteMatch(rule.Match), rule.Requirement))];
    }

    public override ValueTask<Failure?> OnRequestAsync(Exchange exchange)
    {
        if (RequirementFor(exchange) is not { } requirement) return default;
        if (settings.Jwt.BypassCorsPreflight && IsPreflight(exchange.Request)) return default;

        // What only a verified token may say is taken off first.
        foreach (var provider in providers.Values) provider.Sanitize(exchange.Request.Headers);
        // Good tokens are taken out of the path while others are still looked at; the answer names the path as it was asked for.
        var asked = exchange.Request.Query.IsEmpty ? null : exchange.Request.Path.ToArray();
        var status = Check(exchange, requirement);
        return status == JwtStatus.Ok ? default : new(Refuse(exchange.Request, asked ?? exchange.Request.Path, status));
    }

    private JwtRequirement? RequirementFor(Exchange exchange)
    {
        switch (exchange.OverrideFor(settings.Name))
        {
            case FilterOverride.Off or FilterOverride.Jwt { Disabled: true }: return null;
            case FilterOverride.Jwt { RequirementName.Length: > 0 } named: return settings.Jwt.Requirements.GetValueOrDefault(named.RequirementName);
        }
        foreach (var (match, requirement) in rules)
            if (match.IsMatch(exchange)) return requirement;
        return null;
    }

    private static bool IsPreflight(RequestHead request) =>
        request.Method == Method.Options && request.Headers.Get(KnownHeader.Origin).Length > 0 && request.Headers.Get(KnownHeader.AccessControlRequestMethod).Length > 0;

    private JwtStatus Check(Exchange exchange, JwtRequirement requirement)
    {
        switch (requirement)
        {
            case JwtRequirement.Provider one: return providers[one.Name].Check(exchange, one.Audiences);
            case JwtRequirement.AnyOf any: return CheckAny(exchange, any.Inner);
            case JwtRequirement.AllOf all:
                foreach (var inner in all.Inner)
                    if (Check(exchange, inner) is not JwtStatus.Ok and var broken) return broken;
                return JwtStatus.Ok;
            case JwtRequirement.AllowMissing: return CheckEvery(exchange, allowFailed: false);
            default: return CheckEvery(exchange, allowFailed: true);
        }
    }

    // One good token is enough. Otherwise the most telling failure counts: a bad token before an unknown one, that before none.
    private JwtStatus CheckAny(Exchange exchange, ImmutableArray<JwtRequirement> inner)
    {
        var (allowsMissing, allowsFailed, worst, asked) = (false, false, JwtStatus.Missing, 0);
        foreach (var requirement in inner)
        {
            if (requirement is JwtRequirement.AllowMissing) allowsMissing = true;
            else if (requirement is JwtRequirement.AllowMissingOrFailed) allowsFailed = true;
            else
            {
                asked++;
                var status = Check(exchange, requirement);
                if (status == JwtStatus.Ok) return JwtStatus.Ok;
                if (status is not (JwtStatus.Missing or JwtStatus.UnknownIssuer) || worst == JwtStatus.Missing) worst = status;
            }
        }
        if (asked == 0) return CheckEvery(exchange, allowsFailed);
        return allowsFailed || allowsMissing && worst == JwtStatus.Missing ? JwtStatus.Ok : worst;
    }

    private JwtStatus CheckEvery(Exchange exchange, bool allowFailed)
    {
        foreach (var provider in providers.Values)
        {
            var status = provider.Check(exchange, []);
            if (!allowFailed && status is not (JwtStatus.Ok or JwtStatus.Missing)) return status;
        }
        return JwtStatus.Ok;
    }

    private Failure Refuse(RequestHead request, ReadOnlySpan<byte> asked, JwtStatus status)
    {
        var text = JwtStatusText.Of(status);
        var path = asked[..Math.Min(asked.Length, RealmBytesMax)];
        var scheme = request.Headers.Get(KnownHeader.XForwardedProto).SequenceEqual("https"u8) ? "https" : "http";
        var realm = $"Bearer realm=\"{scheme}://{Encoding.Latin1.GetString(request.Authority)}{Encoding.Latin1.GetString(path)}\"{(status == JwtStatus.Missing ? "" : ", error=\"invalid_token\"")}";
        return new(FailureKind.JwtDenied, Side.Local)
        {
            Answer = new(status == JwtStatus.AudienceNotAllowed ? 403 : 401, Failures.Unspaced($"jwt_authn_access_denied{{{text}}}"))
            {
                Body = settings.Jwt.StripFailureResponse ? default : Encoding.ASCII.GetBytes(text),
                Headers = settings.Jwt.StripFailureResponse ? [] : [new("www-authenticate", realm)],
            },
        };
    }

    /// <summary>A token as it stands in the request, and the header or parameter that it would have to be taken out of.</summary>
    private readonly record struct FoundToken(byte[] Text, HeaderName? Header, byte[]? Parameter);

    /// <summary>A provider with its names looked up.</summary>
    private sealed class ProviderEntry
    {
        private static readonly ImmutableArray<JwtHeaderSource> DefaultHeaders = [new("authorization", "Bearer ")];
        private static readonly ImmutableArray<string> DefaultParameters = ["access_token"];
        private static readonly System.Buffers.SearchValues<byte> TokenCharacters =
            System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."u8);

        private readonly JwtProvider provider;
        private readonly JwtVerifier verifier;
        private readonly (HeaderName Name, byte[] Prefix)[] headers;
        private readonly byte[][] parameters;
        private readonly string[] cookies;
        private readonly HeaderName? payloadHeader;
        private readonly (HeaderName Name, string[] Path)[] claimHeaders;
        // Of the request at hand; the loop's thread only.
        private readonly List<FoundToken> found = [];

        public ProviderEntry(JwtProvider provider, JwtVerifier verifier)
        {
            (this.provider, this.verifier) = (provider, verifier);
            var isDefault = provider.FromHeaders.IsEmpty && provider.FromParameters.IsEmpty && provider.FromCookies.IsEmpty;
            // Places in the order of their names, whatever the order of the configuration: headers, parameters, cookies.
            headers = [.. (isDefault ? DefaultHeaders : provider.FromHeaders)
                .OrderBy(source => source.Name + source.Prefix, StringComparer.Ordinal).Select(source => (Name(source.Name), Encoding.Latin1.GetBytes(source.Prefix)))];
            parameters = [.. (isDefault ? DefaultParameters : provider.FromParameters).Order(StringComparer.Ordinal).Select(name => Encoding.UTF8.GetBytes(name))];
            cookies = [.. provider.FromCookies.Order(StringComparer.Ordinal)];
            payloadHeader = provider.ForwardPayloadHeader.Length > 0 ? Name(provider.ForwardPayloadHeader) : null;
            claimHeaders = [.. provider.ClaimHeaders.Select(claim => (Name(claim.Header), claim.Claim.Split('.')))];
        }

        public void Sanitize(Headers fields)
        {
            if (payloadHeader is not null) fields.Remove(payloadHeader);
            foreach (var (name, _) in claimHeaders) fields.Remove(name);
        }

        /// <summary>
        /// All tokens found must be good: one that was let by beside a good one might be the one the application reads. They are looked at from the last place to the
        /// first, as Envoy does: what the first one claims is what rules see, and headers made of claims hold all, the last one's before.
        /// </summary>
        public JwtStatus Check(Exchange exchange, ImmutableArray<string> audiences)
        {
            Find(exchange.Request);
            if (found.Count == 0) return JwtStatus.Missing;

            for (var i = found.Count - 1; i >= 0; i--)
            {
                if (verifier.Verify(found[i].Text, audiences, out var token) is not JwtStatus.Ok and var bad) return bad;

                Publish(exchange, token);
                if (!provider.Forward) TakeOut(exchange.Request, found[i]);
            }
            return JwtStatus.Ok;
        }

        // The texts are copies: what is published or taken out moves the request's own bytes.
        private void Find(RequestHead request)
        {
            found.Clear();
            foreach (var (name, prefix) in headers)
            {
                // A field that may occur once: two of them are one value with commas, and no token.
                if (name.Known == KnownHeader.Authorization)
                {
                    if (request.Headers.GetJoined(name) is { } joined) Look(name, Encoding.Latin1.GetBytes(joined), prefix);
                    continue;
                }
                foreach (var value in request.Headers.Values(name)) Look(name, value, prefix);
            }
            foreach (var parameter in parameters)
                if (QueryString.FindDecoded(request.Query, parameter) is { } text) found.Add(new(text, null, parameter));
            foreach (var cookie in cookies)
                if (HashPolicies.TryFindCookie(request.Headers, cookie, out var value)) found.Add(new(value.ToArray(), null, null));
        }

        // Behind a prefix the token begins at the first character that a token may have, and goes on to the end of the field.
        private void Look(HeaderName name, ReadOnlySpan<byte> value, byte[] prefix)
        {
            if (prefix.Length > 0)
            {
                var at = value.IndexOf(prefix);
                if (at < 0) return;

                value = value[(at + prefix.Length)..];
                if (value.IndexOfAny(TokenCharacters) is > 0 and var start) value = value[start..];
            }
            found.Add(new(value.ToArray(), name, null));
        }

        private void Publish(Exchange exchange, JsonWebToken token)
        {
            var fields = exchange.Request.Headers;
            if (payloadHeader is not null) fields.Append(payloadHeader, provider.PadForwardPayload ? Padded(token.PayloadText) : token.PayloadText);
            foreach (var (name, path) in claimHeaders)
                if (ClaimText(token.Claims, path) is { } text) fields.Append(name, text);
            if (provider.PayloadInMetadata.Length > 0) exchange.SetMetadata(MetadataName, provider.PayloadInMetadata, Normalized(token.Claims));
            if (provider.HeaderInMetadata.Length > 0) exchange.SetMetadata(MetadataName, provider.HeaderInMetadata, token.Header);
            if (provider.ClearRouteCache) exchange.RouteIsStale = true;
        }

        // "scope": "a b" is the list of a and b to the rules, as OAuth has it.
        private MetadataValue Normalized(MetadataValue claims)
        {
            foreach (var name in provider.SpaceDelimitedClaims)
                if (claims[name] is { Text: { } text })
                    claims = claims with { Fields = claims.Fields!.SetItem(name, new() { Items = [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => new MetadataValue { Text = word })] }) };
            return claims;
        }

        // A cookie stays, as in Envoy.
        private static void TakeOut(RequestHead request, FoundToken token)
        {
            if (token.Header is { } name) request.Headers.Remove(name);
            if (token.Parameter is { } parameter)
                request.SetPath([.. request.PathOnly, .. QueryString.Without(request.Query, parameter)]);
        }

        private static byte[]? ClaimText(MetadataValue claims, string[] path)
        {
            MetadataValue? value = claims;
            foreach (var part in path) value = value?[part];
            return value switch
            {
                { Text: { Length: > 0 } text } => Encoding.UTF8.GetBytes(text),
                // Whole ones of 64 bits without a sign as they are, all others with six decimals: Envoy's way, which applications parse.
                { Number: { } number } => Encoding.ASCII.GetBytes(number.ToString(number is >= 0 and < (double)ulong.MaxValue && number == Math.Floor(number) ? "F0" : "F6", CultureInfo.InvariantCulture)),
                { Flag: { } flag } => flag ? "true"u8.ToArray() : "false"u8.ToArray(),
                { Items: not null } or { Fields: not null } => Encoding.ASCII.GetBytes(Convert.ToBase64String(Json(value))),
                _ => null,
            };
        }

        private static byte[] Json(MetadataValue value)
        {
            var line = new Observe.ByteLine(new byte[JsonWebToken.TokenBytesMax]);
            Observe.JsonLine.TryWritePlain(ref line, value);
            return line.Written.ToArray();
        }

        private static byte[] Padded(byte[] text) => [.. text, .. "=="u8[..((4 - text.Length % 4) % 4)]];

        private static HeaderName Name(string text) => HeaderName.TryParse(text) ?? throw new ConfigRefusedException("jwt_authn", $"'{text}' is no header name");
    }
}
