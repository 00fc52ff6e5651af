using System.Globalization;
using Mesh.ControlPlane.Telemetry;

namespace Mesh.ControlPlane.FrontDoor;

/// <summary>Which requests a reader wants to see. Empty fields take all.</summary>
internal sealed record TapFilter(
    string Workload, string Namespace, string From, string To, string Method, string PathPrefix, string Authority, string Reporter, int StatusMin, int StatusMax)
{
    /// <summary>?workload ?namespace ?from ?to ?method ?path ?authority ?reporter ?status=503 or 5xx</summary>
    public static TapFilter Read(IQueryCollection query)
    {
        var status = TrafficApi.Text(query, "status");
        var (min, max) = status is [>= '1' and <= '5', 'x', 'x'] ? ((status[0] - '0') * 100, (status[0] - '0') * 100 + 99)
            : int.TryParse(status, CultureInfo.InvariantCulture, out var code) ? (code, code) : (0, int.MaxValue);
        return new(
            TrafficApi.Text(query, "workload"), TrafficApi.Text(query, "namespace"), TrafficApi.Text(query, "from"), TrafficApi.Text(query, "to"),
            TrafficApi.Text(query, "method"), TrafficApi.Text(query, "path"), TrafficApi.Text(query, "authority"), TrafficApi.Text(query, "reporter"), min, max);
    }

    public bool Takes(RequestRecord r) =>
        (Workload.Length == 0 || r.SourceWorkload == Workload || r.DestinationWorkload == Workload || r.Proxy == Workload)
        && (Namespace.Length == 0 || r.SourceNamespace == Namespace || r.DestinationNamespace == Namespace)
        && (From.Length == 0 || r.SourceWorkload == From)
        && (To.Length == 0 || r.DestinationWorkload == To || r.DestinationService == To)
        && (Method.Length == 0 || string.Equals(r.Method, Method, StringComparison.OrdinalIgnoreCase))
        && r.Path.StartsWith(PathPrefix, StringComparison.Ordinal)
        && (Authority.Length == 0 || r.Authority == Authority)
        && (Reporter.Length == 0 || r.Reporter == Reporter)
        && r.Status >= StatusMin && r.Status <= StatusMax;
}
