namespace Mesh.Http.Grpc;

/// <summary>The codes of gRPC, and what they are to HTTP and back (gRPC over HTTP/2; Envoy's tables).</summary>
public enum GrpcStatus : byte
{
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

public static class GrpcStatuses
{
    /// <summary>What a gRPC caller reads out of an HTTP answer without grpc-status.</summary>
    public static GrpcStatus FromHttp(int status) => status switch
    {
        400 => GrpcStatus.Internal,
        401 => GrpcStatus.Unauthenticated,
        403 => GrpcStatus.PermissionDenied,
        404 => GrpcStatus.Unimplemented,
        429 or 502 or 503 or 504 => GrpcStatus.Unavailable,
        _ => GrpcStatus.Unknown,
    };

    /// <summary>The HTTP status that stands for a gRPC one in metrics and retries.</summary>
    public static int ToHttp(GrpcStatus status) => status switch
    {
        GrpcStatus.Ok => 200,
        GrpcStatus.Cancelled => 499,
        GrpcStatus.InvalidArgument or GrpcStatus.FailedPrecondition or GrpcStatus.OutOfRange => 400,
        GrpcStatus.DeadlineExceeded => 504,
        GrpcStatus.NotFound => 404,
        GrpcStatus.AlreadyExists or GrpcStatus.Aborted => 409,
        GrpcStatus.PermissionDenied => 403,
        GrpcStatus.ResourceExhausted => 429,
        GrpcStatus.Unimplemented => 501,
        GrpcStatus.Unavailable => 503,
        GrpcStatus.Unauthenticated => 401,
        _ => 500,
    };

    /// <summary>Reads grpc-status: decimal digits; null when it is absent or no number.</summary>
    public static int? Read(Headers headers) =>
        headers.TryGet(KnownHeader.GrpcStatus, out var text) && HttpChars.TryParseDecimal(text, out var code) && code <= int.MaxValue ? (int)code : null;
}
