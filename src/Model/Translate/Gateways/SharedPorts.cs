namespace Mesh.Model.Translate;

/// <summary>
/// Which servers of several Gateways can stand on one port: plain HTTP beside plain HTTP, TLS beside TLS with other hosts, anything on another
/// address. What comes later and does not fit is left out whole, so that no older server changes its meaning.
/// </summary>
internal sealed class SharedPorts
{
    private readonly Dictionary<(int Port, string Host), string> tlsHosts = [];
    private readonly Dictionary<int, BoundServer> plain = [];
    private readonly HashSet<int> used = [];
    private readonly HashSet<string> routes = [];

    /// <summary>True when the server has its place. Ask in order of age.</summary>
    public bool Admit(BoundServer server)
    {
        if (server.Server.Tls is not null && !TakesHosts(server)) return false;
        if (used.Add(server.Port))
        {
            if (!server.IsTls) plain[server.Port] = server;
            routes.Add(server.RouteName);
            return true;
        }
        if (plain.TryGetValue(server.Port, out var first))
            return first.Bind != server.Bind || first.IsPlainHttp && server.IsPlainHttp;
        if (!server.IsTls)
        {
            plain[server.Port] = server;
            return true;
        }
        // Each HTTPS server has a table of its own, found by this name.
        if (server.IsHttp && !routes.Add(server.RouteName)) return false;
        return true;
    }

    private bool TakesHosts(BoundServer server)
    {
        var hosts = server.Server.Hosts.Select(host => Own(host, server.Gateway.Namespace)).ToList();
        if (hosts.Exists(host => tlsHosts.TryGetValue((server.Port, host), out var bind) && bind == server.Bind)) return false;
        foreach (var host in hosts) tlsHosts[(server.Port, host)] = server.Bind;
        return true;
    }

    /// <summary><c>./host</c> means the Gateway's own namespace, <c>*/host</c> is any, like a host alone.</summary>
    private static string Own(string host, string ns) =>
        host.StartsWith("./", StringComparison.Ordinal) ? $"{ns}/{host[2..]}" : host.StartsWith("*/", StringComparison.Ordinal) ? host[2..] : host;
}
