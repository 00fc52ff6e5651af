using System.Globalization;
using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>User and group that the proxy runs as: iptables recognises its own traffic by them. 1337, but on OpenShift, whose namespaces say which ids their pods may have: the last of each range.</summary>
internal sealed record ProxyIds(long User, long Group)
{
    public const string UserRange = "openshift.io/sa.scc.uid-range";
    public const string GroupRange = "openshift.io/sa.scc.supplemental-groups";

    public static ProxyIds Usual { get; } = new(1337, 1337);

    public static bool IsOpenShift(InjectorSettings settings) => settings.Values.At("global", "platform").Text() == "openshift";

    public static ProxyIds For(InjectorSettings settings, IReadOnlyDictionary<string, string>? namespaceAnnotations)
    {
        if (!IsOpenShift(settings) || namespaceAnnotations is null) return Usual;

        var users = namespaceAnnotations.GetValueOrDefault(UserRange);
        var groups = namespaceAnnotations.GetValueOrDefault(GroupRange) ?? users;
        return new(Last(users) ?? Usual.User, AreRanges(groups) ? Last(groups!.Split(',')[0])!.Value : Usual.Group);
    }

    /// <summary>
    /// OpenShift gives all containers of a pod one user before the webhook is asked, the proxy's too where the user customised it: that is no wish of the user's, and the proxy's
    /// traffic could not be told from the application's.
    /// </summary>
    public static JsonObject WithoutAssignedUser(JsonObject pod, InjectorSettings settings)
    {
        if (!IsOpenShift(settings)) return pod;

        JsonObject[] containers = [.. pod.At("spec", "containers").Objects(), .. pod.At("spec", "initContainers").Objects()];
        var proxy = containers.FirstOrDefault(container => container["name"].Text() == ContainerNames.Proxy);
        if (proxy?["securityContext"] is not JsonObject || UserOf(proxy) != containers.Where(IsApplication).Select(UserOf).LastOrDefault(user => user != 0)) return pod;

        var copy = pod.Copy();
        foreach (var list in (string[])["containers", "initContainers"])
            if (copy.At("spec", list).Named(ContainerNames.Proxy)?["securityContext"] is JsonObject context)
            {
                context.Remove("runAsUser");
                context.Remove("runAsGroup");
            }
        return copy;
    }

    private static bool IsApplication(JsonObject container) => container["name"].Text() is not (ContainerNames.Proxy or ContainerNames.Init or ContainerNames.Validation);

    private static long UserOf(JsonObject container) => container.At("securityContext", "runAsUser").Integer() ?? 0;

    private static bool AreRanges(string? text) => text is not null && text.Split(',').All(range => Last(range) is not null);

    /// <summary>The last id of <c>start/size</c> or <c>first-last</c>; null for anything else.</summary>
    private static long? Last(string? range)
    {
        if (range is null || range.IndexOfAny(['/', '-']) is var at && at < 1) return null;
        if (!uint.TryParse(range.AsSpan(0, at), NumberStyles.None, CultureInfo.InvariantCulture, out var first)) return null;
        if (!uint.TryParse(range.AsSpan(at + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var second)) return null;
        return range[at] == '/' ? (long)first + second - 1 : second;
    }
}
