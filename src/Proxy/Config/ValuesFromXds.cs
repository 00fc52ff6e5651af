using System.Collections.Immutable;
using System.Net;
using System.Text;
using Envoy.Config.Core.V3;
using Envoy.Type.V3;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Mesh.Proxy.Config;

/// <summary>The small values that every resource is made of.</summary>
internal static class ValuesFromXds
{
    private static readonly JsonParser Json = new(JsonParser.Settings.Default.WithIgnoreUnknownFields(false));

    /// <summary>Reads every element; an error names its index.</summary>
    public static ImmutableArray<TOut> Each<TIn, TOut>(string field, IReadOnlyList<TIn> list, Func<TIn, TOut> read)
    {
        if (list.Count == 0) return [];

        var result = ImmutableArray.CreateBuilder<TOut>(list.Count);
        for (var i = 0; i < list.Count; i++)
        {
            try
            {
                result.Add(read(list[i]));
            }
            catch (ConfigRefusedException e)
            {
                throw e.Under($"{field}[{i}]");
            }
        }
        return result.MoveToImmutable();
    }

    /// <summary>Reads a part; an error names it.</summary>
    public static TOut In<TIn, TOut>(string field, TIn part, Func<TIn, TOut> read)
    {
        try
        {
            return read(part);
        }
        catch (ConfigRefusedException e)
        {
            throw e.Under(field);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new ConfigRefusedException(field, $"cannot be decoded: {e.Message}", e);
        }
        catch (ArgumentException e)
        {
            throw new ConfigRefusedException(field, e.Message, e);
        }
    }

    /// <summary>The message inside, also when it was written as a TypedStruct (as EnvoyFilter users do).</summary>
    public static T Unpack<T>(Any any, MessageParser<T> parser) where T : IMessage<T>
    {
        if (StructOf(any) is not { } value) return parser.ParseFrom(any.Value);
        try
        {
            return (T)Json.Parse(JsonFormatter.Default.Format(value), Descriptor(parser));
        }
        catch (InvalidJsonException e)
        {
            throw new ConfigRefusedException("", e.Message, e);
        }
    }

    /// <summary>The full name of the message inside, through a TypedStruct if need be; empty for an empty Any.</summary>
    public static string TypeOf(Any? any)
    {
        if (any is null) return "";
        var name = NameOf(any.TypeUrl);
        return name switch
        {
            "udpa.type.v1.TypedStruct" => NameOf(Udpa.Type.V1.TypedStruct.Parser.ParseFrom(any.Value).TypeUrl),
            "xds.type.v3.TypedStruct" => NameOf(global::Xds.Type.V3.TypedStruct.Parser.ParseFrom(any.Value).TypeUrl),
            _ => name,
        };
    }

    /// <summary>Null: absent, or zero, which the field's authors let mean "no limit".</summary>
    public static TimeSpan? Limit(Duration? duration) => Span(duration) is { Ticks: > 0 } span ? span : null;

    /// <summary>Absent takes the default; zero is no limit.</summary>
    public static TimeSpan? Limit(Duration? duration, TimeSpan? absent) => duration is null ? absent : Limit(duration);

    public static TimeSpan? Span(Duration? duration)
    {
        if (duration is null) return null;
        // Longer than any process lives: as good as for ever, and safe to add to a clock.
        if (duration.Seconds >= 315_576_000_000 / 1000) return TimeSpan.FromDays(3650);
        if (duration.Seconds < 0 || duration.Nanos < 0) throw new ConfigRefusedException("a duration may not be negative");
        return TimeSpan.FromTicks(duration.Seconds * TimeSpan.TicksPerSecond + duration.Nanos / 100);
    }

    public static Fraction Share(FractionalPercent? percent, Fraction absent) => percent is null ? absent : new(percent.Numerator, percent.Denominator switch
    {
        FractionalPercent.Types.DenominatorType.TenThousand => 10_000,
        FractionalPercent.Types.DenominatorType.Million => 1_000_000,
        _ => 100,
    });

