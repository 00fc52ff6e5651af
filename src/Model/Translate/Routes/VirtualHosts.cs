using System.Collections.Immutable;
using Envoy.Config.Route.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Under which names a caller may ask for a service.</summary>
internal static class VirtualHosts
{
    /// <summary>The full name, and shorter forms as far as the caller's namespace lets them be understood; addresses too.</summary>
    public static ImmutableArray<string> DomainsOf(MeshService service, string host, string clientNamespace, string domain, bool answersDns)
    {
        var names = ImmutableArray.CreateBuilder<string>();
        names.Add(host);
        var suffix = $".{clientNamespace}.svc.{domain}";
        var shared = $".svc.{domain}";
        if (host.EndsWith(shared, StringComparison.Ordinal) && !Hostnames.IsWildcard(host))
        {
            names.Add($"{host}.");
            if (host.EndsWith(suffix, StringComparison.Ordinal)) names.Add(host[..^suffix.Length]);
            names.Add(host[..^shared.Length]);
            names.Add($"{host[..^shared.Length]}.svc");
        }
        if (service.IsHeadless)
            foreach (var name in names.ToArray()) names.Add($"*.{name}");
        if (host != service.Host) return names.ToImmutable();
        foreach (var address in service.Addresses)
            if (!address.Contains('/', StringComparison.Ordinal)) names.Add(address.Contains(':', StringComparison.Ordinal) ? $"[{address}]" : address);
        if (answersDns && service.AutoAddress.Length > 0) names.Add(service.AutoAddress);
        return names.ToImmutable();
    }

    /// <summary>The namespace whose callers may leave it away; empty where there is none.</summary>
    public static string HomeOf(string host, string domain)
    {
        var shared = $".svc.{domain}";
        if (!host.EndsWith(shared, StringComparison.Ordinal)) return "";
        var name = host.AsSpan(0, host.Length - shared.Length);
        var dot = name.LastIndexOf('.');
        return dot < 0 ? "" : name[(dot + 1)..].ToString();
    }

    /// <summary>Where requests go whose host nobody knows.</summary>
    public static VirtualHost CatchAll(Scope scope, bool countsAttempts)
    {
        if (scope.Outbound == OutboundMode.RegistryOnly)
            return new()
            {
                Name = Names.BlockAll,
                Domains = { "*" },
                Routes = { new Route { Name = Names.BlockAll, Match = new() { Prefix = "/" }, DirectResponse = new() { Status = 502 } } },
                IncludeRequestAttemptCount = countsAttempts,
            };
        return new()
        {
            Name = Names.AllowAny,
            Domains = { "*" },
            Routes =
            {
                new Route
                {
                    Name = Names.AllowAny,
                    Match = new() { Prefix = "/" },
                    Route_ = new() { Cluster = Names.Rest(scope), Timeout = new(), MaxGrpcTimeout = new() },
                },
            },
            IncludeRequestAttemptCount = countsAttempts,
        };
    }
}
