namespace Mesh.Model.Validation;

/// <summary>Port protocols by name, whatever the case.</summary>
public enum Protocol { Unsupported, Tcp, Udp, Grpc, GrpcWeb, Http, Http2, HttpProxy, Https, Tls, Mongo, Redis, Mysql }

public static class Protocols
{
    public static Protocol Parse(string name) => name.ToLowerInvariant() switch
    {
        "tcp" => Protocol.Tcp,
        "udp" => Protocol.Udp,
        "grpc" => Protocol.Grpc,
        "grpc-web" => Protocol.GrpcWeb,
        "http" => Protocol.Http,
        "http_proxy" => Protocol.HttpProxy,
        "http2" => Protocol.Http2,
        "https" => Protocol.Https,
        "tls" => Protocol.Tls,
        "mongo" => Protocol.Mongo,
        "redis" => Protocol.Redis,
        "mysql" => Protocol.Mysql,
        _ => Protocol.Unsupported,
    };

    public static bool IsHttp(this Protocol p) => p is Protocol.Http or Protocol.Http2 or Protocol.HttpProxy or Protocol.Grpc or Protocol.GrpcWeb;
    public static bool IsTls(this Protocol p) => p is Protocol.Https or Protocol.Tls;
    public static bool IsTcp(this Protocol p) => p is Protocol.Tcp or Protocol.Https or Protocol.Tls or Protocol.Mongo or Protocol.Redis or Protocol.Mysql;

    /// <summary>Empty means that the protocol is to be sniffed.</summary>
    public static string? Problem(string name) => name.Length == 0 || Parse(name) != Protocol.Unsupported ? null : $"unsupported protocol: {name}";
}