    public static Fraction Share(RuntimeFractionalPercent? percent, Fraction absent) => Share(percent?.DefaultValue, absent);

    public static Fraction Share(Percent? percent, Fraction absent) =>
        percent is null ? absent : new((uint)Math.Round(Math.Clamp(percent.Value, 0, 100) * 100), 10_000);

    public static AddressRange Range(CidrRange range)
    {
        if (!IPAddress.TryParse(range.AddressPrefix, out var address)) throw new ConfigRefusedException("address_prefix", $"'{range.AddressPrefix}' is not an IP address");

        var most = address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? 32u : 128u;
        var length = range.PrefixLen ?? 0;
        if (length > most) throw new ConfigRefusedException("prefix_len", $"{length} is more than the {most} bits of {range.AddressPrefix}");
        return new(address, (int)length);
    }

    public static SocketTarget Target(Address? address)
    {
        switch (address?.AddressCase)
        {
            case Address.AddressOneofCase.SocketAddress:
                var socket = address.SocketAddress;
                if (socket.PortValue > 65535) throw new ConfigRefusedException("socket_address.port_value", $"{socket.PortValue} is not a port");
                var port = (int)socket.PortValue;
                return IPAddress.TryParse(socket.Address, out var ip)
                    ? new() { Ip = new(ip, port), Port = port }
                    : new() { Host = socket.Address.ToLowerInvariant(), Port = port };
            case Address.AddressOneofCase.Pipe:
                return new() { UnixPath = address.Pipe.Path };
            case Address.AddressOneofCase.EnvoyInternalAddress:
                return new()
                {
                    InternalListener = address.EnvoyInternalAddress.ServerListenerName,
                    InternalEndpointId = address.EnvoyInternalAddress.EndpointId,
                };
            default:
                throw new ConfigRefusedException("address", "is missing");
        }
    }

    /// <summary>Inline only: a file or an environment variable named by the control plane is refused, as it could read what this process may.</summary>
    public static ReadOnlyMemory<byte> Bytes(DataSource? source) => source?.SpecifierCase switch
    {
        null or DataSource.SpecifierOneofCase.None => default,
        DataSource.SpecifierOneofCase.InlineBytes => source.InlineBytes.Memory,
        DataSource.SpecifierOneofCase.InlineString => Encoding.UTF8.GetBytes(source.InlineString),
        DataSource.SpecifierOneofCase.Filename => ReadCertificateFile(source.Filename),
        var other => throw new ConfigRefusedException($"a data source of kind {other} is not supported"),
    };

    public static string Text(DataSource? source) => Encoding.UTF8.GetString(Bytes(source).Span);

    public static Metadata Metadata(Envoy.Config.Core.V3.Metadata? metadata) =>
        metadata is null || metadata.FilterMetadata.Count == 0
            ? Config.Metadata.Empty
            : new(metadata.FilterMetadata.ToImmutableDictionary(pair => pair.Key, pair => Value(pair.Value), StringComparer.Ordinal));

    /// <summary>The criteria under envoy.lb, by which endpoints are told apart into subsets.</summary>
    public static ImmutableDictionary<string, MetadataValue>? SubsetCriteria(Envoy.Config.Core.V3.Metadata? metadata) =>
        metadata is not null && metadata.FilterMetadata.TryGetValue("envoy.lb", out var fields) ? Value(fields).Fields : null;

    public static MetadataValue Value(Struct fields) =>
        new() { Fields = fields.Fields.ToImmutableDictionary(pair => pair.Key, pair => Value(pair.Value), StringComparer.Ordinal) };

    public static MetadataValue Value(Value value) => value.KindCase switch
    {
        Google.Protobuf.WellKnownTypes.Value.KindOneofCase.StringValue => new() { Text = value.StringValue },
        Google.Protobuf.WellKnownTypes.Value.KindOneofCase.NumberValue => new() { Number = value.NumberValue },
        Google.Protobuf.WellKnownTypes.Value.KindOneofCase.BoolValue => new() { Flag = value.BoolValue },
        Google.Protobuf.WellKnownTypes.Value.KindOneofCase.StructValue => Value(value.StructValue),
        Google.Protobuf.WellKnownTypes.Value.KindOneofCase.ListValue => new() { Items = [.. value.ListValue.Values.Select(Value)] },
        _ => MetadataValue.Null,
    };

