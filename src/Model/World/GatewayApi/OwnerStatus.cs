using System.Collections.Immutable;
using System.Net;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>What the author of a Gateway or a ListenerSet is told: is it valid, is it served, and where.</summary>
internal static class OwnerStatus
{
    public static ApiGatewayStatus Of(ListenerOwner owner, List<ListenerOwner> all, ApiInputs inputs)
    {
        if (!owner.MayJoin)
        {
            const string Message = "The parent Gateway does not allow this reference; check its 'spec.allowedListeners'";
            return new(owner.Resource, [new("Accepted", false, "NotAllowed", Message), new("Programmed", false, "NotAllowed", Message)], [], []);
        }
        var served = all.Where(one => one.Parent == owner.Parent).SelectMany(one => one.Listeners).Where(listener => !listener.IsConflicted);
        var place = Place.Of(owner.Parent, owner.IsGateway ? served : owner.Listeners.Where(listener => !listener.IsConflicted), inputs);
        var valid = owner.Listeners.Count(listener => listener.Made is not null);
        var noun = owner.IsGateway ? "Gateway" : "ListenerSet";
        var none = owner.Listeners.Length > 0 && valid == 0;
        var (overlays, refusal) = owner.IsGateway ? GatewayOverlays.Of(owner.Parent, inputs) : ([], null);
        var accepted = Addresses(owner.Parent) is { } unusable ? unusable with { Message = owner.IsGateway ? unusable.Message : $"Parent not accepted: {unusable.Message}" }
            : refusal is not null ? refusal
            : none ? new("Accepted", false, "ListenersNotValid", $"None of the {noun}'s listeners are valid")
            : valid < owner.Listeners.Length && owner.IsGateway ? new("Accepted", true, "ListenersNotValid", "One or more of the Gateway's listeners are invalid")
            : new ApiCondition("Accepted", true, "Accepted", "Resource accepted");
        var programmed = none && !owner.IsGateway ? accepted with { Type = "Programmed" }
            : accepted.Reason == "UnsupportedAddress" && !owner.Parent.Addresses.Any(address => address.Type.EndsWith("Hostname", StringComparison.Ordinal))
                ? new("Programmed", false, "UnsupportedAddress", "Failed to assign to any requested addresses")
            : place.Programmed;
        ImmutableArray<ApiCondition> conditions = owner.IsGateway
            ? [accepted, .. Insecure(owner.Parent), programmed, ApiTls.ClientCertificate(owner.Parent, inputs) ?? new("ResolvedRefs", true, "ResolvedRefs", "All references resolved")]
            : [accepted, programmed];
        return new(
            owner.Resource, conditions, [.. owner.Listeners.Select(listener => new ApiListenerStatus(
                listener.Listener.Name, listener.Attached.Count, [.. listener.Kinds.Select(kind => new RouteKind(ApiInputs.Group, kind))], [.. listener.Conditions]))],
            owner.IsGateway ? place.Addresses : [])
        {
            Served = owner.IsGateway ? [.. owner.Listeners.Select(listener => listener.Listener), .. served.Where(listener => listener.Owner != owner.Resource).Select(listener => listener.Listener)] : [],
            Overlays = refusal is null ? overlays : null,
            AttachedSets = owner.IsGateway ? all.Count(one => !one.IsGateway && one.Parent == owner.Parent && one.Listeners.Any(listener => listener.Made is not null)) : 0,
        };
    }

    private static ApiCondition? Addresses(ApiGateway gateway)
    {
        var other = gateway.Addresses.Where(address => !address.Type.EndsWith("Hostname", StringComparison.Ordinal)).Select(address => address.Value).ToList();
        // One address alone is asked of the Service that is made for the gateway.
        return other.Count == 0 || gateway.Addresses.Length == 1 && gateway.Addresses[0].Type == "IPAddress" && gateway.Meta.Annotations["networking.istio.io/service-type"] is null
            ? null : new("Accepted", false, "UnsupportedAddress", $"only Hostname is supported, ignoring [{string.Join(' ', other)}]");
    }

    private static IEnumerable<ApiCondition> Insecure(ApiGateway gateway)
    {
        if (gateway.Frontend?.AllowsInsecure == true || gateway.FrontendOfPorts.Any(port => port.Validation?.AllowsInsecure == true))
            yield return new("InsecureFrontendValidationMode", true, "ConfigurationChanged", "Gateway is operating in AllowInsecureFallback mode for frontend validation");
    }

    /// <summary>The Services in front of a gateway, as far as they are there and open its ports.</summary>
    private sealed record Place(ApiCondition Programmed, ImmutableArray<ApiAddress> Addresses)
    {
        public static Place Of(ApiGateway gateway, IEnumerable<BoundListener> served, ApiInputs inputs)
        {
            var ports = served.Select(listener => listener.Listener.Port).Distinct().Order().ToList();
            var (found, warnings, external, inner, isPending) = (new List<string>(), new List<string>(), new List<string>(), new List<string>(), false);
            var services = ApiListeners.ServicesOf(gateway, inputs.Mesh);
            var usable = true;
            foreach (var host in services)
            {
                if (inputs.Services[host].FirstOrDefault() is not { } service)
                {
                    warnings.Add($"hostname \"{host}\" not found");
                    usable = false;
                    continue;
                }
                var open = ports.Where(port => service.Ports.Any(one => one.Number == port)).ToList();
                foreach (var port in ports.Except(open))
                {
                    warnings.Add($"port {port} not found for hostname \"{host}\"");
                    usable = false;
                }
                found.AddRange(open.Select(port => $"{host}:{port}"));
                if (open.Count == 0 && ports.Count > 0 || service.Source is not KubeService kube) continue;
                external.AddRange(kube.IngressAddresses.Concat(kube.ExternalIps).Where(value => value.Length > 0));
                if (kube.Type == "LoadBalancer" && external.Count == 0)
                {
                    warnings.Add($"address pending for hostname \"{host}\"");
                    isPending = true;
                }
                else inner.Add(host);
            }
            found.Sort(StringComparer.Ordinal);
            var programmed = warnings.Count == 0
                ? new ApiCondition("Programmed", true, "Programmed", found.Count == 0 ? "Resource programmed" : $"Resource programmed, assigned to service(s) {Joined(found)}")
                : new("Programmed", false, usable && isPending ? "AddressNotAssigned" : "AddressNotUsable", found.Count == 0
                    ? $"Failed to assign to any requested addresses: {string.Join("; ", warnings)}"
                    : $"Assigned to service(s) {Joined(found)}, but failed to assign to all requested addresses: {string.Join("; ", warnings)}");
            return new(programmed, [.. (external.Count > 0 ? external : inner).Distinct().Select(value => new ApiAddress(IPAddress.TryParse(value, out _) ? "IPAddress" : "Hostname", value))]);
        }

        private static string Joined(List<string> names) => names.Count switch
        {
            1 => names[0],
            _ => $"{string.Join(", ", names.Take(names.Count - 1))} and {names[^1]}",
        };
    }
}
