using Mesh.Model.World;

namespace Mesh.Tests.Cases;

/// <summary>Gateway API statuses, a line for each condition that is not as one would wish, and the counts of routes.</summary>
internal static class StatusText
{
    public static string Of(ApiTranslation api) => string.Join('\n', Lines(api));

    private static IEnumerable<string> Lines(ApiTranslation api)
    {
        foreach (var gateway in api.GatewayStatuses)
        {
            yield return $"{gateway.Owner}  {Conditions(gateway.Conditions)}";
            foreach (var listener in gateway.Listeners) yield return $"  {listener.Name}  {listener.AttachedRoutes} routes  {Conditions(listener.Conditions)}";
        }
        foreach (var route in api.RouteStatuses)
            foreach (var parent in route.Parents) yield return $"{route.Route}  to {parent.Parent.Name}  {Conditions(parent.Conditions)}";
    }

    private static string Conditions(IEnumerable<ApiCondition> conditions) =>
        string.Join("  ", conditions.Select(condition => $"{condition.Type}={condition.Holds}({condition.Reason})"));
}
