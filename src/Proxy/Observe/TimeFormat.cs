using System.Globalization;
using System.Text;

namespace Mesh.Proxy.Observe;

/// <summary>An instant in strftime's language, with Envoy's additions: %f and %1f to %9f are fractions of a second, %s is seconds since 1970.</summary>
internal sealed class TimeFormat(string format)
{
    /// <summary>"2026-01-02T03:04:05.678Z", what logs use when nothing is said.</summary>
    public static readonly TimeFormat Iso = new(IsoText);

    private static readonly string[] Days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    private static readonly string[] Months = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

    private const string IsoText = "%Y-%m-%dT%H:%M:%S.%3fZ";
    private readonly bool _isIso = format == IsoText;

    public void Write(ref ByteLine line, DateTimeOffset at)
    {
        if (_isIso)
        {
            WriteIso(ref line, at.UtcDateTime);
            return;
        }
        at = at.ToUniversalTime();
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                line.Append(format.AsSpan(i, 1));
                continue;
            }
            var letter = format[++i];
            if (char.IsAsciiDigit(letter) && i + 1 < format.Length && format[i + 1] == 'f')
            {
                i++;
                WriteFraction(ref line, at, letter - '0');
            }
            else
            {
                Write(ref line, at, letter);
            }
        }
    }

    private static void Write(ref ByteLine line, DateTimeOffset at, char letter)
    {
        switch (letter)
        {
            case 'Y': line.AppendDigits(at.Year, 4); break;
            case 'y': line.AppendDigits(at.Year % 100, 2); break;
            case 'm': line.AppendDigits(at.Month, 2); break;
            case 'd': line.AppendDigits(at.Day, 2); break;
            case 'e': line.Append(at.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2)); break;
            case 'H': line.AppendDigits(at.Hour, 2); break;
            case 'I': line.AppendDigits((at.Hour + 11) % 12 + 1, 2); break;
            case 'M': line.AppendDigits(at.Minute, 2); break;
            case 'S': line.AppendDigits(at.Second, 2); break;
            case 'p': line.Append(at.Hour < 12 ? "AM"u8 : "PM"u8); break;
            case 'j': line.AppendDigits(at.DayOfYear, 3); break;
            case 'a': line.Append(Days[(int)at.DayOfWeek].AsSpan(0, 3)); break;
            case 'A': line.Append(Days[(int)at.DayOfWeek].AsSpan()); break;
            case 'b' or 'h': line.Append(Months[at.Month - 1].AsSpan(0, 3)); break;
            case 'B': line.Append(Months[at.Month - 1].AsSpan()); break;
            case 'z': line.Append("+0000"u8); break;
            case 'Z': line.Append("UTC"u8); break;
            case 's': line.Append(at.ToUnixTimeSeconds()); break;
            case 'f': WriteFraction(ref line, at, 9); break;
            case 'T': Write(ref line, at, 'H'); line.Append((byte)':'); Write(ref line, at, 'M'); line.Append((byte)':'); Write(ref line, at, 'S'); break;
            case 'F': Write(ref line, at, 'Y'); line.Append((byte)'-'); Write(ref line, at, 'm'); line.Append((byte)'-'); Write(ref line, at, 'd'); break;
            case 'D': Write(ref line, at, 'm'); line.Append((byte)'/'); Write(ref line, at, 'd'); line.Append((byte)'/'); Write(ref line, at, 'y'); break;
            case '%': line.Append((byte)'%'); break;
            default: line.Append((byte)'%'); line.Append(Encoding.ASCII.GetBytes([letter])); break;
        }
    }

    // The same as its letters would write, in one piece: every log line has one.
    private static void WriteIso(ref ByteLine line, DateTime at)
    {
        Span<byte> text = stackalloc byte[24];
        var (year, month, day) = DateOnly.FromDateTime(at);
        var milliseconds = (int)(at.TimeOfDay.Ticks / TimeSpan.TicksPerMillisecond);
        Two(text, year / 100);
        Two(text[2..], year % 100);
        Two(text[5..], month);
        Two(text[8..], day);
        Two(text[11..], milliseconds / 3_600_000);
        Two(text[14..], milliseconds / 60_000 % 60);
        Two(text[17..], milliseconds / 1000 % 60);
        Two(text[20..], milliseconds % 1000 / 10);
        text[22] = (byte)('0' + milliseconds % 10);
        (text[4], text[7], text[10], text[13], text[16], text[19], text[23]) = ((byte)'-', (byte)'-', (byte)'T', (byte)':', (byte)':', (byte)'.', (byte)'Z');
        line.Append(text);
    }

    private static void Two(Span<byte> text, int number) => (text[0], text[1]) = ((byte)('0' + number / 10), (byte)('0' + number % 10));

    private static void WriteFraction(ref ByteLine line, DateTimeOffset at, int digits)
    {
        Span<byte> nine = stackalloc byte[9];
        var nanos = at.Ticks % TimeSpan.TicksPerSecond * 100;
        for (var i = 8; i >= 0; i--, nanos /= 10) nine[i] = (byte)('0' + nanos % 10);
        line.Append(nine[..Math.Clamp(digits, 1, 9)]);
    }
}
