using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Mesh.Injector;

/// <summary>The workload that a pod belongs to, as far as the pod itself tells.</summary>
public sealed partial record Owner(string ApiVersion, string Kind, string Name)
{
    /// <summary>From its controlling owner: a ReplicaSet named after the template's hash means a Deployment, a Job with a timestamp a CronJob.</summary>
    public static Owner Of(JsonObject pod)
    {
        var metadata = pod.At("metadata");
        var self = new Owner("v1", "Pod", metadata.At("name").Text() ?? "");
        if (metadata.At("generateName").Text() is not { Length: > 0 }) return self;

        var controller = metadata.At("ownerReferences").Objects().FirstOrDefault(owner => owner["controller"].IsTrue());
        if (controller is null) return self;

        var labels = metadata.At("labels").Strings();
        var owner = new Owner(controller["apiVersion"].Text() ?? "", controller["kind"].Text() ?? "", controller["name"].Text() ?? "");
        return owner.Kind switch
        {
            "ReplicaSet" when NameWithout(owner.Name, labels.GetValueOrDefault("pod-template-hash")) is { } name =>
                owner with { Kind = "Deployment", Name = name },
            "ReplicaSet" when NameWithout(owner.Name, labels.GetValueOrDefault("rollouts-pod-template-hash")) is { } name =>
                new("v1alpha1", "Rollout", name),
            "ReplicationController" when labels.GetValueOrDefault("deploymentconfig") is { Length: > 0 } name =>
                owner with { Kind = "DeploymentConfig", Name = name },
            "Job" when CronJobName().Match(owner.Name) is { Success: true } match =>
                new("batch/v1", "CronJob", match.Groups[1].Value),
            _ => owner,
        };
    }

    /// <summary>For example <c>kubernetes://apis/apps/v1/namespaces/shop/deployments/cart</c>.</summary>
    public string Url(string ownerNamespace) =>
        $"kubernetes://apis/{ApiVersion}/namespaces/{(ownerNamespace.Length == 0 ? "default" : ownerNamespace)}/{Kind.ToLowerInvariant()}s/{Name}";

    private static string? NameWithout(string name, string? hash)
    {
        if (string.IsNullOrEmpty(hash) || !name.EndsWith(hash, StringComparison.Ordinal)) return null;
        return name.EndsWith("-" + hash, StringComparison.Ordinal) ? name[..^(hash.Length + 1)] : name;
    }

    [GeneratedRegex(@"^(.+)-\d{8,10}$", RegexOptions.CultureInvariant)]
    private static partial Regex CronJobName();
}
