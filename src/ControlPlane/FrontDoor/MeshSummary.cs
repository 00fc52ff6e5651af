using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Serve;
using Mesh.ControlPlane.Telemetry;

namespace Mesh.ControlPlane.FrontDoor;

/// <summary>The mesh in one line: its traffic as a whole, its proxies, its configuration, and who else can be asked.</summary>
internal sealed class MeshSummary(LiveTraffic traffic, ProxyStreams streams, WorldFeed feed, RefusedResources refused, Options options)
{
    public JsonObject Over(TimeSpan window)
    {
        var summary = TrafficViews.Summary(traffic.Window(window), window);
        var (all, world) = (streams.All, feed.Current);
        summary["proxies"] = all.Count;
        summary["synced"] = all.Count(stream => stream.IsSettled(world?.Serial ?? 0));
        summary["refused"] = refused.All.Count;
        summary["serial"] = world?.Serial ?? 0;
        summary["changed"] = world?.Published.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
        summary["version"] = Release.Version;
        summary["addOns"] = new JsonArray([.. FrontDoor.Installed(options).Select(addOn => (JsonNode)addOn.Key)]);
        return summary;
    }
}
