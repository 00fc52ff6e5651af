using System.Text;
using Mesh.Http;

namespace Mesh.Proxy.Http;

/// <summary>Answers composed here: status, body and headers of a failure, in the form that the caller's protocol understands.</summary>
internal static class LocalReply
{
    /// <summary>Fills the exchange's own response head and returns the body to send behind it.</summary>
    public static ReadOnlyMemory<byte> Compose(Exchange exchange, in Failure failure, int statusWhenKnown = 0)
    {
        var entry = failure.Entry;
        var answer = failure.Answer;
        var status = answer?.Status ?? (statusWhenKnown > 0 ? statusWhenKnown : StatusOf(exchange, failure.Kind, entry.Http));
        var body = answer?.Body ?? (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(Failures.BodyOf(failure, exchange.Attempt > 1));
        exchange.Raise(answer?.Flag ?? entry.Flag);
        exchange.Details = Failures.DetailsOf(failure);
        if (failure.TransportReason is not null) exchange.UpstreamFailure = Failures.Unspaced(failure.TransportReason);

        var head = exchange.Response = exchange.OwnResponse;
        head.Clear();
        exchange.ResponseTrailers.Clear();
        if (exchange.IsGrpc)
        {
            head.Status = 200;
            head.Headers.Append(KnownHeader.ContentType, "application/grpc"u8);
            var grpc = answer?.GrpcStatus ?? (answer is null && statusWhenKnown == 0 ? entry.Grpc : Failures.GrpcStatusOf(status));
            head.Headers.Set(KnownHeader.GrpcStatus, grpc);
            exchange.GrpcStatus = grpc;
            if (!body.IsEmpty) head.Headers.Append(KnownHeader.GrpcMessage, PercentEncoded(body.Span));
            head.Body = BodyFraming.None;
            AddHeaders(head, answer);
            Router.EditResponse(exchange);
            return default;
        }

        head.Status = status;
        if (failure.Kind == FailureKind.Overflow) head.Headers.Append(KnownHeader.XEnvoyOverloaded, "true"u8);
        AddHeaders(head, answer);
        Router.EditResponse(exchange);
        head.Body = body.IsEmpty ? BodyFraming.None : BodyFraming.OfLength(body.Length);
        if (body.IsEmpty) return default;

        // Said as a field too, because an answer to HEAD tells the length of a body that is not sent.
        head.Headers.Set(KnownHeader.ContentLength, body.Length);
        // After the route's edits, as in Envoy: they may name another type, but not take it away.
        if (!head.Headers.Has(KnownHeader.ContentType)) head.Headers.Append(KnownHeader.ContentType, answer is null ? "text/plain"u8 : Encoding.ASCII.GetBytes(answer.ContentType));
        return exchange.Request.Method == Method.Head ? default : body;
    }

    // A limit that runs out while the caller still sends is the caller's slowness (408), afterwards the upstream's (504).
    private static int StatusOf(Exchange exchange, FailureKind kind, int usual) =>
        kind is FailureKind.StreamIdle or FailureKind.MaxDuration or FailureKind.UpstreamMaxDuration && exchange.RequestEndedAt != 0 ? 504 : usual;

    /// <summary>As gRPC writes messages: printable ASCII stays, the rest and the percent sign become escapes.</summary>
    private static byte[] PercentEncoded(ReadOnlySpan<byte> text)
    {
        if (text.IndexOfAnyExceptInRange((byte)' ', (byte)'~') < 0 && text.IndexOf((byte)'%') < 0) return text.ToArray();

        var result = new List<byte>(text.Length + 16);
        foreach (var b in text)
        {
            if (b is >= (byte)' ' and <= (byte)'~' and not (byte)'%') result.Add(b);
            else result.AddRange(Encoding.ASCII.GetBytes($"%{b:X2}"));
        }
        return [.. result];
    }

    private static void AddHeaders(ResponseHead head, LocalAnswer? answer)
    {
        if (answer is null) return;

        foreach (var (name, value) in answer.Headers) head.Headers.Append(Encoding.ASCII.GetBytes(name), Encoding.Latin1.GetBytes(value));
    }
}
