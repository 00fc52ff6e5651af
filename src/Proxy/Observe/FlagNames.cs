namespace Mesh.Proxy.Observe;

/// <summary>Long names of response flags and names of gRPC statuses.</summary>
internal static class FlagNames
{
    private static readonly string[] GrpcCamel =
    [
        "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied", "ResourceExhausted",
        "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated",
    ];

    private static readonly string[] GrpcSnake =
    [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    ];

    private static readonly byte[][] CamelBytes = [.. GrpcCamel.Select(System.Text.Encoding.ASCII.GetBytes)];
    private static readonly byte[][] SnakeBytes = [.. GrpcSnake.Select(System.Text.Encoding.ASCII.GetBytes)];

    /// <param name="style">CAMEL_STRING (also when empty), SNAKE_STRING or NUMBER.</param>
    public static ReadOnlySpan<byte> Grpc(int status, string style)
    {
        if (style == "NUMBER" || status < 0 || status >= GrpcCamel.Length) return System.Text.Encoding.ASCII.GetBytes(status.ToString(System.Globalization.CultureInfo.InvariantCulture));
        return style == "SNAKE_STRING" ? SnakeBytes[status] : CamelBytes[status];
    }

    public static string GrpcName(int status) => status >= 0 && status < GrpcCamel.Length ? GrpcCamel[status] : "Unknown";

    public static string Long(ResponseFlags flags)
    {
        if (flags.IsEmpty) return "-";
        var text = "";
        for (var rest = flags.Packed; rest != 0; rest >>= 8) text += (text.Length > 0 ? "," : "") + LongName((ResponseFlag)(rest & 0xFF));
        return text;
    }

    private static string LongName(ResponseFlag flag) => flag switch
    {
        ResponseFlag.LH => "FailedLocalHealthCheck",
        ResponseFlag.UH => "NoHealthyUpstream",
        ResponseFlag.UT => "UpstreamRequestTimeout",
        ResponseFlag.LR => "LocalReset",
        ResponseFlag.UR => "UpstreamRemoteReset",
        ResponseFlag.UF => "UpstreamConnectionFailure",
        ResponseFlag.UC => "UpstreamConnectionTermination",
        ResponseFlag.UO => "UpstreamOverflow",
        ResponseFlag.NR => "NoRouteFound",
        ResponseFlag.DI => "DelayInjected",
        ResponseFlag.FI => "FaultInjected",
        ResponseFlag.RL => "RateLimited",
        ResponseFlag.UAEX => "UnauthorizedExternalService",
        ResponseFlag.RLSE => "RateLimitServiceError",
        ResponseFlag.DC => "DownstreamConnectionTermination",
        ResponseFlag.URX => "UpstreamRetryLimitExceeded",
        ResponseFlag.SI => "StreamIdleTimeout",
        ResponseFlag.IH => "InvalidEnvoyRequestHeaders",
        ResponseFlag.DPE => "DownstreamProtocolError",
        ResponseFlag.UMSDR => "UpstreamMaxStreamDurationReached",
        ResponseFlag.RFCF => "ResponseFromCacheFilter",
        ResponseFlag.NFCF => "NoFilterConfigFound",
        ResponseFlag.DT => "DurationTimeout",
        ResponseFlag.UPE => "UpstreamProtocolError",
        ResponseFlag.NC => "NoClusterFound",
        ResponseFlag.OM => "OverloadManagerTerminated",
        ResponseFlag.DF => "DnsResolutionFailed",
        ResponseFlag.DO => "DropOverload",
        ResponseFlag.DR => "DownstreamRemoteReset",
        ResponseFlag.UDO => "UnconditionalDropOverload",
        _ => "",
    };
}
