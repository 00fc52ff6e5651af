using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using Mesh.Http;
using Mesh.Http.H2;
using Mesh.Tests.Http;

namespace Mesh.Tests.Conformance;

/// <summary>
/// A client written down as frames, and what a server session made of it. A script is frames apart by ';':
/// <c>headers 1 eh es get</c>, <c>data 1 es 'x'</c>, <c>settings 4=1</c>, <c>window 1 0</c>, <c>frame type flags stream hex</c>.
/// </summary>
internal sealed class H2Script
{
    // :method GET, :scheme http, :path /, :authority a
    private static readonly Dictionary<string, string> Blocks = new(StringComparer.Ordinal)
    {
        ["get"] = "828684410161",
        ["post"] = "838684410161",
        ["head"] = "4204484541448684410161",
        ["fields"] = "00017801790001780179", // x: y, twice
    };

    private readonly List<byte> _client = [];
    private readonly ArrayBufferWriter<byte> _server = new();
    private readonly Dictionary<int, int> _left = [];
    private readonly List<string> _refused = [];
    private bool _consumes;

    /// <summary>"GOAWAY Code" or "RST id Code", whichever was written first, or what the last PING got: "alive" or "silent".</summary>
    public static string Run(string script, H2Settings? settings = null, long stepMs = 10, bool consumes = true) =>
        RunAll(script, settings, stepMs, consumes)[0];

    /// <summary>Every RST and GOAWAY that the server wrote, in order, or the one word for "none".</summary>
    public static List<string> RunAll(string script, H2Settings? settings = null, long stepMs = 10, bool consumes = true)
    {
        var run = new H2Script { _consumes = consumes };
        var isBare = script.StartsWith("bare;", StringComparison.Ordinal);
        if (!isBare)
        {
            run._client.AddRange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8);
            run.Frame(4, 0, 0, []);
        }

