using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>What a port speaks. Auto: nobody said, so the proxy looks at the first bytes.</summary>
public enum AppProtocol { Auto, Http, Http2, Grpc, GrpcWeb, Https, Tls, Tcp, Mongo, Mysql, Redis, Udp }

public static class AppProtocols
{
    // These speak first from the server; waiting for the client's first bytes would hang them.
    private static readonly int[] ServerFirstPorts = [25, 53, 3306, 27017];

    public static bool IsHttp(this AppProtocol protocol) =>
        protocol is AppProtocol.Http or AppProtocol.Http2 or AppProtocol.Grpc or AppProtocol.GrpcWeb;

    public static bool IsHttp2(this AppProtocol protocol) => protocol is AppProtocol.Http2 or AppProtocol.Grpc or AppProtocol.GrpcWeb;

    public static bool IsTls(this AppProtocol protocol) => protocol is AppProtocol.Https or AppProtocol.Tls;

    public static bool IsHttpOrAuto(this AppProtocol protocol) => protocol == AppProtocol.Auto || protocol.IsHttp();

    public static bool IsTcp(this AppProtocol protocol) => !protocol.IsHttpOrAuto() && protocol != AppProtocol.Udp;

    /// <summary>The application protocol decides, then the name up to its first dash; well-known server-first ports are TCP.</summary>
    public static AppProtocol Of(KubeServicePort port)
    {
        if (port.Protocol == "UDP") return AppProtocol.Udp;
        var fromApp = port.AppProtocol.ToLowerInvariant() switch
        {
            "kubernetes.io/h2c" => AppProtocol.Http2,
            "kubernetes.io/ws" => AppProtocol.Http,
            "kubernetes.io/wss" => AppProtocol.Https,
            "" => AppProtocol.Auto,
            var name => Parse(name),
        };
        if (fromApp != AppProtocol.Auto) return fromApp;

        var dash = port.Name.IndexOf('-', StringComparison.Ordinal);
        var fromName = Parse(port.Name.StartsWith("grpc-web", StringComparison.OrdinalIgnoreCase) ? "grpc-web" : dash < 0 ? port.Name : port.Name[..dash]);
        if (fromName != AppProtocol.Auto) return fromName;
        return ServerFirstPorts.Contains(port.Port) ? AppProtocol.Tcp : AppProtocol.Auto;
    }

    public static AppProtocol Parse(string name) => name.ToLowerInvariant() switch
    {
        "http" => AppProtocol.Http,
        "http2" => AppProtocol.Http2,
        "grpc" => AppProtocol.Grpc,
        "grpc-web" => AppProtocol.GrpcWeb,
        "https" => AppProtocol.Https,
        "tls" => AppProtocol.Tls,
        "tcp" => AppProtocol.Tcp,
        "mongo" => AppProtocol.Mongo,
        "mysql" => AppProtocol.Mysql,
        "redis" => AppProtocol.Redis,
        "udp" => AppProtocol.Udp,
        _ => AppProtocol.Auto,
    };
}
