using System.Text.Json.Nodes;
using Mesh.ControlPlane.Serve;
using Mesh.Kube;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.ControlPlane.Kube;

/// <summary>
/// Tells the authors of resources that may be in force in part only (EnvoyFilter, Telemetry) whether all of theirs is: the condition Accepted, False with reason NotSupported
/// and what is left out. Whatever else stands in the status stays.
/// </summary>
internal sealed class PartStatuses(KubeApi api, WorldFeed feed, TimeProvider time, ILogger<PartStatuses> log)
{
    private const string Type = "Accepted";
    private const int MessageCharsMax = 4096;
    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(5);

    private readonly StatusWriter writer = new(api, log);

    public Task RunAsync(CancellationToken cancel) => AfterEachWorld.RunAsync(feed, time, LookAgain, WriteAsync, cancel);

    internal async Task WriteAsync(World world, CancellationToken cancel)
    {
        var present = new HashSet<ResourceKey>();
        foreach (var (resource, findings) in LeftOut.Of(world))
        {
            present.Add(resource.Meta.Key);
            var text = string.Join("; ", findings.Select(finding => $"{finding.Field}: {finding.Message}"));
            if (text.Length > MessageCharsMax) text = text[..MessageCharsMax];
            var condition = findings.Count == 0 ? new ApiCondition(Type, true, Type, "all of it is in force") : new ApiCondition(Type, false, "NotSupported", text);
            await writer.WriteAsync(resource.Meta, before => With(condition, before, resource.Meta.Generation), cancel);
        }
        writer.Forget(key => !present.Contains(key));
    }

    private JsonObject With(ApiCondition condition, JsonNode? before, long generation)
    {
        var status = before as JsonObject is { } there ? (JsonObject)there.DeepClone() : [];
        var others = (status["conditions"] as JsonArray)?.Where(one => one?["type"]?.GetValue<string>() != Type).Select(one => one?.DeepClone()) ?? [];
        status["conditions"] = new JsonArray([.. others, .. new StatusDocuments(time.GetUtcNow()).Conditions([condition], before?["conditions"], generation).Select(one => one?.DeepClone())]);
        return status;
    }
}
