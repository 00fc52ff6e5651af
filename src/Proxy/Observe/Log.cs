using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Observe;

/// <summary>What the process itself has to say. One method per event, numbered; nothing here is called per request.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "{Role} {NodeId} starts: {Loops} loops, control plane {Discovery}")]
    public static partial void Starts(ILogger log, string role, string nodeId, int loops, string discovery);

    [LoggerMessage(2, LogLevel.Information, "serving {Listeners} listeners, {Clusters} clusters, {Routes} route tables")]
    public static partial void SnapshotInUse(ILogger log, int listeners, int clusters, int routes);

    [LoggerMessage(3, LogLevel.Warning, "listener {Listener}: cannot listen on {Address}: {Reason}")]
    public static partial void CannotListen(ILogger log, string listener, string address, string reason);

    [LoggerMessage(4, LogLevel.Information, "control plane {Address}: connected")]
    public static partial void ControlPlaneConnected(ILogger log, string address);

    [LoggerMessage(5, LogLevel.Warning, "control plane {Address}: {Reason}; next try in {Milliseconds} ms; the configuration in use keeps serving")]
    public static partial void ControlPlaneLost(ILogger log, string address, string reason, long milliseconds);

    [LoggerMessage(6, LogLevel.Warning, "configuration refused: {Reason}")]
    public static partial void ConfigurationRefused(ILogger log, string reason);

    [LoggerMessage(15, LogLevel.Information, "the control plane gives {Count} roots to believe in")]
    public static partial void RootsReceived(ILogger log, int count);

    [LoggerMessage(7, LogLevel.Information, "certificate {Name}: valid from {NotBefore:O} until {NotAfter:O}, next request in {Seconds} s")]
    public static partial void CertificateReceived(ILogger log, string name, DateTimeOffset notBefore, DateTimeOffset notAfter, long seconds);

    [LoggerMessage(8, LogLevel.Warning, "certificate request to {Address} failed: {Reason}; next try in {Milliseconds} ms")]
    public static partial void CertificateFailed(ILogger log, string address, string reason, long milliseconds);

    [LoggerMessage(9, LogLevel.Information, "drain: {State}, {Connections} connections")]
    public static partial void Draining(ILogger log, string state, int connections);

    [LoggerMessage(10, LogLevel.Error, "a bug: {What}")]
    public static partial void Bug(ILogger log, Exception cause, string what);

    [LoggerMessage(11, LogLevel.Warning, "admin port {Port}: {Reason}")]
    public static partial void AdminUnavailable(ILogger log, int port, string reason);

    [LoggerMessage(12, LogLevel.Information, "ready after {Milliseconds} ms")]
    public static partial void Ready(ILogger log, long milliseconds);

    [LoggerMessage(13, LogLevel.Warning, "snapshot for restart: {Reason}")]
    public static partial void SnapshotNotKept(ILogger log, string reason);

    [LoggerMessage(16, LogLevel.Warning, "no control plane answers: going on with {Resources} resources that were last confirmed at {ConfirmedAt:O}, {Certificate}")]
    public static partial void GoingOn(ILogger log, int resources, DateTimeOffset confirmedAt, string certificate);

    [LoggerMessage(17, LogLevel.Warning, "no control plane answers, and there is no configuration to go on with: {Problem}; waiting")]
    public static partial void NothingKept(ILogger log, string problem);

    [LoggerMessage(18, LogLevel.Information, "the control plane has answered: its configuration is in force again")]
    public static partial void Confirmed(ILogger log);

    [LoggerMessage(31, LogLevel.Warning, "memory pressure is {Level}: {Percent} % of the container's limit")]
    public static partial void MemoryPressure(ILogger log, Pressure level, int percent);

    [LoggerMessage(14, LogLevel.Debug, "live traffic is not reported now: {Reason}")]
    public static partial void TrafficReportEnded(ILogger log, string reason);
}

/// <summary>Lines on stderr in the manner of Istio's agent: time, level, what. Never blocks: they go through a <see cref="LineWriter"/>.</summary>
internal sealed class StderrLogger(LineWriter writer, TimeProvider time) : ILogger, ILoggerFactory
{
    public LogLevel Least { get; set; } = LogLevel.Information;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= Least && logLevel != LogLevel.None;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel)) return;

        var text = formatter(state, exception);
        var line = string.Create(CultureInfo.InvariantCulture,
            $"{time.GetUtcNow():yyyy-MM-ddTHH:mm:ss.ffffffZ}\t{Name(logLevel)}\t{text}{(exception is null ? "" : " " + exception)}\n");
        var chunk = writer.RentChunk();
        Encoding.UTF8.TryGetBytes(line.Length > chunk.Length / 3 ? line[..(chunk.Length / 3)] : line, chunk, out var length);
        writer.Hand(chunk, length);
    }

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("one logger, one destination");

    public void Dispose() => writer.Dispose();

    /// <summary>Envoy's names for levels, as --proxyLogLevel and /logging take them.</summary>
    public static LogLevel? LevelOf(string name) => name switch
    {
        "trace" => LogLevel.Trace,
        "debug" => LogLevel.Debug,
        "info" => LogLevel.Information,
        "warning" or "warn" => LogLevel.Warning,
        "error" => LogLevel.Error,
        "critical" => LogLevel.Critical,
        "off" => LogLevel.None,
        _ => null,
    };

    private static string Name(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        LogLevel.Error => "error",
        _ => "critical",
    };
}
