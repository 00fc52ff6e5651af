using System.Globalization;

namespace Mesh.Model.Validation.Rules;

/// <summary>What MeshConfig says of authorizers, tracers and logs: each by one name, each with a service and port that can be called.</summary>
internal static class ExtensionProviders
{
    /// <summary>Providers that are no service, so that nothing of them can be wrong here.</summary>
    private static readonly HashSet<string> WithoutService = ["prometheus", "stackdriver", "envoyFileAccessLog"];

    /// <summary>The codes that Envoy's own enumeration of statuses has: it refuses others.</summary>
    private static readonly HashSet<int> Statuses =
    [
        0, 100, .. Enumerable.Range(200, 9), 226, 300, 301, 302, 303, 304, 305, 307, 308, .. Enumerable.Range(400, 18), 421, 422, 423, 424, 426, 428, 429, 431,
        .. Enumerable.Range(500, 9), 510, 511,
    ];

    public static void Check(Message mesh, Report report)
    {
        var names = new HashSet<string>();
        foreach (var provider in mesh.Children("extensionProviders"))
        {
            var name = provider.Text("name");
            if (name.Length == 0) Say("empty extension provider name");
            else if (!names.Add(name)) Say($"duplicate extension provider name {name}");

            var kind = provider.Which("provider");
            if (kind is null or "sds") Say($"unsupported provider: {kind ?? "none is given"}");
            else if (!WithoutService.Contains(kind)) CheckService(kind, provider.Child(kind)!, Say);

            void Say(string problem) => report.Error($"invalid extension provider {name}: {problem}", provider.Source);
        }
    }

    private static void CheckService(string kind, Message service, Action<string> say)
    {
        // The older kinds say of what the port is.
        var prefix = kind is "envoyExtAuthzHttp" or "opentelemetry" or "envoyOtelAls" or "envoyHttpAls" or "envoyTcpAls" ? "" : "invalid service port: ";
        if (Names.Port(service.Number("port")) is { } port) say(prefix + port);
        if (ServiceProblem(service) is { } problem) say(problem);

        if (kind == "lightstep" && service.Text("accessToken").Length == 0) say("access token is required");
        if (kind == "opentelemetry" && service.Has("grpc") && service.Has("http")) say("OpenTelemetryTracingProvider cannot specify both grpc and http");
        if (kind is "envoyExtAuthzHttp" or "envoyExtAuthzGrpc" && StatusProblem(service.Text("statusOnError")) is { } status) say(status);
        if (kind == "envoyExtAuthzHttp" && service.Text("pathPrefix") is { Length: > 0 } path && !path.StartsWith('/')) say($"pathPrefix should begin with `/` but found \"{path}\"");
    }

    private static string? ServiceProblem(Message provider)
    {
        var service = provider.Text("service");
        if (service.Length == 0) return "service must not be empty";
        if (!service.Contains('/')) return Names.Fqdn(service) is null || Names.IsIp(service) ? null : $"invalid service fmt {service}: {Names.Ip(service)}";

        var report = new Report(provider.Source!);
        NamespacedHosts.Check(service, isGateway: false, null, report);
        return report.Errors.Count > 0 ? report.Errors[0].Message : null;
    }

    private static string? StatusProblem(string status)
    {
        if (status.Length == 0) return null;
        if (!int.TryParse(status, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var code)) return $"invalid statusOnError value {status}: it is no number";
        return Statuses.Contains(code) ? null : $"unsupported statusOnError value {status}: it is no HTTP status that can be answered";
    }
}
