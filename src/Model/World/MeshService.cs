using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>How the endpoints of a service are found.</summary>
public enum Resolution
{
    /// <summary>The control plane sends them.</summary>
    Sent,

    /// <summary>The address that the caller meant.</summary>
    OriginalDestination,

    /// <summary>All addresses of a name.</summary>
    Dns,

    /// <summary>One address of a name, the latest.</summary>
    DnsRoundRobin,

    /// <summary>The name in the request itself.</summary>
    DynamicDns,

    /// <summary>Another service under a second name.</summary>
    Alias,
}

/// <summary><paramref name="Target"/> is the endpoints' port where it is known: a number, else 0.</summary>
public sealed record ServicePort(string Name, int Number, AppProtocol Protocol, int Target);

/// <summary>One host of the mesh's registry: a Kubernetes Service, or one host of a ServiceEntry. Without its endpoints.</summary>
public sealed class MeshService(Resource source)
{
    public Resource Source { get; } = source;
    public required string Host { get; init; }
    public required string Name { get; init; }
    public string Namespace => Source.Namespace;
    public bool IsKubernetes => Source is KubeService;
    public required ImmutableArray<ServicePort> Ports { get; init; }

    /// <summary>Virtual addresses or CIDR blocks; empty for a headless service and for a host without address.</summary>
    public required ImmutableArray<string> Addresses { get; init; }

    /// <summary>Address invented for a host without one; used only for proxies that answer DNS themselves.</summary>
    public string AutoAddress { get; init; } = "";
    public required Resolution Resolution { get; init; }
    public bool IsExternal { get; init; }
    public bool IsHeadless { get; init; }
    public required ImmutableArray<string> ExportTo { get; init; }
    public LabelSet Labels => Source.Meta.Labels;

    /// <summary>SPIFFE ids (or other names) that servers may prove; beside those of the endpoints' accounts.</summary>
    public ImmutableArray<string> SubjectAltNames { get; init; } = [];
    public string AliasOf { get; init; } = "";
    public bool PublishesNotReady { get; init; }
    public bool IsNodeLocal { get; init; }
    public string TrafficDistribution { get; init; } = "";

    /// <summary>The same service under another invented address.</summary>
    public MeshService At(string autoAddress) => new(Source)
    {
        Host = Host, Name = Name, Ports = Ports, Addresses = Addresses, AutoAddress = autoAddress, Resolution = Resolution, IsExternal = IsExternal, IsHeadless = IsHeadless,
        ExportTo = ExportTo, SubjectAltNames = SubjectAltNames, AliasOf = AliasOf, PublishesNotReady = PublishesNotReady, IsNodeLocal = IsNodeLocal,
        TrafficDistribution = TrafficDistribution,
    };

    public ServicePort? PortNumbered(int number)
    {
        foreach (var port in Ports)
            if (port.Number == number) return port;
        return null;
    }

    public bool IsVisibleIn(string ns) => Exports.Reach(ExportTo, Namespace, ns);

    public override string ToString() => Host;
}

/// <summary>The <c>exportTo</c> rule: <c>.</c> own namespace, <c>*</c> all, <c>~</c> none, else names.</summary>
public static class Exports
{
    public static bool Reach(ImmutableArray<string> exportTo, string owner, string ns)
    {
        foreach (var target in exportTo)
            if (target == "*" || target == ns || target == "." && owner == ns) return true;
        return false;
    }

    /// <summary>True when it is visible in more than its own namespace.</summary>
    public static bool LeaveHome(ImmutableArray<string> exportTo, string owner) => exportTo.Any(target => target is not ("." or "~") && target != owner);
}
