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

    public string RouteName => IsPlainHttp ? $"http.{Port}" : $"https.{Server.Port.Number}.{Server.Port.Name}.{Gateway.Name}.{Gateway.Namespace}";

    /// <summary>Host names without the namespace part.</summary>
    public IEnumerable<string> Hosts => Server.Hosts.Select(host => host[(host.IndexOf('/', StringComparison.Ordinal) + 1)..]);
}

internal static class GatewayServers
{
    /// <summary>The servers of every Gateway that chooses this pod, oldest first. A host claimed twice on one port belongs to the older.</summary>
    public static ImmutableArray<BoundServer> Of(View view)
    {
        var services = ServicesOf(view);
        var bound = ImmutableArray.CreateBuilder<BoundServer>();
        foreach (var gateway in view.World.Registry.Gateways)
        {
            if (!Chooses(gateway, view, services)) continue;
            foreach (var server in gateway.Servers)
                foreach (var port in PortsOf(server.Port.Number, services))
                    bound.Add(new(gateway, server, port));
        }
        return bound.ToImmutable();
    }

    private static bool Chooses(Gateway gateway, View view, List<MeshService> services) => gateway.Services.IsEmpty
        ? gateway.Selector.Selects(view.Shape.Labels)
        : services.Exists(service => gateway.Services.Contains(service.Host) || gateway.Services.Contains($"{service.Namespace}/{service.Name}"));

    private static List<MeshService> ServicesOf(View view) => [.. view.World.Registry.Services.Where(service =>
        service.Namespace == view.Shape.Namespace && service.Source is KubeService { Selector: { Count: > 0 } selector } && selector.Selects(view.Shape.Labels))];

    /// <summary>The Service in front says where its port leads; a port it does not have is opened as it is written.</summary>
    private static IEnumerable<int> PortsOf(int number, List<MeshService> services)
    {
        var targets = services.SelectMany(service => service.Ports).Where(port => port.Number == number && port.Target > 0).Select(port => port.Target).Distinct().ToList();
        return targets.Count > 0 ? targets : [number];
    }
}
