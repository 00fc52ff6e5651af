using System.Collections.Immutable;

namespace Mesh.Model.Resources;

public enum EntryResolution { None, Static, Dns, DnsRoundRobin, DynamicDns }

public sealed class ServiceEntry(ResourceMeta meta, Fields root) : Resource(meta)
{
    public ImmutableArray<string> Hosts { get; } = [.. root["spec"].Texts("hosts").Select(host => host.ToLowerInvariant())];
    public ImmutableArray<string> Addresses { get; } = root["spec"].Texts("addresses");
    public ImmutableArray<PortSpec> Ports { get; } = root["spec"].Each("ports", PortSpec.Read);
    public bool IsInternal { get; } = root["spec"].Text("location") == "MESH_INTERNAL";
    public EntryResolution Resolution { get; } = root["spec"].Enum("resolution", EntryResolution.None);
    public ImmutableArray<WorkloadSpec> Endpoints { get; } = root["spec"].Each("endpoints", WorkloadSpec.Read);
    public LabelSet? Selector { get; } = root["spec"].Has("workloadSelector") ? root["spec"]["workloadSelector"].Labels("labels") : null;
    public ImmutableArray<string> ExportTo { get; } = root["spec"].Texts("exportTo");
    public ImmutableArray<string> SubjectAltNames { get; } = root["spec"].Texts("subjectAltNames");
    public ImmutableArray<KeyValuePair<string, string>> AllocatedAddresses { get; } =
        root["status"].Each("addresses", a => new KeyValuePair<string, string>(a.Text("host"), a.Text("value")));
}

/// <summary>One endpoint that Kubernetes does not know: an entry of a ServiceEntry, a WorkloadEntry, or a WorkloadGroup's template.</summary>
public sealed record WorkloadSpec(string Address)
{
    public ImmutableArray<KeyValuePair<string, int>> Ports { get; init; } = [];
    public LabelSet Labels { get; init; } = LabelSet.Empty;
    public string Network { get; init; } = "";
    public string Locality { get; init; } = "";
    public uint Weight { get; init; }
    public string ServiceAccount { get; init; } = "";

    /// <summary>The port for a service port: the one of that name, else null (the service's target port).</summary>
    public int? PortFor(string name)
    {
        foreach (var (key, port) in Ports)
            if (key == name) return port;
        return null;
    }

    public static WorkloadSpec Read(Fields f) => new(f.Text("address"))
    {
        Ports = [.. f["ports"].Entries().Select(entry => new KeyValuePair<string, int>(entry.Key, f["ports"].Int(entry.Key)))],
        Labels = f.Labels("labels"),
        Network = f.Text("network"),
        Locality = f.Text("locality"),
        Weight = f.UIntOrNull("weight") ?? 0,
        ServiceAccount = f.Text("serviceAccount"),
    };
}

public sealed class WorkloadEntry(ResourceMeta meta, Fields root) : Resource(meta)
{
    public WorkloadSpec Spec { get; } = WorkloadSpec.Read(root["spec"]);

    /// <summary>False when a health check of an auto-registered entry says so.</summary>
    public bool IsHealthy { get; } =
        !root["status"].Each("conditions", c => c.Text("type") == "Healthy" && c.Text("status") == "False").Contains(true);
}

public sealed class WorkloadGroup(ResourceMeta meta, Fields root) : Resource(meta)
{
    public LabelSet TemplateLabels { get; } = root["spec"]["metadata"].Labels("labels");
    public WorkloadSpec Template { get; } = WorkloadSpec.Read(root["spec"]["template"]);
}
