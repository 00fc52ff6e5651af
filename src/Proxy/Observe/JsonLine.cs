using System.Globalization;
using System.Text;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Observe;

/// <summary>A JSON format made ready: keys as they will be written, values as formats.</summary>
internal sealed class JsonLine
{
    private readonly (byte[] Key, Value Value)[] fields;
    private readonly bool omitEmpty;

    private JsonLine((byte[] Key, Value Value)[] fields, bool omitEmpty) => (this.fields, this.omitEmpty) = (fields, omitEmpty);

    public static JsonLine Compile(JsonFormat format, bool omitEmpty) =>
        new([.. format.Fields.Select(field => (Quoted(field.Key), CompileValue(field.Value, omitEmpty)))], omitEmpty);

    public void Write(ref ByteLine line, in FormatSource source)
    {
        line.Append((byte)'{');
        var isFirst = true;
        foreach (var (key, value) in fields)
        {
            var before = line.Length;
            if (!isFirst) line.Append((byte)',');
            line.Append(key);
            line.Append((byte)':');
            if (!Write(ref line, source, value) && omitEmpty) line.CutTo(before);
            else isFirst = false;
        }
        line.Append((byte)'}');
    }

    /// <summary>Bytes as the inside of a JSON string. Bytes that are not UTF-8 become replacement characters, so that the line stays JSON.</summary>
    public static void AppendEscaped(ref ByteLine line, scoped ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty)
        {
            var plain = text.IndexOfAnyExceptInRange((byte)' ', (byte)'~');
            var stop = text.IndexOfAny((byte)'"', (byte)'\\');
            var end = plain < 0 ? stop : stop < 0 ? plain : Math.Min(plain, stop);
            if (end < 0)
            {
                line.Append(text);
                return;
            }
            line.Append(text[..end]);
            text = text[end..];
            if (text[0] < 0x80)
            {
                AppendEscape(ref line, text[0]);
                text = text[1..];
            }
            else
            {
                var isValid = Rune.DecodeFromUtf8(text, out _, out var used) == System.Buffers.OperationStatus.Done;
                line.Append(isValid ? text[..used] : "\uFFFD"u8);
                text = text[used..];
            }
        }
    }

    /// <summary>A metadata value as an operator writes it: text bare, the rest as JSON.</summary>
    public static bool TryWritePlain(ref ByteLine line, MetadataValue value)
    {
        if (value.Text is { } text) line.Append(text);
        else WriteValue(ref line, value);
        return true;
    }

    private static bool TryWriteStructure(ref ByteLine line, in FormatSource source, Operator only)
    {
        if (only.Kind == OperatorKind.TypedExpression) return WriteTyped(ref line, only.Expression!.Evaluate(source));
        if (source.ValueOf(only) is not { } value) return false;
        WriteValue(ref line, value);
        return true;
    }

    private static bool WriteTyped(ref ByteLine line, ExpressionValue value)
    {
        if (value.IsError) return false;
        if (value.Text is { } text) WriteQuoted(ref line, text);
        else line.Append(value.ToString());
        return true;
    }

    private static void WriteQuoted(ref ByteLine line, string text)
    {
        line.Append((byte)'"');
        AppendEscaped(ref line, Encoding.UTF8.GetBytes(text));
        line.Append((byte)'"');
    }

    private static void WriteValue(ref ByteLine line, MetadataValue value)
    {
        if (value.Text is { } text) WriteQuoted(ref line, text);
        else if (value.Number is { } number) line.Append(number);
        else if (value.Flag is { } flag) line.Append(flag ? "true"u8 : "false"u8);
        else if (value.Items is { } items)
        {
            line.Append((byte)'[');
            for (var i = 0; i < items.Length; i++)
            {
                if (i > 0) line.Append((byte)',');
                WriteValue(ref line, items[i]);
            }
            line.Append((byte)']');
        }
        else if (value.Fields is { } fields)
        {
            line.Append((byte)'{');
            var isFirst = true;
            foreach (var (key, inner) in fields.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                if (!isFirst) line.Append((byte)',');
                isFirst = false;
                line.Append(Quoted(key));
                line.Append((byte)':');
                WriteValue(ref line, inner);
            }
            line.Append((byte)'}');
        }
        else line.Append("null"u8);
    }

    /// <returns>False when the value was absent (and null was written).</returns>
    private static bool Write(ref ByteLine line, in FormatSource source, Value value)
    {
        if (value.Literal is { } literal)
        {
            line.Append(literal);
            return true;
        }
        if (value.Object is { } inner)
        {
            inner.Write(ref line, source);
            return true;
        }
        if (value.Items is { } items)
        {
            line.Append((byte)'[');
            for (var i = 0; i < items.Length; i++)
            {
                if (i > 0) line.Append((byte)',');
                Write(ref line, source, items[i]);
            }
            line.Append((byte)']');
            return true;
        }
        return value.Format!.Single is { } only ? WriteOne(ref line, source, only) : WriteText(ref line, source, value.Format);
    }

    private static bool WriteOne(ref ByteLine line, in FormatSource source, Operator only)
    {
        var before = line.Length;
        if (only.IsStructured && only.LengthMax is null)
        {
            if (TryWriteStructure(ref line, source, only)) return true;
        }
        else if (only.IsNumber)
        {
            if (source.TryWrite(ref line, only)) return true;
            line.CutTo(before);
        }
        else
        {
            Span<byte> room = stackalloc byte[1024];
            var text = new ByteLine(room);
            var has = source.TryWrite(ref text, only);
            // What no stack buffer holds is rare enough to get one from the heap.
            if (text.IsCut)
            {
                text = new ByteLine(new byte[64 * 1024]);
                has = source.TryWrite(ref text, only);
            }
            if (only.LengthMax is { } most) text.CutTo(most);
            if (has)
            {
                line.Append((byte)'"');
                AppendEscaped(ref line, text.Written);
                line.Append((byte)'"');
                return true;
            }
            // The flags are "-" when there are none, in JSON too.
            if (only.Kind == OperatorKind.ResponseFlags)
            {
                line.Append("\"-\""u8);
                return true;
            }
        }
        line.Append("null"u8);
        return false;
    }

    private static bool WriteText(ref ByteLine line, in FormatSource source, LineFormat format)
    {
        Span<byte> room = stackalloc byte[2048];
        var text = new ByteLine(room);
        format.Write(ref text, source, "-"u8);
        if (text.IsCut)
        {
            text = new ByteLine(new byte[64 * 1024]);
            format.Write(ref text, source, "-"u8);
        }
        line.Append((byte)'"');
        AppendEscaped(ref line, text.Written);
        line.Append((byte)'"');
        return true;
    }

    private static void AppendEscape(ref ByteLine line, byte value)
    {
        switch (value)
        {
            case (byte)'"': line.Append("\\\""u8); break;
            case (byte)'\\': line.Append("\\\\"u8); break;
            case (byte)'\n': line.Append("\\n"u8); break;
            case (byte)'\r': line.Append("\\r"u8); break;
            case (byte)'\t': line.Append("\\t"u8); break;
            case (byte)'\b': line.Append("\\b"u8); break;
            case (byte)'\f': line.Append("\\f"u8); break;
            default:
                line.Append("\\u00"u8);
                line.Append(Hex(value >> 4));
                line.Append(Hex(value & 15));
                break;
        }
    }

    private static byte Hex(int digit) => (byte)(digit < 10 ? '0' + digit : 'a' + digit - 10);

    private static byte[] Quoted(string text)
    {
        var room = new byte[text.Length * 6 + 2];
        var line = new ByteLine(room);
        line.Append((byte)'"');
        AppendEscaped(ref line, Encoding.UTF8.GetBytes(text));
        line.Append((byte)'"');
        return line.Written.ToArray();
    }

    private static Value CompileValue(JsonFormatValue value, bool omitEmpty)
    {
        if (value.Object is { } inner) return new() { Object = Compile(inner, omitEmpty) };
        if (value.Items is { } items) return new() { Items = [.. items.Select(item => CompileValue(item, omitEmpty))] };
        if (value.Number is { } number) return new() { Literal = Encoding.ASCII.GetBytes(number.ToString("R", CultureInfo.InvariantCulture)) };
        if (value.Flag is { } flag) return new() { Literal = flag ? "true"u8.ToArray() : "false"u8.ToArray() };
        if (value.Text is null) return new() { Literal = "null"u8.ToArray() };

        var format = LineFormat.Compile(value.Text);
        return format.Constant is { } constant ? new() { Literal = Quoted(Encoding.UTF8.GetString(constant)) } : new() { Format = format };
    }

    private sealed class Value
    {
        public byte[]? Literal { get; init; }
        public LineFormat? Format { get; init; }
        public JsonLine? Object { get; init; }
        public Value[]? Items { get; init; }
    }
}