    public static ExternalService Service(GrpcService? service)
    {
        if (service?.EnvoyGrpc is not { } grpc || grpc.ClusterName.Length == 0) throw new ConfigRefusedException("envoy_grpc.cluster_name", "is missing");
        return new(grpc.ClusterName, Span(service.Timeout) ?? TimeSpan.Zero)
        {
            Authority = grpc.Authority,
            InitialMetadata = [.. service.InitialMetadata.Select(h => new HeaderEdit(h.Key.ToLowerInvariant(), new(h.Value), HeaderEditKind.AppendIfExistsOrAdd))],
        };
    }

    public static TokenBucket? Bucket(Envoy.Type.V3.TokenBucket? bucket)
    {
        if (bucket is null) return null;
        if (bucket.MaxTokens == 0) throw new ConfigRefusedException("max_tokens", "must be at least 1");
        if (Span(bucket.FillInterval) is not { Ticks: > 0 } interval) throw new ConfigRefusedException("fill_interval", "is missing");
        return new(bucket.MaxTokens, bucket.TokensPerFill ?? 1, interval);
    }

    public static TcpKeepAlive? KeepAlive(TcpKeepalive? keepAlive) => keepAlive is null ? null : new(
        keepAlive.KeepaliveProbes,
        keepAlive.KeepaliveTime is { } idle ? TimeSpan.FromSeconds(idle) : null,
        keepAlive.KeepaliveInterval is { } interval ? TimeSpan.FromSeconds(interval) : null);

    public static Http2Settings Http2(Http2ProtocolOptions? options) => options is null ? new() : new()
    {
        ConcurrentStreamsMax = options.MaxConcurrentStreams,
        StreamWindowBytes = options.InitialStreamWindowSize,
        ConnectionWindowBytes = options.InitialConnectionWindowSize,
        HpackTableBytes = options.HpackTableSize,
        AllowConnect = options.AllowConnect,
        KeepAliveInterval = Limit(options.ConnectionKeepalive?.Interval),
        KeepAliveTimeout = Span(options.ConnectionKeepalive?.Timeout) ?? TimeSpan.FromSeconds(20),
    };

    private static Struct? StructOf(Any any) => NameOf(any.TypeUrl) switch
    {
        "udpa.type.v1.TypedStruct" => Udpa.Type.V1.TypedStruct.Parser.ParseFrom(any.Value).Value,
        "xds.type.v3.TypedStruct" => global::Xds.Type.V3.TypedStruct.Parser.ParseFrom(any.Value).Value,
        _ => null,
    };

    private static Google.Protobuf.Reflection.MessageDescriptor Descriptor<T>(MessageParser<T> parser) where T : IMessage<T> =>
        parser.ParseFrom(ByteString.Empty).Descriptor;

    private static string NameOf(string typeUrl) => typeUrl[(typeUrl.LastIndexOf('/') + 1)..];

    // The only files a control plane may name: certificates mounted for the mesh, and the system's own bundle.
    private static ReadOnlyMemory<byte> ReadCertificateFile(string path)
    {
        var full = Path.GetFullPath(path);
        if (!AllowedFolders.Any(folder => full.StartsWith(folder, StringComparison.Ordinal)))
            throw new ConfigRefusedException("filename", $"'{path}' is outside the folders for certificates ({string.Join(", ", AllowedFolders)})");
        try
        {
            return File.ReadAllBytes(full);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigRefusedException("filename", $"'{path}' cannot be read: {e.Message}", e);
        }
    }

    private static readonly string[] AllowedFolders = ["/etc/certs/", "/etc/istio/", "/etc/ssl/", "/etc/pki/", "/var/run/secrets/"];
}
