using Google.Protobuf.WellKnownTypes;
using Xds.Type.V3;

namespace Mesh.Model.Translate;

/// <summary>Filters that only Istio's Envoy and our own proxy have. Written as TypedStruct, so that no proto of theirs is needed.</summary>
internal static class IstioFilters
{
    /// <summary>Network level: who is at the other end of a TCP connection.</summary>
    public static Any TcpExchange { get; } = Typed(
        "type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange",
        Protos.Struct(("protocol", Value.ForString("istio-peer-exchange")), ("enable_discovery", Value.ForBool(true))));

    /// <summary>Chooses the ALPN list by the protocol spoken upstream.</summary>
    public static Any Alpn { get; } = Typed("type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig", Protos.Struct(
        ("alpn_override", Value.ForList(
            Override("HTTP10", "istio-http/1.0", "istio", "http/1.0"), Override("HTTP11", "istio-http/1.1", "istio", "http/1.1"),
            Override("HTTP2", "istio-h2", "istio", "h2")))));

    public static Any Typed(string typeUrl, Struct value) => Protos.Pack(new TypedStruct { TypeUrl = typeUrl, Value = value });

    private static Value Override(string protocol, params string[] alpn) => Value.ForStruct(Protos.Struct(
        ("upstream_protocol", Value.ForString(protocol)), ("alpn_override", Value.ForList([.. alpn.Select(Value.ForString)]))));
}
