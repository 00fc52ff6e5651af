using System.Collections.Immutable;
using System.Text;
using Mesh.Http;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Security;

namespace Mesh.Proxy.Http.Filters;

/// <summary>Asks another service whether a request may pass. No answer is no permission, unless the configuration says that it is.</summary>
internal sealed class ExternalAuthorization(ExternalAuthorizationFilter filter) : HttpFilter
{
    private const int AnswerBytesMax = 64 * 1024;
    private const int BodyBytesMax = 16 * 1024 * 1024;
    private const string AddedKey = "mesh.ext_authz.added_to_response", SetKey = "mesh.ext_authz.set_in_response", MetadataName = "envoy.filters.http.ext_authz";

    private static readonly TimeSpan TimeoutWhenUnset = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan BodyWaitMax = TimeSpan.FromSeconds(10);
    private static readonly HeaderName Internal = HeaderName.TryParse("x-envoy-internal")!, ExpectedTimeout = HeaderName.TryParse("x-envoy-expected-rq-timeout-ms")!;
    private static readonly HeaderName FailedOpen = HeaderName.TryParse("x-envoy-auth-failure-mode-allowed")!;

    private readonly ExternalAuthorizationSettings settings = filter.Settings;

    public override ValueTask<Failure?> OnRequestAsync(Exchange exchange)
    {
        var context = ImmutableDictionary<string, string>.Empty;
        switch (exchange.OverrideFor(filter.Name))
        {
            case FilterOverride.Off or FilterOverride.ExternalAuthorization { Disabled: true }: return default;
            case FilterOverride.ExternalAuthorization given: context = given.ContextExtensions; break;
            case null when filter.Disabled: return default;
        }
        if (settings.EnabledBy is { } condition && !RouteMatch.Holds(condition, exchange))
            return settings.DenyWhenDisabled ? new(Refusal(settings.StatusOnError, "ext_authz_denied")) : default;
        return AskAsync(exchange, context);
    }

    public override void OnResponse(Exchange exchange)
    {
        foreach (var (name, value) in AnswerFields.Kept(exchange, AddedKey)) exchange.Response.Headers.Append(name, value);
        foreach (var (name, value) in AnswerFields.Kept(exchange, SetKey)) exchange.Response.Headers.Set(name, value);
    }

    private async ValueTask<Failure?> AskAsync(Exchange exchange, ImmutableDictionary<string, string> context)
    {
        ReadOnlyMemory<byte> body = default;
        // What goes to another protocol has no body: it would be waited for in vain.
        if (settings.Body is { } wanted && !exchange.Request.Body.IsEmpty && !exchange.Request.IsUpgrade)
        {
            var most = (int)Math.Min(wanted.BytesMax, BodyBytesMax);
            // A byte more tells a body that is too long from one that just fits.
            var ahead = await exchange.Upload.ReadAheadAsync(wanted.AllowPartial ? most : most + 1, Deadline.After(exchange.Clock, BodyWaitMax));
            if (exchange.CutBy is not null) return null;
            if (ahead.Length > most && !wanted.AllowPartial) return new(FailureKind.BodyTooLarge, Side.Local);
            body = ahead[..Math.Min(ahead.Length, most)].ToArray();
        }
        var verdict = settings.UseGrpc ? await AskByGrpcAsync(exchange, body, context) : await AskByHttpAsync(exchange, body);
        if (exchange.CutBy is not null) return null;
        if (verdict is null)
        {
            if (!settings.FailOpen) return Refusal(settings.StatusOnError, "ext_authz_error");
            if (settings.FailOpenHeaderAdd) exchange.Request.Headers.Set(FailedOpen, "true"u8);
            return null;
        }
        foreach (var (key, value) in verdict.Metadata?.Fields ?? []) exchange.SetMetadata(MetadataName, key, value);
        if (!verdict.IsAllowed) return Denial(verdict);

        Apply(exchange, verdict);
        return null;
    }

