namespace Mesh.Http.Grpc;

/// <summary>grpc-timeout: at most eight digits and a unit (gRPC over HTTP/2).</summary>
public static class GrpcTimeout
{
    private const int DigitsMax = 8;

    /// <returns>False for anything that is not a timeout; the caller goes on as if there were none.</returns>
    public static bool TryParse(ReadOnlySpan<byte> text, out TimeSpan timeout)
    {
        timeout = default;
        if (text.Length is < 2 or > DigitsMax + 1 || !HttpChars.TryParseDecimal(text[..^1], out var value)) return false;

        long? ticks = text[^1] switch
        {
            (byte)'H' => value * TimeSpan.TicksPerHour,
            (byte)'M' => value * TimeSpan.TicksPerMinute,
            (byte)'S' => value * TimeSpan.TicksPerSecond,
            (byte)'m' => value * TimeSpan.TicksPerMillisecond,
            (byte)'u' => value * TimeSpan.TicksPerMicrosecond,
            (byte)'n' => (value + 99) / 100, // a tick is 100 ns: rounded up, so that some time is never none
            _ => null,
        };
        timeout = new(ticks ?? 0);
        return ticks is not null;
    }

    /// <summary>The finest unit whose number has eight digits at most.</summary>
    /// <returns>Bytes written, at most 9.</returns>
    public static int Write(TimeSpan timeout, Span<byte> output)
    {
        ReadOnlySpan<long> ticksPerUnit =
        [
            TimeSpan.TicksPerMicrosecond, TimeSpan.TicksPerMillisecond, TimeSpan.TicksPerSecond, TimeSpan.TicksPerMinute, TimeSpan.TicksPerHour,
        ];
        var ticks = Math.Max(0, timeout.Ticks);
        var unit = 0;
        while (unit < ticksPerUnit.Length - 1 && ticks / ticksPerUnit[unit] > 99_999_999) unit++;

        Math.Min(ticks / ticksPerUnit[unit], 99_999_999).TryFormat(output, out var digits);
        output[digits] = "umSMH"u8[unit];
        return digits + 1;
    }
}
