using System.Collections.Immutable;
using Envoy.Config.Route.V3;
using Google.Protobuf;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Everything that can change the virtual host of a service that no VirtualService speaks for.</summary>
internal sealed record HostKey(
    MeshConfig Mesh, MeshService Service, int Port, MergedRule? Rule, string ShortFormsFor, bool AnswersDns, bool CountsAttempts);

/// <summary>A virtual host as bytes, with the names it answers to.</summary>
internal sealed record EncodedHost(ByteString Body, ImmutableArray<string> Domains);

/// <summary>
/// A route table put together from encoded virtual hosts: of a thousand hosts the one that changed is encoded again, the others are copied.
/// </summary>
internal static class HostBytes
{
    // Field 2 (virtual_hosts), length-delimited: RouteConfiguration is its head fields followed by its hosts, in any order.
    private const byte HostTag = 2 << 3 | 2;

    public static EncodedHost Encode(VirtualHost host) => new(host.ToByteString(), [.. host.Domains]);

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
        return NamedResource.Of(TypeUrls.Route, head.Name, UnsafeByteOperations.UnsafeWrap(bytes));
    }
}
