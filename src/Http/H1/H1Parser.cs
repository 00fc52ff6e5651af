using System.Diagnostics;

namespace Mesh.Http.H1;

/// <summary>
/// Reads the heads of HTTP/1.1 messages from the contiguous bytes of one connection, one instance per connection. It remembers how far it has looked, so
/// bytes that trickle in are not read twice. Strict: what two readers might understand differently is refused, never repaired (RFC 9112 §11).
/// </summary>
public sealed class H1Parser(HttpLimits limits)
{
    private const int LeadingBlankLinesMax = 4; // RFC 9112 §2.2: some clients end a body with one CRLF too many

    private FieldScan _scan;
    private int _start;    // of the start line, behind blank lines
    private int _line;     // where the line that is being read begins
    private int _searched; // no line feed between _line and here
    private bool _isStarted; // the start line was taken up, so that the head speaks of this message
    private bool _inFields;
    private int _interimResponses;

    /// <summary>Why the last call said Error.</summary>
    public ProtocolError Error { get; private set; }

    /// <summary>True when some bytes of a head are there but not all: the header timeout runs.</summary>
    public bool IsInsideHead => _inFields || _searched > 0;

    /// <summary>Reads one request head. The body, if any, begins at <paramref name="consumed"/>.</summary>
    public ParseStatus ParseRequest(ReadOnlySpan<byte> input, RequestHead head, out int consumed)
    {
        consumed = 0;
        var status = ReadLines(input, head, null, out var end);
        if (!_isStarted) head.Clear();
        else head.Headers.TakeArena(input[_start.._line]); // unfinished or refused, it still can be logged
        if (status != ParseStatus.Done) return status;

        Error = H1Request.Finish(head, _scan, limits);
        var ok = Error.IsNone;
        Restart();
        consumed = ok ? end : 0;
        return ok ? ParseStatus.Done : ParseStatus.Error;
    }

    /// <summary>Reads one response head, interim or final, to the request that <paramref name="asked"/> describes.</summary>
    public ParseStatus ParseResponse(ReadOnlySpan<byte> input, ResponseHead head, ResponseContext asked, out int consumed)
    {
        consumed = 0;
        var status = ReadLines(input, null, head, out var end);
        if (!_isStarted) head.Clear();
        else head.Headers.TakeArena(input[_start.._line]);
        if (status != ParseStatus.Done) return status;

        Error = H1Response.Finish(head, _scan, asked);
        if (Error.IsNone) Error = CountInterim(head);
        var ok = Error.IsNone;
        Restart();
        consumed = ok ? end : 0;
        return ok ? ParseStatus.Done : ParseStatus.Error;
    }

    /// <summary>Forgets a half-read head; for a connection object that is used again.</summary>
    public void Reset()
    {
        Restart();
        _interimResponses = 0;
        Error = default;
    }

    private void Restart()
    {
        _start = _line = _searched = 0;
        _isStarted = _inFields = false;
    }

    private ProtocolError CountInterim(ResponseHead head)
    {
        if (!head.IsInterim)
        {
            _interimResponses = 0;
            return default;
        }

        return ++_interimResponses > limits.InterimResponsesMax ? H1Errors.TooManyInterim : default;
    }

    // Until the head is whole its fields are offsets into the input; the start line is judged as soon as it is there, so that what is no HTTP is
    // answered at once.
    private ParseStatus ReadLines(ReadOnlySpan<byte> input, RequestHead? request, ResponseHead? response, out int end)
    {
        var headers = request?.Headers ?? response!.Headers;
        var isRequest = request is not null;
        Debug.Assert(_line <= input.Length, "fed fewer bytes than before");
        end = 0;
        while (true)
        {
            // What cannot begin a request never becomes one: nobody waits for the rest of its line.
            if (isRequest && !_inFields && _line < input.Length && !HttpChars.IsToken(input.Slice(_line, 1)) && input[_line] is not ((byte)'\r' or (byte)'\n')) return Fail(H1Errors.BadMethod);

            var feed = input[_searched..].IndexOf((byte)'\n');
            var lineEnd = feed < 0 ? input.Length : _searched + feed;
            if (IsTooLong(lineEnd, isRequest)) return ParseStatus.Error;

            if (feed < 0)
            {
                _searched = input.Length;
                return ParseStatus.NeedMore;
            }

            if (lineEnd == _line || input[lineEnd - 1] != '\r') return Fail(H1Errors.BareLineFeed);

            var line = input[_line..(lineEnd - 1)];
            var lineStart = _line;
            _line = _searched = lineEnd + 1;
            if (!_inFields)
            {
                if (line.IsEmpty && isRequest && lineStart < LeadingBlankLinesMax * 2)
                {
                    _start = _line;
                    continue;
                }

                _scan = default;
                headers.Clear();
                _isStarted = true;
                Error = isRequest ? H1Request.ReadRequestLine(request!, line, limits, out _scan.Target) : H1Response.ReadStatusLine(response!, line);
                if (!Error.IsNone) return ParseStatus.Error;

                _inFields = true;
            }
            else if (line.IsEmpty)
            {
                end = _line;
                return ParseStatus.Done;
            }
            else
            {
                Error = _scan.AddField(line, lineStart - _start, headers, limits);
                if (!Error.IsNone) return ParseStatus.Error;
            }
        }
    }

    private bool IsTooLong(int lineEnd, bool isRequest)
    {
        if (isRequest && !_inFields && lineEnd - _line > limits.RequestLineBytesMax && limits.RequestLineBytesMax < limits.HeadBytesMax)
        {
            Error = H1Errors.TargetTooLong;
            return true;
        }

        if (lineEnd - _start <= limits.HeadBytesMax) return false;

        Error = H1Errors.HeadTooLarge;
        return true;
    }

    private ParseStatus Fail(ProtocolError error)
    {
        Error = error;
        return ParseStatus.Error;
    }
}
