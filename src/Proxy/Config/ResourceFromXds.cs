using System.Collections.Immutable;
using System.Net;
using Envoy.Config.Core.V3;
using Envoy.Config.Endpoint.V3;
using Envoy.Config.Route.V3;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Istio.Networking.Nds.V1;

namespace Mesh.Proxy.Config;

/// <summary>The door: one resource as it came over the wire becomes one record, or a sentence that says what is wrong with it.</summary>
internal static class ResourceFromXds
{
    public const string ClusterType = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    public const string EndpointsType = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
    public const string ListenerType = "type.googleapis.com/envoy.config.listener.v3.Listener";
    public const string RouteType = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
    public const string VirtualHostType = "type.googleapis.com/envoy.config.route.v3.VirtualHost";
    public const string SecretType = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
    public const string ExtensionType = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
    public const string NamesType = "type.googleapis.com/istio.networking.nds.v1.NameTable";

    /// <param name="typeUrl">Of the resource itself.</param>
    /// <returns>The record (<see cref="Cluster"/>, <see cref="ClusterEndpoints"/>, …), or null and why not.</returns>
    public static (object? Resource, string? Refusal) Decode(string typeUrl, string name, ByteString bytes)
    {
        try
        {
            return (Read(typeUrl, bytes), null);
        }
        catch (ConfigRefusedException e)
        {
            return (null, e.Field.Length == 0 ? $"{Kind(typeUrl)} '{name}': {e.Why}" : $"{Kind(typeUrl)} '{name}': field {e.Field}: {e.Why}");
        }
        catch (InvalidProtocolBufferException e)
        {
            return (null, $"{Kind(typeUrl)} '{name}': cannot be decoded: {e.Message}");
        }
        catch (ArgumentException e)
        {
            return (null, $"{Kind(typeUrl)} '{name}': {e.Message}");
        }
    }

    public static (object? Resource, string? Refusal) Decode(string name, Any resource) => Decode(resource.TypeUrl, name, resource.Value);

    /// <summary>The name a resource bears inside itself, for streams that do not say it outside.</summary>
    public static string NameOf(object resource) => resource switch
    {
        Cluster cluster => cluster.Name,
        ClusterEndpoints endpoints => endpoints.Name,
        Listener listener => listener.Name,
        RouteTable routes => routes.Name,
        Secret secret => secret.Name,
        HttpFilterSettings filter => filter.Name,
        _ => "",
    };

    private static object Read(string typeUrl, ByteString bytes) => typeUrl switch
    {
        ClusterType => ClusterFromXds.Read(Envoy.Config.Cluster.V3.Cluster.Parser.ParseFrom(bytes)),
        EndpointsType => EndpointFromXds.Read(ClusterLoadAssignment.Parser.ParseFrom(bytes)),
        ListenerType => ListenerFromXds.Read(Envoy.Config.Listener.V3.Listener.Parser.ParseFrom(bytes)),
        VirtualHostType => RouteFromXds.ReadDiscoveredHost(Envoy.Config.Route.V3.VirtualHost.Parser.ParseFrom(bytes)),
        RouteType => RouteFromXds.Read(RouteConfiguration.Parser.ParseFrom(bytes)),
        SecretType => SecretFromXds.Read(Envoy.Extensions.TransportSockets.Tls.V3.Secret.Parser.ParseFrom(bytes)),
        ExtensionType => Extension(TypedExtensionConfig.Parser.ParseFrom(bytes)),
        NamesType => Names(Istio.Networking.Nds.V1.NameTable.Parser.ParseFrom(bytes)),
        _ => throw new ConfigRefusedException($"resources of type '{typeUrl}' are not known"),
    };

    private static HttpFilterSettings Extension(TypedExtensionConfig proto) => HttpFiltersFromXds.Read(proto.Name, proto.TypedConfig, optional: false);

    private static NameTable Names(Istio.Networking.Nds.V1.NameTable proto)
    {
        var names = ImmutableDictionary.CreateBuilder<string, NameEntry>(StringComparer.OrdinalIgnoreCase);
        foreach (var (host, entry) in proto.Table)
        {
            var addresses = ImmutableArray.CreateBuilder<IPAddress>(entry.Ips.Count);
            foreach (var text in entry.Ips)
                addresses.Add(IPAddress.TryParse(text, out var ip) ? ip : throw new ConfigRefusedException($"table[{host}].ips", $"'{text}' is not an IP address"));
            names[host.TrimEnd('.')] = new(addresses.ToImmutable(), entry.Registry, entry.Shortname, entry.Namespace, []);
        }
        return new(names.ToImmutable());
    }

    private static string Kind(string typeUrl) => typeUrl[(typeUrl.LastIndexOf('.') + 1)..];
}
