using System.Security.Cryptography;
using Google.Protobuf;

namespace Mesh.Model.Translate;

/// <summary>
/// One xDS resource as bytes. Encoded once and shared by every proxy that is sent it; the version is a hash of the bytes, so equal content has equal versions.
/// </summary>
public sealed class NamedResource
{
    private NamedResource(string typeUrl, string name, ByteString body)
    {
        TypeUrl = typeUrl;
        Name = name;
        Body = body;
        Version = Convert.ToHexStringLower(SHA256.HashData(body.Span).AsSpan(0, 10));
    }

    public string TypeUrl { get; }
    public string Name { get; }

    /// <summary>The encoded message, to be put into an Any under <see cref="TypeUrl"/> as it is.</summary>
    public ByteString Body { get; }
    public string Version { get; }

    internal static NamedResource Of(string name, IMessage message) =>
        new($"type.googleapis.com/{message.Descriptor.FullName}", name, message.ToByteString());

    internal static NamedResource Of(string typeUrl, string name, ByteString body) => new(typeUrl, name, body);

    public override string ToString() => $"{Name}@{Version}";
}