    private async ValueTask<AuthorizerVerdict?> AskByGrpcAsync(Exchange exchange, ReadOnlyMemory<byte> body, ImmutableDictionary<string, string> context)
    {
        var message = AuthorizerMessages.Request(exchange, settings, body, context);
        var answer = await UnaryCall.AskAsync(exchange.Worker, settings.Service, "/envoy.service.auth.v3.Authorization/Check", message, TimeoutOf(settings));
        return answer is { } bytes ? AuthorizerMessages.Response(bytes.Span) : null;
    }

    private async ValueTask<AuthorizerVerdict?> AskByHttpAsync(Exchange exchange, ReadOnlyMemory<byte> body)
    {
        var head = new RequestHead();
        WriteHttpHead(head, exchange);
        var reply = await SideCall.AskAsync(exchange.Worker, settings.Service.Cluster, head, body, TimeoutOf(settings), AnswerBytesMax);
        // An authorizer that fails has not decided.
        if (reply.Status is 0 or >= 500) return null;
        return reply.Status == 200 ? Permission(reply) : new(false) { Status = reply.Status, Body = reply.Body, Headers = ForCaller(reply, settings.AllowedClientHeaders) };
    }

    private void WriteHttpHead(RequestHead head, Exchange exchange)
    {
        var request = exchange.Request;
        if (request.Method == Method.Other) head.SetMethod(request.MethodName);
        else head.SetMethod(request.Method);
        byte[] path = [.. Encoding.Latin1.GetBytes(settings.PathPrefix), .. request.Path];
        head.SetPath(path);
        head.SetAuthority(request.Authority.ToArray());
        head.Scheme = request.Scheme;
        foreach (var field in request.Headers)
        {
            var name = Encoding.Latin1.GetString(field.Name).ToLowerInvariant();
            var isSeen = field.Known is KnownHeader.Authorization || settings.AllowedHeaders.Any(match => match.IsMatch(name));
            if (isSeen && !settings.DisallowedHeaders.Any(match => match.IsMatch(name))) head.Headers.Append(field.Name, field.Value);
        }
        foreach (var edit in settings.HeadersToAdd)
            if (HeaderName.TryParse(edit.Name) is { } name) head.Headers.Set(name, Encoding.Latin1.GetBytes(edit.Value.Text));
        // What Envoy's own calls say of themselves, and authorizers may look for.
        head.Headers.Set(Internal, "true"u8);
        head.Headers.Set(ExpectedTimeout, Encoding.ASCII.GetBytes(((long)TimeoutOf(settings).TotalMilliseconds).ToString(System.Globalization.CultureInfo.InvariantCulture)));
        head.Body = BodyFraming.OfLength(0);
    }

    private AuthorizerVerdict Permission(SideAnswer reply)
    {
        var headers = ImmutableArray.CreateBuilder<(string, string, bool)>();
        var response = ImmutableArray.CreateBuilder<(string, string, bool)>();
        foreach (var field in reply.Head.Headers)
        {
            var (name, value) = (Encoding.Latin1.GetString(field.Name).ToLowerInvariant(), Encoding.Latin1.GetString(field.Value));
            if (settings.AllowedUpstreamHeaders.Any(match => match.IsMatch(name))) headers.Add((name, value, false));
            else if (settings.AllowedUpstreamHeadersToAppend.Any(match => match.IsMatch(name))) headers.Add((name, value, true));
            if (settings.AllowedClientHeadersOnSuccess.Any(match => match.IsMatch(name))) response.Add((name, value, true));
        }
        return new(true) { Headers = headers.ToImmutable(), ResponseHeaders = response.ToImmutable() };
    }

