using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Envoy.Config.Core.V3;
using Envoy.Type.Matcher.V3;

namespace Mesh.Model.Translate;

/// <summary>Short ways to write protobuf values that occur everywhere.</summary>
internal static class Protos
{
    public static Any Pack(IMessage message) => Any.Pack(message);

    public static Duration Span(TimeSpan span)
    {
        var seconds = Math.DivRem(span.Ticks, TimeSpan.TicksPerSecond, out var rest);
        return new() { Seconds = seconds, Nanos = (int)(rest * 100) };
    }

    public static Address Address(string address, int port) => address.StartsWith("unix://", StringComparison.Ordinal)
        ? new() { Pipe = new() { Path = address["unix://".Length..] } }
        : new() { SocketAddress = new() { Address = address, PortValue = (uint)port } };

    public static ConfigSource Ads { get; } = new() { Ads = new(), InitialFetchTimeout = new(), ResourceApiVersion = ApiVersion.V3 };

    public static Struct Struct(params ReadOnlySpan<(string Key, Value Value)> fields)
    {
        var made = new Struct();
        foreach (var (key, value) in fields) made.Fields[key] = value;
        return made;
    }

    public static TypedExtensionConfig Extension(string name, IMessage config) => new() { Name = name, TypedConfig = Pack(config) };

    public static StringMatcher Exact(string value) => new() { Exact = value };

    public static RegexMatcher Regex(string regex) => new() { Regex = regex };

    public static TransportSocket Socket(string name, IMessage config) => new() { Name = name, TypedConfig = Pack(config) };

    public static CidrRange Cidr(string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash >= 0) return new() { AddressPrefix = text[..slash], PrefixLen = uint.TryParse(text[(slash + 1)..], out var length) ? length : 32 };
        return new() { AddressPrefix = text, PrefixLen = text.Contains(':', StringComparison.Ordinal) ? 128u : 32u };
    }
}
