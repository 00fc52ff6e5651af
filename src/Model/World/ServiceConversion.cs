using System.Collections.Immutable;
using System.Globalization;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>Service and ServiceEntry objects to hosts of the registry.</summary>
internal static class ServiceConversion
{
    public static MeshService FromKubernetes(KubeService service, MeshConfig mesh)
    {
        var headless = service.IsHeadless;
        var external = service.Type == "ExternalName";
        var accounts = Listed(service.Meta.Annotations["alpha.istio.io/canonical-serviceaccounts"]);
        return new(service)
        {
            Host = $"{service.Name}.{service.Namespace}.svc.{mesh.Domain}",
            Name = service.Name,
            Ports = [.. service.Ports.Select(port => new ServicePort(
                port.Name, port.Port, AppProtocols.Of(port), int.TryParse(port.TargetPort, out var number) ? number : port.TargetPort.Length == 0 ? port.Port : 0))],
            Addresses = headless || external ? [] : [.. service.ClusterIps.Where(ip => ip.Length > 0)],
            Resolution = external && service.ExternalName.Length > 0 ? Resolution.Alias
                : headless && !service.Meta.Labels.Pairs.Any(pair => pair.Key == "istio.io/persistent-session") ? Resolution.OriginalDestination
                : Resolution.Sent,
            IsHeadless = headless,
            AliasOf = external ? service.ExternalName.TrimEnd('.').ToLowerInvariant() : "",
            IsExternal = external,
            ExportTo = Listed(service.Meta.Annotations["networking.istio.io/exportTo"]) is { IsEmpty: false } some ? some : mesh.ServiceExportTo,
            SubjectAltNames = [.. accounts.Select(account => $"spiffe://{account}")],
            PublishesNotReady = service.PublishNotReady,
            IsNodeLocal = service.NodeLocal,
            TrafficDistribution = service.Meta.Annotations["networking.istio.io/traffic-distribution"] ?? service.TrafficDistribution,
        };
    }

    public static ImmutableArray<MeshService> FromEntry(ServiceEntry entry, MeshConfig mesh)
    {
        ImmutableArray<ServicePort> ports = [.. entry.Ports.Select(port => new ServicePort(
            port.Name, port.Number, AppProtocols.Parse(port.Protocol), port.TargetPort > 0 ? port.TargetPort : port.Number))];
        var exportTo = entry.ExportTo.IsEmpty ? mesh.ServiceExportTo : entry.ExportTo;
        return [.. entry.Hosts.Select(host => new MeshService(entry)
        {
            Host = host,
            Name = host,
            Ports = ports,
            Addresses = [.. entry.Addresses.Select(WithoutFullLength)],
            AutoAddress = AutoAddress(entry, host),
            Resolution = entry.Resolution switch
            {
                EntryResolution.Static => Resolution.Sent,
                EntryResolution.Dns => Resolution.Dns,
                EntryResolution.DnsRoundRobin => Resolution.DnsRoundRobin,
                EntryResolution.DynamicDns => Resolution.DynamicDns,
                _ => Resolution.OriginalDestination,
            },
            IsExternal = !entry.IsInternal,
            ExportTo = exportTo,
            SubjectAltNames = entry.SubjectAltNames,
        })];
    }

    private static string WithoutFullLength(string address) =>
        address.EndsWith("/32", StringComparison.Ordinal) && !address.Contains(':') ? address[..^3] : address.EndsWith("/128", StringComparison.Ordinal) ? address[..^4] : address;

    /// <summary>The invented address of a host where others have taken the first ones: with 300 hosts two of them would meet as likely as not.</summary>
    public static string Invented(string ns, string host, int attempt)
    {
        const uint Size = 256 * 254;
        // FNV-1a: the same host gets the same address in every control plane, and keeps it over restarts.
        var hash = 2166136261u;
        foreach (var c in $"{ns}/{host}") hash = (hash ^ c) * 16777619u;
        var place = ((hash >> 8 & 0xFF) * 254 + (hash ^ hash >> 16) % 254 + (uint)attempt) % Size;
        return string.Create(CultureInfo.InvariantCulture, $"240.240.{place / 254}.{place % 254 + 1}");
    }

    /// <summary>A wildcard host, or one with addresses or without endpoints of its own, gets none.</summary>
    private static string AutoAddress(ServiceEntry entry, string host)
    {
        if (!entry.Addresses.IsEmpty || entry.Resolution == EntryResolution.None || Hostnames.IsWildcard(host)) return "";
        foreach (var (name, value) in entry.AllocatedAddresses)
            if (name == host) return value;
        if (entry.Meta.Labels["networking.istio.io/enable-autoallocate-ip"] == "false") return "";
        return Invented(entry.Namespace, host, 0);
    }

    private static ImmutableArray<string> Listed(string? text) =>
        text is null ? [] : [.. text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];
}