    private static ImmutableArray<(string, string, bool)> ForCaller(SideAnswer reply, ImmutableArray<StringMatch> allowed)
    {
        var headers = ImmutableArray.CreateBuilder<(string, string, bool)>();
        foreach (var field in reply.Head.Headers)
        {
            var name = Encoding.Latin1.GetString(field.Name).ToLowerInvariant();
            // With a list, these two need no mention, and the content's type does.
            var isAlways = field.Known is KnownHeader.WwwAuthenticate or KnownHeader.Location;
            if (field.Known is KnownHeader.ContentLength or KnownHeader.TransferEncoding or KnownHeader.Connection or KnownHeader.Date or KnownHeader.Server) continue;
            if (allowed.IsEmpty || isAlways || allowed.Any(match => match.IsMatch(name))) headers.Add((name, Encoding.Latin1.GetString(field.Value), true));
        }
        return headers.ToImmutable();
    }

    private void Apply(Exchange exchange, AuthorizerVerdict verdict)
    {
        var request = exchange.Request;
        foreach (var name in verdict.HeadersToRemove)
            if (HeaderName.TryParse(name) is { } gone && gone.Known != KnownHeader.Host) request.Headers.Remove(gone);
        foreach (var (name, value, append) in verdict.Headers)
        {
            if (HeaderName.TryParse(name) is not { } header) continue;
            if (header.Known == KnownHeader.Host) request.SetAuthority(Encoding.Latin1.GetBytes(value));
            else if (!append) request.Headers.Set(header, Encoding.Latin1.GetBytes(value));
            // Joined to what the caller sent; where it sent nothing there is nothing to join it to.
            else if (request.Headers.GetJoined(header) is { } before) request.Headers.Set(header, Encoding.Latin1.GetBytes($"{before},{value}"));
        }
        foreach (var (key, value) in verdict.ParametersToSet) SetQuery(request, QueryString.With(request.Query, Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(value)));
        foreach (var key in verdict.ParametersToRemove) SetQuery(request, QueryString.Without(request.Query, Encoding.UTF8.GetBytes(key)));
        var changed = !verdict.Headers.IsEmpty || !verdict.HeadersToRemove.IsEmpty || !verdict.ParametersToSet.IsEmpty || !verdict.ParametersToRemove.IsEmpty;
        if (settings.ClearRouteCache && changed) exchange.RouteIsStale = true;
        AnswerFields.Keep(exchange, AddedKey, verdict.ResponseHeaders.Where(field => field.Append).Select(field => KeyValuePair.Create(field.Name, field.Value)));
        AnswerFields.Keep(exchange, SetKey, verdict.ResponseHeaders.Where(field => !field.Append).Select(field => KeyValuePair.Create(field.Name, field.Value)));
    }

    private static void SetQuery(RequestHead request, ReadOnlySpan<byte> query) => request.SetPath([.. request.PathOnly, .. query]);

    private static Failure Denial(AuthorizerVerdict verdict)
    {
        var type = verdict.Headers.FirstOrDefault(header => header.Name == "content-type").Value;
        return new(FailureKind.ExternalDenied, Side.Local)
        {
            Answer = new(verdict.Status, "ext_authz_denied")
            {
                Body = verdict.Body,
                ContentType = type ?? "text/plain",
                Headers = [.. verdict.Headers.Where(header => header.Name is not ("content-type" or "content-length")).Select(header => KeyValuePair.Create(header.Name, header.Value))],
                Flag = ResponseFlag.UAEX,
            },
        };
    }

    private static Failure Refusal(int status, string details) =>
        new(FailureKind.ExternalFailed, Side.Local) { Answer = new(status, details) { Flag = ResponseFlag.UAEX } };

    private static TimeSpan TimeoutOf(ExternalAuthorizationSettings settings) => settings.Service.Timeout > TimeSpan.Zero ? settings.Service.Timeout : TimeoutWhenUnset;
}

/// <summary>Stands for a filter that decides about access and cannot be built here: everything is refused rather than let through.</summary>
internal sealed class RefuseAll(string details) : HttpFilter
{
    private readonly Failure refusal = new(FailureKind.ExternalFailed, Side.Local) { Answer = new(403, details) { Flag = ResponseFlag.NFCF } };

    public override ValueTask<Failure?> OnRequestAsync(Exchange exchange) => new(refusal);
}
