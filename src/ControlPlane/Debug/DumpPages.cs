using System.Text.Json;
using Mesh.ControlPlane.Serve;
using Mesh.Xds;

namespace Mesh.ControlPlane.Debug;

/// <summary>What one proxy was given, in the shape of Envoy's <c>/config_dump</c>.</summary>
internal static class DumpPages
{
    public static void ConfigDump(Utf8JsonWriter w, ProxyStream stream, ProxyDump dump)
    {
        w.WriteStartObject();
        w.WriteStartArray("configs");
        Section(w, dump.Resources(stream, TypeUrl.Cluster), "ClustersConfigDump", "dynamicActiveClusters", "cluster");
        Listeners(w, dump.Resources(stream, TypeUrl.Listener));
        Section(w, dump.Resources(stream, TypeUrl.Routes), "RoutesConfigDump", "dynamicRouteConfigs", "routeConfig");
        Section(w, dump.Resources(stream, TypeUrl.Endpoints), "EndpointsConfigDump", "dynamicEndpointConfigs", "endpointConfig");
        w.WriteEndArray();
        w.WriteEndObject();
    }

    public static void Edsz(Utf8JsonWriter w, ProxyStream stream, ProxyDump dump)
    {
        w.WriteStartArray();
        foreach (var (_, _, json) in dump.Resources(stream, TypeUrl.Endpoints) ?? []) w.WriteRawValue(json);
        w.WriteEndArray();
    }

    public static void Ndsz(Utf8JsonWriter w, ProxyStream stream, ProxyDump dump)
    {
        if (dump.Resources(stream, TypeUrl.NameTable) is [var (_, _, json), ..]) w.WriteRawValue(json);
        else w.WriteNullValue();
    }

    private static void Section(Utf8JsonWriter w, IReadOnlyList<(string, string Version, string Json)>? resources, string type, string list, string item)
    {
        Start(w, type);
        w.WriteStartArray(list);
        foreach (var (_, version, json) in resources ?? [])
        {
            w.WriteStartObject();
            w.WriteString("versionInfo", version);
            w.WritePropertyName(item);
            w.WriteRawValue(json);
            w.WriteEndObject();
        }
        w.WriteEndArray();
        w.WriteEndObject();
    }

    private static void Listeners(Utf8JsonWriter w, IReadOnlyList<(string Name, string Version, string Json)>? resources)
    {
        Start(w, "ListenersConfigDump");
        w.WriteStartArray("dynamicListeners");
        foreach (var (name, version, json) in resources ?? [])
        {
            w.WriteStartObject();
            w.WriteString("name", name);
            w.WriteStartObject("activeState");
            w.WriteString("versionInfo", version);
            w.WritePropertyName("listener");
            w.WriteRawValue(json);
            w.WriteEndObject();
            w.WriteEndObject();
        }
        w.WriteEndArray();
        w.WriteEndObject();
    }

    private static void Start(Utf8JsonWriter w, string type)
    {
        w.WriteStartObject();
        w.WriteString("@type", $"type.googleapis.com/envoy.admin.v3.{type}");
    }
}
