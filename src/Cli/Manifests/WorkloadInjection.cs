using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mesh.Injector;
using Mesh.Model.Yaml;

namespace Mesh.Cli.Manifests;

/// <summary>YAML of workloads in, the same with the proxy in it out. What cannot be injected goes through letter by letter.</summary>
internal static partial class WorkloadInjection
{
    private static readonly HashSet<string> Templated =
        ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "ReplicationController", "DeploymentConfig", "Rollout"];

    /// <param name="warn">Hears of each workload that is passed over, and why.</param>
    /// <param name="kubelets">Versions of the nodes' kubelets, as far as somebody asked them; null: nobody did.</param>
    /// <param name="error">Why there is no output.</param>
    public static string? Inject(string text, InjectorSettings settings, IReadOnlyCollection<string>? kubelets, Action<string> warn, out string error)
    {
        error = "";
        var native = NativeSidecars.Supported(settings.NativeSidecars, kubelets);
        var output = new StringBuilder();
        var documents = Separator().Split(text);
        foreach (var document in documents[^1].Length == 0 && documents.Length > 1 ? documents[..^1] : documents)
        {
            var nodes = YamlReader.Read(document, "", out var broken);
            if (broken is not null)
            {
                error = $"error converting YAML to JSON: yaml: line {broken.Origin.Line}: {broken.Message}";
                return null;
            }
            if (nodes.Count == 0 || YamlJson.Of(nodes[0]) is not JsonObject resource || !IsWorkload(resource))
            {
                output.Append(document.TrimStart('\n'));
                if (!document.EndsWith('\n')) output.Append('\n');
            }
            else
            {
                if (!One(resource, settings, native, warn, out error)) return null;
                output.Append(YamlText.Write(resource));
            }
            output.Append("---\n");
        }
        return output.ToString();
    }

    private static bool IsWorkload(JsonObject resource) => resource["kind"].Text() is "Pod" or "CronJob" or "List" || Templated.Contains(resource["kind"].Text() ?? "");

    private static bool One(JsonObject resource, InjectorSettings settings, bool native, Action<string> warn, out string error)
    {
        error = "";
        var kind = resource["kind"].Text();
        if (kind == "List")
        {
            foreach (var item in resource["items"].Objects().Where(IsWorkload))
                if (!One(item, settings, native, warn, out error)) return false;
            return true;
        }

        var holder = kind switch
        {
            "Pod" => resource,
            "CronJob" => resource.At("spec", "jobTemplate", "spec", "template") as JsonObject,
            _ => resource.At("spec", "template") as JsonObject,
        };
        if (holder is null)
        {
            error = $"{kind} {resource.At("metadata", "name").Text()}: spec.template is required value";
            return false;
        }

        var name = resource.At("metadata", "name").Text() ?? "";
        var space = resource.At("metadata", "namespace").Text() ?? "";
        var shown = $"{kind} \"{(space.Length > 0 ? $"{space}/{name}" : name)}\"";
        if (holder.At("spec", "hostNetwork").IsTrue())
        {
            warn($"===> Skipping injection because {shown} has host networking enabled");
            return true;
        }

        // As Istio does: what is said of a CronJob's pods is read from its jobs, and written there. The pods' own metadata stay the user's.
        var described = kind == "CronJob" ? (JsonObject)resource.At("spec", "jobTemplate")! : holder;
        var pod = new JsonObject { ["metadata"] = described["metadata"]?.DeepClone() ?? new JsonObject(), ["spec"] = holder["spec"]?.DeepClone() };
        var owner = kind == "Pod" ? null : new Owner(resource["apiVersion"].Text() ?? "", kind!, name);
        var outcome = PodInjector.Inject(new(pod, space, NativeSidecars: native, Owner: owner), settings with { Policy = "enabled" });
        switch (outcome.Verdict)
        {
            case InjectionVerdict.Injected:
                described["metadata"] = outcome.Pod!["metadata"]?.DeepClone();
                holder["spec"] = outcome.Pod["spec"]?.DeepClone();
                return true;
            case InjectionVerdict.Skipped:
                warn($"===> Skipping injection because {shown} has sidecar injection disabled");
                return true;
            default:
                error = outcome.Reason!;
                return false;
        }
    }

    [GeneratedRegex(@"^---[^\S\n]*(?:#.*)?\n", RegexOptions.Multiline)]
    private static partial Regex Separator();
}
