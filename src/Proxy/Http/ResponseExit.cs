using System.Buffers.Text;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http;

/// <summary>What every response is given, and stripped of, before it leaves: our name, its date, how long the upstream took.</summary>
internal static class ResponseExit
{
    public static void FromUpstream(Exchange exchange)
    {
        var headers = exchange.Response.Headers;
        if (exchange.Settings.SuppressEnvoyHeaders) return;

        // Before the request was whole nobody could say how long its answer took.
        if (exchange.Upload.HasEnded)
            headers.Set(KnownHeader.XEnvoyUpstreamServiceTime, (exchange.UpstreamFirstByteAt - Math.Max(exchange.RequestEndedAt, exchange.UpstreamStartedAt)) / 1_000_000);
        if (exchange.VirtualHost is { AttemptCountInResponse: true }) headers.Set(KnownHeader.XEnvoyAttemptCount, exchange.Attempt);
    }

    public static void Finish(Exchange exchange)
    {
        var (headers, settings) = (exchange.Response.Headers, exchange.Settings);
        var server = exchange.Server;
        if (!headers.Has(KnownHeader.Date)) headers.Append(KnownHeader.Date, exchange.Worker.HttpDate());
        if (settings.ServerHeader == ServerHeaderMode.Overwrite || settings.ServerHeader == ServerHeaderMode.AppendIfAbsent && !headers.Has(KnownHeader.Server))
            headers.Set(KnownHeader.Server, server);
        if (settings.Via.Length > 0) headers.Append(KnownHeader.Via, Encoding.Latin1.GetBytes(settings.Via));
        if (settings.AlwaysSetRequestIdInResponse && exchange.Request.Headers.TryGet(KnownHeader.XRequestId, out var id)) headers.Set(KnownHeader.XRequestId, id);
        PeerExchange.ToDownstream(exchange);
        if (settings.Tracing is not null) Decorate(exchange);
        exchange.Status = exchange.Response.Status;
    }

    /// <summary>The side that serves tells the name of the operation to a caller who did not name it; the side that calls takes it off again.</summary>
    private static void Decorate(Exchange exchange)
    {
        var headers = exchange.Response.Headers;
        if (exchange.Client.Listener.Direction == TrafficDirection.Outbound) headers.Remove(KnownHeader.XEnvoyDecoratorOperation);
        else if (exchange is { IsOperationNamed: false, Route: { DecoratorOperation.Length: > 0, DecoratorPropagate: true } route })
            headers.Set(KnownHeader.XEnvoyDecoratorOperation, exchange.Worker.Bytes(route.DecoratorOperation));
    }
}
