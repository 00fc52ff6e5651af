using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>One pod as it reached us.</summary>
/// <param name="Path">The webhook's URL path: it may carry the cluster and the network (<see cref="InjectPath"/>).</param>
/// <param name="NativeSidecars">The control plane's answer for this pod's node or for all nodes.</param>
/// <param name="NamespaceAnnotations">Where they are known: OpenShift's say which user the proxy may be.</param>
/// <param name="Owner">When the caller knows the workload; else it is read from the pod.</param>
public sealed record InjectionRequest(JsonObject Pod, string Namespace, string Path = "/inject", bool NativeSidecars = false, Owner? Owner = null, IReadOnlyDictionary<string, string>? NamespaceAnnotations = null);

public enum InjectionVerdict { Injected, Skipped, Refused }

/// <param name="Pod">The injected pod; shares nothing with the one that was given.</param>
/// <param name="Reason">Why it was skipped or refused.</param>
public sealed record InjectionOutcome(InjectionVerdict Verdict, JsonObject? Pod, string? Reason)
{
    internal static InjectionOutcome Skip(string reason) => new(InjectionVerdict.Skipped, null, reason);
    internal static InjectionOutcome Refuse(string reason) => new(InjectionVerdict.Refused, null, reason);
}

/// <summary>Pod in, pod out. The same code answers the webhook and `meshctl kube-inject`.</summary>
public static class PodInjector
{
    public static InjectionOutcome Inject(InjectionRequest request, InjectorSettings settings)
    {
        if (PodShape.Problem(request.Pod) is { } shape) return InjectionOutcome.Refuse(shape);

        var pod = request.NamespaceAnnotations is null ? request.Pod : ProxyIds.WithoutAssignedUser(request.Pod, settings);

        var podNamespace = PodFacts.FirstNonEmpty(pod.At("metadata", "namespace").Text(), request.Namespace);
        if (InjectionPolicy.SkipReason(pod, podNamespace, settings) is { } skip) return InjectionOutcome.Skip(skip);
        if (AnnotationProblems(pod, settings) is { } annotations) return InjectionOutcome.Refuse(annotations);

        var proxyConfig = ProxyConfig.For(pod, podNamespace, settings);
        var before = Reinjection.BeforeInjection(pod, ProxyConfig.OfMesh(settings).StatusPort);
        var facts = new PodFacts(before, podNamespace, request.Owner ?? Owner.Of(pod), proxyConfig, settings, request.NativeSidecars)
        {
            Ids = ProxyIds.For(settings, request.NamespaceAnnotations),
        };

        var rendering = TemplateStack.Render(pod, facts);
        if (rendering.Problem is { } template) return InjectionOutcome.Refuse("failed to run injection template: " + template);

        var merged = UserContainers.Reapply(rendering.Merged, pod, rendering.Template, facts);
        ClusterEnvironment.Apply(merged, pod, request.Path, settings);
        if (PrometheusMerge.Apply(merged, settings) is { } metrics) return InjectionOutcome.Refuse("failed to process pod: " + metrics);

        ProbeRewrite.Apply(merged, settings);
        InjectionStatus.Write(merged, rendering.Template, settings);
        ContainerOrder.Apply(merged, pod, settings);
        return new(InjectionVerdict.Injected, merged, null);
    }

    private static string? AnnotationProblems(JsonObject pod, InjectorSettings settings)
    {
        var problems = AnnotationRules.Problems(pod.At("metadata", "annotations").Strings(), text => ProxyConfig.AnnotationProblem(text, settings.ReadYaml));
        if (problems.Count == 0) return null;

        var count = problems.Count == 1 ? "1 error" : $"{problems.Count} errors";
        return $"failed to run injection template: {count} occurred:\n{string.Concat(problems.Select(problem => $"\t* {problem}\n"))}\n";
    }
}