        foreach (var step in (isBare ? script[5..] : script).Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)) run.Add(step);
        run.Frame(6, 0, 0, "lastping"u8.ToArray());
        return run.Serve(settings ?? H2Settings.Default, stepMs);
    }

    private void Add(string step)
    {
        var times = 1;
        if (step.StartsWith('x'))
        {
            times = int.Parse(step[1..step.IndexOf(' ', StringComparison.Ordinal)], CultureInfo.InvariantCulture);
            step = step[(step.IndexOf(' ', StringComparison.Ordinal) + 1)..];
        }

        for (var time = 0; time < times; time++) AddOnce(step.Replace("#", (time * 2 + 1).ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));
    }

    private void AddOnce(string step)
    {
        var words = step.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToList();
        var type = words[0];
        var stream = words.Count > 1 && int.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : 0;
        var flags = (words.Contains("es") ? 1 : 0) | (words.Contains("ack") ? 1 : 0) | (words.Contains("eh") ? 4 : 0) | (words.Contains("pad") ? 8 : 0) | (words.Contains("prio") ? 0x20 : 0);
        byte[] Rest(int skip = 2) => words.Skip(skip).SelectMany(Payload).ToArray();
        switch (type)
        {
            case "preface":
                _client.AddRange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8);
                break;
            case "junk":
                _client.AddRange("INVALID CONNECTION PREFACE\r\n\r\n"u8);
                break;
            case "data": Frame(0, flags, stream, Rest()); break;
            case "headers": Frame(1, flags, stream, Rest()); break;
            case "priority": Frame(2, 0, stream, Rest()); break;
            case "rst": Frame(3, 0, stream, Rest()); break;
            case "settings": Frame(4, flags, 0, words.Skip(1).Where(w => w.Contains('=')).SelectMany(Setting).ToArray()); break;
            case "push": Frame(5, 4, stream, Rest()); break;
            case "ping": Frame(6, flags, 0, "12345678"u8.ToArray()); break;
            case "goaway": Frame(7, 0, 0, Rest()); break;
            case "window": Frame(8, 0, stream, Number(words[2])); break;
            case "continuation": Frame(9, flags, stream, Rest()); break;
            case "frame": Frame(int.Parse(words[1], CultureInfo.InvariantCulture), Convert.ToInt32(words[2], 16), int.Parse(words[3], CultureInfo.InvariantCulture), Rest(4)); break;
            default: throw new ArgumentException(step);
        }
    }

    private static IEnumerable<byte> Payload(string word) => word switch
    {
        "es" or "eh" or "pad" or "prio" or "ack" => [],
        ['\'', .. var text, '\''] => text.Select(c => (byte)c),
        ['*', .. var count] => Enumerable.Repeat((byte)'v', int.Parse(count, CultureInfo.InvariantCulture)),
        ['+', .. var number] => Number(number),
        ['@', .. var field] => Literal(field),
        _ => Convert.FromHexString(Blocks.GetValueOrDefault(word, word)),
    };

    // @name=value: a literal field without indexing.
    private static byte[] Literal(string field)
    {
        var (name, value) = (field[..field.IndexOf('=', StringComparison.Ordinal)], field[(field.IndexOf('=', StringComparison.Ordinal) + 1)..]);
        value = value.Replace("\\r", "\r", StringComparison.Ordinal).Replace("\\n", "\n", StringComparison.Ordinal).Replace("\\0", "\0", StringComparison.Ordinal).Replace('_', ' ');
        name = name.Replace("\\r", "\r", StringComparison.Ordinal).Replace("\\n", "\n", StringComparison.Ordinal).Replace('_', ' ');
        return [0, (byte)name.Length, .. H1Probe.Bytes(name), (byte)value.Length, .. H1Probe.Bytes(value)];
    }

    private static byte[] Setting(string pair)
    {
        var parts = pair.Split('=');
        return [0, byte.Parse(parts[0], CultureInfo.InvariantCulture), .. Number(parts[1])];
    }

    private static byte[] Number(string number)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, uint.Parse(number, CultureInfo.InvariantCulture));
        return bytes;
    }

    private void Frame(int type, int flags, int stream, byte[] payload)
    {
        var header = new byte[9];
        new FrameHeader(payload.Length, (FrameType)type, (FrameFlags)flags, stream).Write(header);
        _client.AddRange(header);
        _client.AddRange(payload);
    }

    private List<string> Serve(H2Settings settings, long stepMs)
    {
        var session = new H2Session(H2Role.Server, settings, HttpLimits.Default, _server, new());
        ReadOnlySpan<byte> input = _client.ToArray();
        long now = 0;
        for (var e = session.Read(ref input, now); e.Kind != H2EventKind.None; e = session.Read(ref input, now))
        {
            now += stepMs;
            if (e.Kind == H2EventKind.Data && _consumes) session.Consumed(e.Stream!, e.Data.Length);
            if (e.Kind == H2EventKind.RefusedRequest) _refused.Add($"REFUSED {e.Error.Status}");
            if (e.EndStream && e.Kind != H2EventKind.RefusedRequest) Answer(session, e.Stream!);
            if (e.Kind == H2EventKind.Writable) Pump(session, e.Stream!);
        }

        return Outcome(session);
    }

    private void Answer(H2Session session, H2Stream stream)
    {
        session.SendResponse(stream, new ResponseHead { Status = 200, Body = BodyFraming.Streamed }, endStream: stream.Request.Method == Method.Head);
        _left[stream.Id] = 8;
        Pump(session, stream);
    }

    private void Pump(H2Session session, H2Stream stream)
    {
        var left = _left.GetValueOrDefault(stream.Id);
        _left[stream.Id] = left - session.SendData(stream, "okokokok"u8[..left], endStream: true);
    }

    private List<string> Outcome(H2Session session)
    {
        var faults = new List<string>();
        var answers = new List<string>();
        var wasPinged = false;
        ReadOnlySpan<byte> output = _server.WrittenSpan;
        while (FrameHeader.TryRead(output, out var frame))
        {
            var payload = output.Slice(FrameHeader.Size, frame.Length);
            output = output[(FrameHeader.Size + frame.Length)..];
            if (frame.Type == FrameType.GoAway) faults.Add($"GOAWAY {(H2ErrorCode)BinaryPrimitives.ReadUInt32BigEndian(payload[4..])}");
            if (frame.Type == FrameType.RstStream) faults.Add($"RST {frame.StreamId} {(H2ErrorCode)BinaryPrimitives.ReadUInt32BigEndian(payload)}");
            if (frame.Type == FrameType.Ping) wasPinged |= payload.SequenceEqual("lastping"u8);
            if (frame.Type == FrameType.Headers) answers.Add($" {frame.StreamId}");
            if (frame.Type == FrameType.Data) answers.Add($"+{frame.Length}");
        }

        Assert.Equal(wasPinged, !session.IsDead);
        if (faults.Count > 0) return faults;
        return _refused.Count > 0 ? _refused : [wasPinged ? "alive" + string.Concat(answers) : "silent"];
    }
}
