using System.Text.Json.Nodes;
using Mesh.Cli.Frame;
using Mesh.Kube;
using Mesh.Model.Analysis;
using Mesh.Model.Resources;
using Mesh.Model.Schema;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;
using ResourceReader = Mesh.Model.Analysis.ResourceReader;

namespace Mesh.Cli.Commands;

/// <summary>The running cluster's resources, read once, for commands that look at it as a whole.</summary>
internal static class LiveResources
{
    private const int PageSize = 500;
    private const int PagesMax = 1000;
    private const string WithoutBulkySecrets = "fieldSelector=type%21%3Dhelm.sh%2Frelease.v1%2Ctype%21%3Dkubernetes.io%2Fservice-account-token";

    private static readonly KubeKind[] Runtime =
    [
        KubeKinds.Namespace, KubeKinds.Node, KubeKinds.Pod, KubeKinds.Service, KubeKinds.Secret, KubeKinds.Deployment,
        KubeKinds.MutatingWebhook, KubeKinds.ValidatingWebhook, KubeKinds.CustomResourceDefinition,
    ];

    /// <returns>The mesh config of the cluster (null: none found), or why the cluster cannot be read.</returns>
    public static async Task<(Message? MeshConfig, string? Problem)> AddToAsync(ResourceSet resources, Invocation invocation, CancellationToken cancel)
    {
        const string Advice = "; use --use-kube=false to analyze files only";
        try
        {
            using var kube = KubeApi.Connect(invocation.Text("kubeconfig"), invocation.Text("context"));
            return await AddToAsync(resources, kube, invocation.Text("istioNamespace"), cancel) is var (config, problem) && problem is not null ? (null, problem + Advice) : (config, null);
        }
        catch (KubeConfigException e)
        {
            return (null, $"no cluster to analyze: {e.Message}{Advice}");
        }
    }

    public static async Task<(Message? MeshConfig, string? Problem)> AddToAsync(ResourceSet resources, KubeApi kube, string controlPlaneNamespace, CancellationToken cancel)
    {
        var reader = new ResourceReader(resources, "");
        foreach (var kind in Runtime)
            if (await ListAsync(kube, kind, null, kind == KubeKinds.Secret ? WithoutBulkySecrets : "", reader, isOptional: false, cancel) is { } problem) return (null, problem);
        if (await ListAsync(kube, KubeKinds.ConfigMap, controlPlaneNamespace, "", reader, isOptional: false, cancel) is { } unread) return (null, unread);
        foreach (var kind in Catalogue.Kinds)
        {
            var served = new KubeKind(kind.Group, kind.StorageVersion, kind.Plural, kind.Kind, !kind.IsClusterWide);
            if (await ListAsync(kube, served, null, "", reader, isOptional: true, cancel) is { } problem) return (null, problem);
        }

        if (resources.Find("", "ConfigMap", $"{controlPlaneNamespace}/istio") is not { } map) return (null, null);
        if (map.Node.TextAt("data", "meshNetworks") is { } networks) Analyst.AddMeshNetworks(resources, networks, controlPlaneNamespace);
        return map.Node.TextAt("data", "mesh") is { } mesh ? (Analyst.ReadMeshConfig(mesh, "", out _), null) : (null, null);
    }

    /// <param name="isOptional">A kind this cluster does not know has no objects.</param>
    private static async Task<string?> ListAsync(KubeApi kube, KubeKind kind, string? space, string query, ResourceReader reader, bool isOptional, CancellationToken cancel)
    {
        var next = "";
        for (var page = 0; page < PagesMax; page++)
        {
            var answer = await kube.ListAsync(kind, space, $"limit={PageSize}{(query.Length > 0 ? $"&{query}" : "")}{(next.Length > 0 ? $"&continue={Uri.EscapeDataString(next)}" : "")}", cancel);
            if (isOptional && answer.IsAbsent) return null;
            if (!answer.IsFine) return $"{kind}: {answer}";

            foreach (var item in (answer.Body?["items"] as JsonArray ?? []).OfType<JsonObject>())
            {
                item["apiVersion"] = kind.ApiVersion; // a list leaves both out of its items
                item["kind"] = kind.Kind;
                reader.Add(JsonNodes.Read(System.Text.Encoding.UTF8.GetBytes(item.ToJsonString())));
            }
            next = (answer.Body?["metadata"] as JsonObject)?["continue"]?.GetValue<string>() ?? "";
            if (next.Length == 0) return null;
        }
        return $"{kind}: more than {PagesMax * PageSize} objects";
    }
}
