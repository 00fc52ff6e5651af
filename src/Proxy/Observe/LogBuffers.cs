using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Observe;

/// <summary>The process's open log files, by path. Shared by the loops, each of which has its own buffer before each file.</summary>
internal sealed class LogFiles : IDisposable
{
    /// <summary>More files than this is a configuration that names them by the request.</summary>
    private const int FilesMax = 64;

    private readonly Dictionary<string, LineWriter> _files = [];
    private readonly Lock _opening = new();

    public long DroppedBytes
    {
        get { lock (_opening) return _files.Values.Sum(file => file.DroppedBytes); }
    }

    /// <summary>Null when the file cannot be had: its lines are lost, and nothing else.</summary>
    public LineWriter? Open(string path)
    {
        lock (_opening)
        {
            if (_files.TryGetValue(path, out var known)) return known;
            if (_files.Count >= FilesMax) return null;

            try
            {
                return _files[path] = new(path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return null;
            }
        }
    }

    public void Dispose()
    {
        lock (_opening)
            foreach (var file in _files.Values) file.Dispose();
    }
}

/// <summary>One loop's access log lines on their way to the files: gathered, and handed over a few times a second. Loop thread only.</summary>
internal sealed class LogBuffers
{
    private static readonly TimeSpan FlushEvery = TimeSpan.FromMilliseconds(50);

    private readonly Loop _loop;
    private readonly LogFiles _files;
    private readonly Exports _exports;
    private readonly Dictionary<string, LineBuffer?> _buffers = [];
    private readonly LoopTimer _flush;
    private (string Path, LineBuffer? Buffer) _last = ("", null);

    public LogBuffers(Loop loop, LogFiles files, Exports exports)
    {
        (_loop, _files, _exports) = (loop, files, exports);
        _flush = new(loop, Flush);
    }

    /// <summary>Writes the lines that these logs want of the exchange.</summary>
    public void Record(Exchange exchange)
    {
        foreach (var settings in exchange.Settings.AccessLogs) Write(settings, new(exchange));
    }

    public void Record(IReadOnlyList<AccessLogSettings> logs, ClientConnection client, TcpRecord record, Worker worker)
    {
        foreach (var settings in logs) Write(settings, new(client, record, worker));
    }

    public void Flush()
    {
        foreach (var buffer in _buffers.Values) buffer?.Flush();
    }

    private void Write(AccessLogSettings settings, in FormatSource source)
    {
        var log = AccessLog.Of(settings);
        if (!log.Wants(source)) return;
        if (PathOf(settings) is not { } path)
        {
            _exports.Report(log, source);
            return;
        }
        if (BufferOf(path) is not { } buffer) return;

        buffer.Commit(log.Write(buffer.Room(AccessLog.LineBytesMax), source));
        if (!_flush.IsArmed) _flush.Arm(Deadline.After(_loop.Clock, FlushEvery));
    }

    private LineBuffer? BufferOf(string path)
    {
        if (ReferenceEquals(path, _last.Path)) return _last.Buffer;

        if (!_buffers.TryGetValue(path, out var buffer)) _buffers[path] = buffer = _files.Open(path) is { } file ? new(file) : null;
        _last = (path, buffer);
        return buffer;
    }

    private static string? PathOf(AccessLogSettings settings) => settings.Sink switch
    {
        AccessLogSink.StandardOutput => "/dev/stdout",
        AccessLogSink.StandardError => "/dev/stderr",
        AccessLogSink.File => settings.Path,
        _ => null,
    };
}
