using System.Collections.Immutable;
using Envoy.Config.Route.V3;
using Google.Protobuf;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Everything that can change one virtual host of a sidecar's route table.</summary>
/// <param name="Needs">Services and rules behind the VirtualService's destinations.</param>
internal sealed record HostKey(
    MeshConfig Mesh, MeshService? Service, string Host, int Port, MergedRule? Rule, string ShortFormsFor, bool AnswersDns, bool CountsAttempts, VirtualService? Routes,
    LabelSet CallerLabels, string CallerNamespace, ObjectList Needs);

/// <summary>A virtual host as bytes, with the names it answers to.</summary>
internal sealed class EncodedHost(string name, ByteString body, ImmutableArray<string> domains)
{
    private NamedResource? resource;

    public ByteString Body { get; } = body;
    public ImmutableArray<string> Domains { get; } = domains;

    /// <summary>As a resource of its own (VHDS). A host belongs to one table nearly always, so that all proxies share one.</summary>
    public NamedResource In(string table)
    {
        var full = $"{table}/{name}";
        return Volatile.Read(ref resource) is { } known && known.Name == full ? known : resource = NamedResource.Of(full, TypeUrl.VirtualHost, Body);
    }
}

/// <summary>
/// A route table put together from encoded virtual hosts: of a thousand hosts the one that changed is encoded again, the others are copied.
/// </summary>
internal static class HostBytes
{
    // Field 2 (virtual_hosts), length-delimited: RouteConfiguration is its head fields followed by its hosts, in any order.
    private const byte HostTag = 2 << 3 | 2;

    public static EncodedHost Encode(VirtualHost host) => new(host.Name, host.ToByteString(), [.. host.Domains]);

    public static NamedResource Table(RouteConfiguration head, IReadOnlyList<EncodedHost> hosts)
    {
        var size = head.CalculateSize();
        foreach (var host in hosts) size += 1 + CodedOutputStream.ComputeLengthSize(host.Body.Length) + host.Body.Length;
        var bytes = new byte[size];
        var output = new CodedOutputStream(bytes);
        head.WriteTo(output);
        foreach (var host in hosts)
        {
            output.WriteRawTag(HostTag);
            output.WriteBytes(host.Body);
        }
        output.Flush();
        return NamedResource.Of(head.Name, TypeUrl.Routes, UnsafeByteOperations.UnsafeWrap(bytes));
    }
}
