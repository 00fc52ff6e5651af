using System.Text.Json.Nodes;
using Mesh.Cli.Control;
using Mesh.Cli.Frame;
using Mesh.Cli.Manifests;
using Mesh.Cli.Output;
using Mesh.Injector;
using Mesh.Kube;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl x check-inject</c>: which webhook will inject a pod, and by which label, or why none will.</summary>
internal static class CheckInject
{
    public static Command Command { get; } = new("check-inject", "Check the injection status or inject-ability of a given resource, explains why it is (or will be) injected or not")
    {
        Arguments = "[<type>/]<name>[.<namespace>]",
        Example = "meshctl x check-inject details-v1-fcff6c49c-kqnfk.test\nmeshctl x check-inject deploy/details-v1 -n test\nmeshctl x check-inject -n test -l app=helloworld,version=v1",
        Flags = [Flag.Text("labels", "labels of a pod that is not there yet, with commas between them; its namespace by -n", 'l')],
        Run = RunAsync,
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        var labels = invocation.Text("labels");
        if (invocation.Arguments.Count > 1 || invocation.Arguments.Count == 0 && labels.Length == 0)
        {
            Help.Write(invocation.Command, invocation.Path, invocation.Error);
            return Outcome.Failed("check-inject requires only [<resource-type>/]<resource-name>[.<namespace>], or specify labels flag");
        }
        if (ClusterAccess.Open(invocation, out var problem) is not { } cluster) return problem;

        using var api = cluster;
        var (type, name, space) = PodName.Parse(invocation.First, invocation.NamespaceOr("default"));
        var podLabels = Pairs(labels);
        if (name.Length > 0)
        {
            var (pod, trouble) = await PodLookup.FindAsync(api, type, name, space, cancel);
            if (pod is null) return Outcome.Failed(trouble!);
            podLabels = pod.At("metadata", "labels").Strings();
        }
        var home = await api.GetAsync(KubeKinds.Namespace, null, space, cancel);
        if (!home.IsFine) return Outcome.Failed(home.Message);
        var webhooks = await api.ListAsync(KubeKinds.MutatingWebhook, null, "", cancel);
        if (!webhooks.IsFine) return Outcome.Failed($"the webhooks cannot be listed: {webhooks}");

        Print(invocation, InjectionReasons.Of(webhooks.Body.At("items").Objects(), podLabels, home.Body.At("metadata", "labels").Strings()));
        return Outcome.Fine;
    }

    private static void Print(Invocation invocation, IReadOnlyList<InjectionReason> reasons)
    {
        if (reasons.Count == 0)
        {
            invocation.Out.WriteLine("ERROR: no Istio injection hooks present.");
            return;
        }
        var table = new Table(gap: 2).Add("WEBHOOK", "REVISION", "INJECTED", "REASON");
        foreach (var one in reasons) table.Add(one.Webhook, one.Revision, one.Injects ? "✔" : "✘", one.Reason);
        table.Write(invocation.Out);
        if (reasons.Count(one => one.Injects) > 1) invocation.Out.WriteLine("ERROR: multiple webhooks will inject, which can lead to errors");
    }

    private static IReadOnlyDictionary<string, string> Pairs(string text) => text.Split(',', StringSplitOptions.RemoveEmptyEntries)
        .Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0].Trim(), pair => pair.Length > 1 ? pair[1].Trim() : "", StringComparer.Ordinal);
}
