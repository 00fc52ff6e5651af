namespace Mesh.Xds;

/// <summary>The kinds of resource that the planes exchange, by the name they have on the wire.</summary>
public static class TypeUrl
{
    public const string Prefix = "type.googleapis.com/";

    public const string Cluster = Prefix + "envoy.config.cluster.v3.Cluster";
    public const string Endpoints = Prefix + "envoy.config.endpoint.v3.ClusterLoadAssignment";
    public const string Listener = Prefix + "envoy.config.listener.v3.Listener";
    public const string Routes = Prefix + "envoy.config.route.v3.RouteConfiguration";
    public const string VirtualHost = Prefix + "envoy.config.route.v3.VirtualHost";
    public const string Secret = Prefix + "envoy.extensions.transport_sockets.tls.v3.Secret";
    public const string Extension = Prefix + "envoy.config.core.v3.TypedExtensionConfig";
    public const string NameTable = Prefix + "istio.networking.nds.v1.NameTable";
    public const string ProxyConfig = Prefix + "istio.mesh.v1alpha1.ProxyConfig";

    /// <summary>
    /// The order in which a change is sent, so that whatever names something follows it: clusters before the routes to them.
    /// Types that are not here go last.
    /// </summary>
    public static IReadOnlyList<string> PushOrder { get; } =
        [Cluster, Endpoints, Listener, Routes, VirtualHost, Secret, Extension, NameTable];

    /// <summary>
    /// Of these a client may ask for "everything" by naming nothing in its first request; of all others, nothing means nothing.
    /// </summary>
    public static bool IsWildcardType(string typeUrl) => typeUrl is Cluster or Listener or NameTable or ProxyConfig;

    /// <summary>Virtual hosts are asked for by their table: subscribing to "8080" means every resource that is named "8080/…".</summary>
    public static bool IsAskedByCollection(string typeUrl) => typeUrl == VirtualHost;

    /// <summary>The collection that a resource belongs to; empty when its name has none.</summary>
    public static string CollectionOf(string name) => name.IndexOf('/', StringComparison.Ordinal) is > 0 and var slash ? name[..slash] : "";

    /// <summary>As Istio's metrics, logs and debug pages call it: CDS, EDS, LDS, RDS, …; the bare type name where there is no short one.</summary>
    public static string ShortName(string typeUrl) => typeUrl switch
    {
        Cluster => "CDS",
        Endpoints => "EDS",
        Listener => "LDS",
        Routes => "RDS",
        VirtualHost => "VHDS",
        Secret => "SDS",
        Extension => "ECDS",
        NameTable => "NDS",
        ProxyConfig => "PCDS",
        _ => typeUrl[(typeUrl.LastIndexOf('.') + 1)..],
    };
}
