using System.Formats.Tar;
using System.IO.Compression;
using System.Text;

namespace Mesh.Cli.Reporting;

/// <summary>
/// The archive of a bug report: files of text, each cut at a limit, all together no larger than another. What did not fit or could not be had
/// is listed in its own file, so that nobody takes a gap for silence.
/// </summary>
internal sealed class ReportArchive : IDisposable
{
    private readonly GZipStream gzip;
    private readonly TarWriter tar;
    private readonly DateTimeOffset written;
    private readonly long totalMax;
    private readonly StringBuilder index = new();
    private readonly List<string> gaps = [];
    private bool isClosed;

    public ReportArchive(Stream to, DateTimeOffset written, long totalMax)
    {
        gzip = new(to, CompressionLevel.Optimal, leaveOpen: true);
        tar = new(gzip, TarEntryFormat.Pax, leaveOpen: true);
        (this.written, this.totalMax) = (written, totalMax);
    }

    public const int FileCharactersMax = 4 << 20;

    public int FileCount { get; private set; }
    public long Bytes { get; private set; }
    public IReadOnlyList<string> Gaps => gaps;
    public bool IsFull => Bytes >= totalMax;

    /// <param name="isRedacted">The text has been gone over already.</param>
    public void Add(string path, string text, bool isRedacted = false)
    {
        if (IsFull)
        {
            Miss(path, $"the report has reached {totalMax >> 20} MiB");
            return;
        }
        if (text.Length > FileCharactersMax)
        {
            Miss(path, $"only the last {FileCharactersMax >> 20} of {text.Length >> 20} MiB");
            text = text[^FileCharactersMax..];
        }
        Write(path, isRedacted ? text : Redaction.Of(text));
    }

    /// <summary>Notes what is not in the report, and why.</summary>
    public void Miss(string what, string why) => gaps.Add($"{what}: {why}");

    public void Dispose()
    {
        if (isClosed) return;
        isClosed = true;
        Write("report.txt", $"{FileCount} files, {Bytes} bytes before packing\n\n{index}\n{(gaps.Count == 0 ? "Nothing is missing.\n" : $"Missing:\n{string.Join('\n', gaps)}\n")}");
        tar.Dispose();
        gzip.Dispose();
    }

    private void Write(string path, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        using var content = new MemoryStream(bytes);
        tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "bug-report/" + path) { DataStream = content, ModificationTime = written, Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        index.Append(path).Append(' ').Append(bytes.Length).Append('\n');
        FileCount++;
        Bytes += bytes.Length;
    }
}
