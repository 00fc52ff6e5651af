using System.Buffers.Binary;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http;

/// <summary>One gRPC call of the proxy's own with one message each way: how it is wrapped and what its answer says.</summary>
internal static class UnaryCall
{
    private const int PrefixBytes = 5, AnswerBytesMax = 64 * 1024, Unknown = 2;

    /// <returns>The answer's message; null where the call failed, was refused or said nothing that can be read.</returns>
    public static async ValueTask<ReadOnlyMemory<byte>?> AskAsync(Worker worker, ExternalService service, string method, byte[] message, TimeSpan timeout)
    {
        var head = Head(method, service.Authority.Length > 0 ? service.Authority : service.Cluster);
        foreach (var edit in service.InitialMetadata)
            if (HeaderName.TryParse(edit.Name) is { } name) head.Headers.Append(name, Encoding.Latin1.GetBytes(edit.Value.Text));
        var answer = await SideCall.AskAsync(worker, service.Cluster, head, Frame(message), timeout, AnswerBytesMax);
        if (StatusOf(answer) != 0) return null;

        var body = answer.Body;
        // A compressed message was not asked for.
        if (body.Length < PrefixBytes || body.Span[0] != 0) return null;
        var length = BinaryPrimitives.ReadUInt32BigEndian(body.Span[1..]);
        return length <= body.Length - PrefixBytes ? body.Slice(PrefixBytes, (int)length) : null;
    }

    /// <param name="method">"/package.Service/Method".</param>
    /// <param name="authority">A host, or a cluster: strict servers refuse <c>outbound|80||name</c> for a host, so only the name is said.</param>
    public static RequestHead Head(string method, string authority)
    {
        var head = new RequestHead { Version = Mesh.Http.HttpVersion.Http2, AcceptsTrailers = true };
        head.SetMethod(Method.Post);
        head.SetPath(Encoding.Latin1.GetBytes(method));
        head.SetAuthority(Encoding.Latin1.GetBytes(authority[(authority.LastIndexOf('|') + 1)..]));
        head.Headers.Append(KnownHeader.ContentType, "application/grpc"u8);
        return head;
    }

    public static byte[] Frame(ReadOnlySpan<byte> message)
    {
        var framed = new byte[PrefixBytes + message.Length];
        BinaryPrimitives.WriteUInt32BigEndian(framed.AsSpan(1), (uint)message.Length);
        message.CopyTo(framed.AsSpan(PrefixBytes));
        return framed;
    }

    /// <summary>2 (UNKNOWN) where the server did not say, or was not reached.</summary>
    public static int StatusOf(SideAnswer answer) =>
        answer.Status == 200 ? Grpc.StatusIn(answer.Trailers) ?? Grpc.StatusIn(answer.Head.Headers) ?? Unknown : Unknown;
}
