using System.Buffers;
using System.Globalization;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Observe;

/// <summary>A format text made ready: literals and operators in a row. Immutable, shared by all loops.</summary>
internal sealed class LineFormat
{
    /// <summary>What a text log says when the configuration names no format: Envoy's own default line.</summary>
    public const string Default =
        "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
        + "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

    /// <summary>What Istio gives its proxies.</summary>
    public const string Istio =
        "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% "
        + "%CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
        + "\"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% "
        + "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

    private const int TextBytesMax = 16 * 1024;

    private readonly Operator[] parts;

    private LineFormat(Operator[] parts) => this.parts = parts;

    /// <summary>The whole text is one operator, so that JSON may keep its type.</summary>
    public Operator? Single => parts is [{ Kind: not OperatorKind.Literal } only] ? only : null;

    /// <summary>No operator: the same for every request.</summary>
    public byte[]? Constant => parts.Length == 0 ? [] : parts is [{ Kind: OperatorKind.Literal } only] ? only.Bytes : null;

    public static LineFormat Of(FormatText text) => text.Cell.Get(text, static t => Compile(t.Text));

    /// <exception cref="ConfigRefusedException">An operator that does not exist, or has no end.</exception>
    public static LineFormat Compile(string text)
    {
        var parts = new List<Operator>();
        var literal = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '%')
            {
                literal.Append(text[i]);
                continue;
            }
            if (i + 1 < text.Length && text[i + 1] == '%')
            {
                literal.Append('%');
                i++;
                continue;
            }
            var end = EndOf(text, i + 1);
            if (end < 0) throw new ConfigRefusedException($"format '{text}': the operator at {i} has no closing %");

            if (literal.Length > 0) parts.Add(Literal(literal));
            parts.Add(OperatorTable.Parse(text[(i + 1)..end]));
            i = end;
        }
        if (literal.Length > 0) parts.Add(Literal(literal));
        return new([.. parts]);
    }

    /// <param name="missing">What stands for an absent value: "-" in logs, nothing in headers.</param>
    public void Write(ref ByteLine line, in FormatSource source, ReadOnlySpan<byte> missing)
    {
        foreach (var part in parts)
        {
            if (part.Kind == OperatorKind.Literal)
            {
                // Mostly the blank between two operators.
                if (part.Bytes.Length == 1) line.Append(part.Bytes[0]);
                else line.Append(part.Bytes);
                continue;
            }
            var before = line.Length;
            if (!source.TryWrite(ref line, part))
            {
                line.CutTo(before);
                line.Append(missing);
            }
            else if (part.LengthMax is { } most && most < line.Length - before)
            {
                line.CutTo(before + most);
            }
        }
    }

    /// <summary>As text; an absent value is a hyphen. Allocates: not for the log file's way.</summary>
    public string ToText(in FormatSource source)
    {
        var room = ArrayPool<byte>.Shared.Rent(TextBytesMax);
        var line = new ByteLine(room);
        Write(ref line, source, "-"u8);
        var text = Encoding.UTF8.GetString(line.Written);
        ArrayPool<byte>.Shared.Return(room);
        return text;
    }

    // A closing percent sign inside the parentheses (as in a time format) does not end the operator.
    private static int EndOf(string text, int from)
    {
        var depth = 0;
        for (var i = from; i < text.Length; i++)
        {
            if (text[i] == '(') depth++;
            else if (text[i] == ')') depth = Math.Max(0, depth - 1);
            else if (text[i] == '%' && depth == 0) return i;
        }
        return -1;
    }

    private static Operator Literal(StringBuilder text)
    {
        var result = new Operator(OperatorKind.Literal) { Bytes = Encoding.UTF8.GetBytes(text.ToString()) };
        text.Clear();
        return result;
    }
}
