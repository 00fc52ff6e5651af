using System.Collections.Immutable;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Security;

/// <summary>Protocol buffers' Struct (JSON in fields), as services asked beside a request send it.</summary>
internal static class StructReader
{
    private const int DepthMax = 32;

    /// <returns>Null when the bytes are no Struct, or one too deep.</returns>
    public static MetadataValue? Read(ReadOnlySpan<byte> bytes, int depth = 0)
    {
        if (depth > DepthMax) return null;

        var fields = ImmutableDictionary.CreateBuilder<string, MetadataValue>(StringComparer.Ordinal);
        var reader = new FieldReader(bytes);
        while (reader.Next())
        {
            if (reader.Field != 1) continue;
            var (key, value) = ("", MetadataValue.Null);
            var entry = new FieldReader(reader.Content);
            while (entry.Next())
            {
                if (entry.Field == 1) key = entry.Text;
                else if (entry.Field == 2)
                {
                    if (Value(entry.Content, depth) is not { } read) return null;
                    value = read;
                }
            }
            if (entry.IsBroken) return null;
            fields[key] = value;
        }
        return reader.IsBroken ? null : new() { Fields = fields.ToImmutable() };
    }

    private static MetadataValue? Value(ReadOnlySpan<byte> bytes, int depth)
    {
        MetadataValue? value = MetadataValue.Null;
        var reader = new FieldReader(bytes);
        while (reader.Next())
        {
            value = reader.Field switch
            {
                2 => new() { Number = BitConverter.UInt64BitsToDouble(reader.Value) },
                3 => new() { Text = reader.Text },
                4 => new() { Flag = reader.Value != 0 },
                5 => Read(reader.Content, depth + 1),
                6 => List(reader.Content, depth + 1),
                _ => MetadataValue.Null,
            };
            if (value is null) return null;
        }
        return reader.IsBroken ? null : value;
    }

    private static MetadataValue? List(ReadOnlySpan<byte> bytes, int depth)
    {
        if (depth > DepthMax) return null;

        var items = ImmutableArray.CreateBuilder<MetadataValue>();
        var reader = new FieldReader(bytes);
        while (reader.Next())
        {
            if (reader.Field != 1) continue;
            if (Value(reader.Content, depth) is not { } item) return null;
            items.Add(item);
        }
        return reader.IsBroken ? null : new() { Items = items.ToImmutable() };
    }
}
