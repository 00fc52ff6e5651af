using System.Buffers.Binary;
using System.Security.Cryptography;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Mesh.Xds;

/// <summary>
/// One resource, encoded once: the same bytes go to every proxy that may see it. Its version is a hash of its content,
/// so that two servers, or one before and after a restart, agree on what a proxy already has.
/// </summary>
public sealed class NamedResource
{
    private const byte LengthDelimited = 2;

    // `resources` is field 2 of the responses of both variants of the protocol. The others are fields of Resource and of Any.
    private const byte ResourcesTag = 2 << 3 | LengthDelimited, VersionTag = 1 << 3 | LengthDelimited, NameTag = 3 << 3 | LengthDelimited,
        AnyTag = 2 << 3 | LengthDelimited, UrlTag = 1 << 3 | LengthDelimited, ValueTag = 2 << 3 | LengthDelimited;

    private readonly byte[] head;
    private readonly int anyOffset;

    private NamedResource(string name, string typeUrl, string version, ByteString body, byte[] head, int anyOffset)
    {
        Name = name;
        TypeUrl = typeUrl;
        Version = version;
        Body = body;
        this.head = head;
        this.anyOffset = anyOffset;
    }

    public string Name { get; }
    public string TypeUrl { get; }

    /// <summary>Sixteen hexadecimal digits.</summary>
    public string Version { get; }

    /// <summary>The message itself, as bytes.</summary>
    public ByteString Body { get; }

    /// <summary>What stands before <see cref="Body"/> in a delta response: tag, length, version, name, and the head of the Any that holds it.</summary>
    public ReadOnlyMemory<byte> DeltaHead => head;

    /// <summary>What stands before <see cref="Body"/> in the Any that a state-of-the-world response repeats.</summary>
    public ReadOnlyMemory<byte> AnyHead => head.AsMemory(anyOffset);

    internal int DeltaLength => head.Length + Body.Length;
    internal int AnyLength => head.Length - anyOffset + Body.Length;

    public static NamedResource Of(string name, IMessage message) =>
        Of(name, Mesh.Xds.TypeUrl.Prefix + message.Descriptor.FullName, message.ToByteString());

    public static NamedResource Of(string name, string typeUrl, ByteString body)
    {
        var version = VersionOf(body.Span);
        var anySize = 1 + CodedOutputStream.ComputeStringSize(typeUrl) + 1 + CodedOutputStream.ComputeBytesSize(body);
        var size = 1 + CodedOutputStream.ComputeStringSize(version) + 1 + CodedOutputStream.ComputeStringSize(name)
            + 1 + CodedOutputStream.ComputeLengthSize(anySize) + anySize;

        var head = new byte[1 + CodedOutputStream.ComputeLengthSize(size) + size - body.Length];
        var output = new CodedOutputStream(head);
        output.WriteRawTag(ResourcesTag);
        output.WriteLength(size);
        output.WriteRawTag(VersionTag);
        output.WriteString(version);
        output.WriteRawTag(NameTag);
        output.WriteString(name);
        output.WriteRawTag(AnyTag);
        output.WriteLength(anySize);
        var anyOffset = (int)output.Position;
        output.WriteRawTag(UrlTag);
        output.WriteString(typeUrl);
        output.WriteRawTag(ValueTag);
        output.WriteLength(body.Length);
        output.CheckNoSpaceLeft();
        return new(name, typeUrl, version, body, head, anyOffset);
    }

    /// <summary>The message again, for debug pages and tests.</summary>
    public Any ToAny() => new() { TypeUrl = TypeUrl, Value = Body };

    private static string VersionOf(ReadOnlySpan<byte> content)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(content, digest);
        return BinaryPrimitives.ReadUInt64BigEndian(digest).ToString("x16");
    }

    public override string ToString() => $"{Mesh.Xds.TypeUrl.ShortName(TypeUrl)} {Name} {Version}";
}
