namespace Mesh.Model.Validation.Rules;

internal static class ProxyConfigs
{
    public static void Check(Resource resource, Message spec, Report report)
    {
        Selectors.CheckSelector(spec.Child("selector"), report);
        if (spec.Number("concurrency") < 0) report.Error("concurrency must be greater than or equal to 0", spec.At("concurrency"));
    }
}
