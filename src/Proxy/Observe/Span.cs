using System.Buffers.Binary;
using System.Buffers.Text;

namespace Mesh.Proxy.Observe;

/// <summary>One hop of a trace: whose child it is, and whether anybody will see it.</summary>
internal sealed class Span
{
    public ulong TraceIdHigh { get; init; }
    public ulong TraceIdLow { get; init; }
    public ulong Id { get; init; }
    /// <summary>The span of the call to the upstream, where that is told apart from the request's own (gateways); zero where it is not.</summary>
    public ulong UpstreamId { get; init; }
    /// <summary>Zero for the first span of a trace.</summary>
    public ulong ParentId { get; init; }
    public bool IsSampled { get; init; }
    /// <summary>The vendor part of W3C's context, passed on as it came.</summary>
    public byte[] TraceState { get; init; } = [];

    public bool WriteTraceId(ref ByteLine line)
    {
        Span<byte> digits = stackalloc byte[32];
        line.Append(WriteTraceId(digits));
        return true;
    }

    public bool WriteSpanId(ref ByteLine line)
    {
        Span<byte> digits = stackalloc byte[16];
        WriteHex(digits, Id);
        line.Append(digits);
        return true;
    }

    /// <summary>Sixteen digits for a 64-bit trace, thirty-two otherwise.</summary>
    public ReadOnlySpan<byte> WriteTraceId(Span<byte> digits)
    {
        if (TraceIdHigh == 0)
        {
            WriteHex(digits, TraceIdLow);
            return digits[..16];
        }
        WriteHex(digits, TraceIdHigh);
        WriteHex(digits[16..], TraceIdLow);
        return digits[..32];
    }

    public static void WriteHex(Span<byte> digits, ulong value)
    {
        for (var i = 15; i >= 0; i--, value >>= 4)
        {
            var digit = (int)(value & 15);
            digits[i] = (byte)(digit < 10 ? '0' + digit : 'a' + digit - 10);
        }
    }

    /// <summary>One to sixteen hex digits.</summary>
    public static bool TryReadHex(ReadOnlySpan<byte> digits, out ulong value)
    {
        value = 0;
        if (digits.Length is 0 or > 16) return false;
        foreach (var b in digits)
        {
            var digit = b switch
            {
                >= (byte)'0' and <= (byte)'9' => b - '0',
                >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
                >= (byte)'A' and <= (byte)'F' => b - 'A' + 10,
                _ => -1,
            };
            if (digit < 0) return false;
            value = value << 4 | (uint)digit;
        }
        return true;
    }
}
