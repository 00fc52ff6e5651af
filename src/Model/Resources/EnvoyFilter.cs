using System.Collections.Immutable;
using Mesh.Model.Yaml;

namespace Mesh.Model.Resources;

public enum PatchOperation { Invalid, Merge, Add, Remove, InsertBefore, InsertAfter, InsertFirst, Replace }

/// <summary>One patch; match and value stay nodes, for what they may hold depends on where they apply.</summary>
public sealed record EnvoyPatch(string ApplyTo, Fields Match, PatchOperation Operation, Node? Value)
{
    /// <summary>ANY, SIDECAR_INBOUND, SIDECAR_OUTBOUND or GATEWAY.</summary>
    public string Context => Match.Text("context", "ANY");
}

public sealed class EnvoyFilter(ResourceMeta meta, Fields root) : Resource(meta)
{
    public LabelSet? Selector { get; } = root["spec"].Has("workloadSelector") ? root["spec"]["workloadSelector"].Labels("labels") : null;
    public ImmutableArray<TargetRef> Targets { get; } = TargetRef.ReadAll(root["spec"]);
    public int Priority { get; } = root["spec"].Int("priority");
    public ImmutableArray<EnvoyPatch> Patches { get; } = root["spec"].Each("configPatches", p => new EnvoyPatch(
        p.Text("applyTo"), p["match"], p["patch"].Enum("operation", PatchOperation.Invalid), p["patch"]["value"].Node));
}

/// <summary>networking.istio.io ProxyConfig, the resource.</summary>
public sealed class ProxyConfigResource(ResourceMeta meta, Fields root) : Resource(meta)
{
    public LabelSet Selector { get; } = root["spec"]["selector"].Labels("matchLabels");
    public int? Concurrency { get; } = root["spec"].IntOrNull("concurrency");
    public LabelSet Environment { get; } = root["spec"].Labels("environmentVariables");
    public string ImageType { get; } = root["spec"]["image"].Text("imageType");
}
