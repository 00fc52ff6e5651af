using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>One server of a Gateway on the port where the pod really listens.</summary>
internal sealed record BoundServer(Gateway Gateway, GatewayServer Server, int Port)
{
    public string Bind => Server.Bind.Length > 0 ? Server.Bind : "0.0.0.0";

    public string GatewayName => $"{Gateway.Namespace}/{Gateway.Name}";

    /// <summary>TLS that ends here; null for plain text and for what is passed through.</summary>
    public ServerTls? Terminates => Server.Tls is { Mode: not (ServerTlsMode.Passthrough or ServerTlsMode.AutoPassthrough) } tls && !IsPlainHttp ? tls : null;

    public bool IsPlainHttp => Server.Port.Protocol is "HTTP" or "HTTP2" or "GRPC" or "GRPC-WEB";

    /// <summary>HTTP is read here, in plain text or after TLS.</summary>
    public bool IsHttp => IsPlainHttp || Server.Port.Protocol == "HTTPS" && Terminates is not null;

    /// <summary>Told from others on its port by SNI; a plain HTTP server that redirects has TLS settings and is not.</summary>
    public bool IsTls => Server.Tls is not null && !IsPlainHttp;

    public string RouteName =>
        (IsPlainHttp ? $"http.{Port}" : $"https.{Server.Port.Number}.{Server.Port.Name}.{Gateway.Name}.{Gateway.Namespace}")
        + (Server.Bind.Length > 0 ? $".{Server.Bind}" : "");

    /// <summary>Host names without the namespace part.</summary>
    public IEnumerable<string> Hosts => Server.Hosts.Select(host => host[(host.IndexOf('/', StringComparison.Ordinal) + 1)..]);
}

internal static class GatewayServers
{
    /// <summary>A Service so marked names the ports of its pods, not its own, to Gateways that select pods.</summary>
    private const string PortsAsWritten = "experimental.istio.io/disable-gateway-port-translation";

    /// <summary>The servers of every Gateway that chooses this pod, oldest first, less those that cannot share their port with an older one.</summary>
    public static ImmutableArray<BoundServer> Of(View view)
    {
        var services = ServicesOf(view);
        var bound = ImmutableArray.CreateBuilder<BoundServer>();
        var ports = new SharedPorts();
        foreach (var gateway in view.World.Registry.Gateways)
        {
            if (!Chooses(gateway, view, services)) continue;
            foreach (var server in gateway.Servers)
                foreach (var port in PortsOf(gateway, server.Port.Number, services))
                    if (new BoundServer(gateway, server, port) is var one && ports.Admit(one)) bound.Add(one);
        }
        return bound.ToImmutable();
    }

    /// <summary>The certificate toward backends of the first Gateway that chooses this pod and has one.</summary>
    public static string BackendCredential(View view)
    {
        List<MeshService>? services = null;
        foreach (var gateway in view.World.Registry.Gateways)
            if (gateway.BackendCredential.Length > 0 && Chooses(gateway, view, services ??= ServicesOf(view))) return gateway.BackendCredential;
        return "";
    }

    private static bool Chooses(Gateway gateway, View view, List<MeshService> services) => gateway.Services.IsEmpty
        ? gateway.Selector.Selects(view.Shape.Labels)
        : services.Exists(service => IsNamed(gateway, service));

    private static bool IsNamed(Gateway gateway, MeshService service) =>
        gateway.Services.Contains(service.Host) || gateway.Services.Contains($"{service.Namespace}/{service.Name}");

    private static List<MeshService> ServicesOf(View view) => [.. view.World.Registry.Services.Where(service =>
        service.Namespace == view.Shape.Namespace && service.Source is KubeService { Selector: { Count: > 0 } selector } && selector.Selects(view.Shape.Labels))];

    /// <summary>
    /// The Service in front says where its port leads. A Gateway that names its Services has no other ports; one that selects pods opens a port
    /// that no Service has as it is written.
    /// </summary>
    private static IEnumerable<int> PortsOf(Gateway gateway, int number, List<MeshService> services)
    {
        IEnumerable<int> Targets(IEnumerable<MeshService> among) =>
            among.SelectMany(service => service.Ports).Where(port => port.Number == number && port.Target > 0).Select(port => port.Target).Distinct();

        if (!gateway.Services.IsEmpty) return Targets(services.Where(service => IsNamed(gateway, service)));
        return Targets(services.Where(service => service.Source.Meta.Labels[PortsAsWritten] is null)).Take(1).DefaultIfEmpty(number);
    }
}
