using System.Buffers.Text;
using Mesh.Http;

namespace Mesh.Proxy.Http;

/// <summary>The little that a proxy must know of gRPC.</summary>
internal static class Grpc
{
    /// <summary>"application/grpc", alone or with "+proto" or parameters behind; not "application/grpc-web".</summary>
    public static bool IsRequest(RequestHead request) => IsContentType(request.Headers.Get(KnownHeader.ContentType));

    public static bool IsContentType(ReadOnlySpan<byte> type) =>
        type.StartsWith("application/grpc"u8) && (type.Length == 16 || type[16] is (byte)'+' or (byte)';');

    /// <summary>The grpc-status among these fields; null when there is none, 2 (UNKNOWN) when it cannot be read.</summary>
    public static int? StatusIn(Headers fields)
    {
        if (!fields.TryGet(KnownHeader.GrpcStatus, out var text)) return null;

        return Utf8Parser.TryParse(text, out int status, out var read) && read == text.Length && status >= 0 ? status : 2;
    }

    /// <summary>What a gRPC status would be in HTTP, for those who count failures.</summary>
    public static int HttpStatusOf(int grpc) => grpc switch
    {
        0 => 200,
        1 => 499,
        3 or 9 or 11 => 400,
        4 => 504,
        5 => 404,
        6 or 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    };
}
