using System.Buffers.Binary;
using System.Security.Cryptography;
using Envoy.Service.Discovery.V3;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Mesh.Xds;

/// <summary>
/// One resource, encoded once: the same bytes go to every proxy that may see it. Its version is a hash of its content,
/// so that two servers, or one before and after a restart, agree on what a proxy already has.
/// </summary>
public sealed class NamedResource
{
    // In a response, `resources` is field 2 of both variants of the protocol; length-delimited.
    private const byte ResourcesTag = 2 << 3 | 2;

    private readonly byte[] bytes;
    private readonly int anyOffset;

    private NamedResource(string name, string typeUrl, string version, byte[] bytes, int anyOffset, int anyLength)
    {
        Name = name;
        TypeUrl = typeUrl;
        Version = version;
        this.bytes = bytes;
        this.anyOffset = anyOffset;
        AnyLength = anyLength;
    }

    public string Name { get; }
    public string TypeUrl { get; }

    /// <summary>Sixteen hexadecimal digits.</summary>
    public string Version { get; }

    /// <summary>The resource as it stands in a delta response: field tag, length, name, version, content.</summary>
    public ReadOnlyMemory<byte> DeltaField => bytes;

    /// <summary>The content alone, as an Any: what a state-of-the-world response repeats, without tag and length.</summary>
    public ReadOnlyMemory<byte> Any => bytes.AsMemory(anyOffset, AnyLength);

    internal int AnyLength { get; }

    public static NamedResource Of(string name, IMessage message) =>
        Of(name, Mesh.Xds.TypeUrl.Prefix + message.Descriptor.FullName, message.ToByteString());

    public static NamedResource Of(string name, string typeUrl, ByteString content)
    {
        var version = VersionOf(content.Span);
        var any = new Any { TypeUrl = typeUrl, Value = content };
        var resource = new Resource { Name = name, Version = version, Resource_ = any };

        var size = resource.CalculateSize();
        var header = 1 + CodedOutputStream.ComputeLengthSize(size);
        var bytes = new byte[header + size];
        var output = new CodedOutputStream(bytes);
        output.WriteRawTag(ResourcesTag);
        output.WriteLength(size);
        resource.WriteTo(output);
        output.CheckNoSpaceLeft();

        // On the wire the version (field 1) comes first, then the Any (field 2), then the name (field 3).
        var anyLength = any.CalculateSize();
        var versionSize = 1 + CodedOutputStream.ComputeStringSize(version);
        return new(name, typeUrl, version, bytes, header + versionSize + 1 + CodedOutputStream.ComputeLengthSize(anyLength), anyLength);
    }

    /// <summary>The message again, for debug pages and tests.</summary>
    public Any ToAny() => Google.Protobuf.WellKnownTypes.Any.Parser.ParseFrom(Any.Span);

    private static string VersionOf(ReadOnlySpan<byte> content)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(content, digest);
        return BinaryPrimitives.ReadUInt64BigEndian(digest).ToString("x16");
    }

    public override string ToString() => $"{Mesh.Xds.TypeUrl.ShortName(TypeUrl)} {Name} {Version}";
}
