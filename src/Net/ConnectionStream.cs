namespace Mesh.Net;

/// <summary>A connection as a Stream, for libraries that know nothing else. Asynchronous only; on the connection's loop only.</summary>
internal sealed class ConnectionStream(Connection connection) : Stream
{
    /// <summary>How reading ended, when it did not end well: a Stream can only throw.</summary>
    internal IoStatus ReadEnd { get; private set; } = IoStatus.Ok;

    /// <summary>For the handshake; afterwards whoever waits above has a deadline.</summary>
    internal Deadline Deadline { get; set; } = Deadline.Never;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty) return 0;

        if (connection.Input.IsEmpty)
        {
            var status = await connection.FillAsync(Deadline);
            if (status != IoStatus.Ok)
            {
                ReadEnd = status;
                return status == IoStatus.End ? 0 : throw new IOException(status.ToString());
            }
        }

        var count = Math.Min(buffer.Length, connection.Input.Length);
        connection.Input.Span[..count].CopyTo(buffer.Span);
        connection.Input.Consume(count);
        return count;
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var status = await connection.WriteAsync(buffer, Deadline);
        if (status != IoStatus.Ok) throw new IOException(status.ToString());
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("a loop never blocks");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("a loop never blocks");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
