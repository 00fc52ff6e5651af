namespace Mesh.Model.Validation.Rules;

/// <summary>A DestinationRule: host, subsets and their traffic policies.</summary>
internal static class DestinationRules
{
    public static void Check(Resource resource, Message spec, Report report)
    {
        report.Error(Names.WildcardDomain(spec.Text("host")), spec.At("host"));
        TrafficPolicies.Check(spec.Child("trafficPolicy"), resource.Namespace, report);

        var names = new HashSet<string>();
        foreach (var subset in spec.Children("subsets"))
        {
            var name = subset.Text("name");
            if (!names.Add(name)) report.Error($"duplicate subset names: {name}", subset.At("name"));
            report.Error(HttpRoutes.SubsetName(name), subset.At("name"));
            Selectors.CheckLabelMap(subset, "labels", report);
            TrafficPolicies.Check(subset.Child("trafficPolicy"), resource.Namespace, report, warnings: false);
        }
        Selectors.CheckExportTo(spec, resource.Namespace, report, hasSelector: spec.Has("workloadSelector"));
        Selectors.CheckSelector(spec.Child("workloadSelector"), report);
    }
}
