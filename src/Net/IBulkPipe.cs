namespace Mesh.Net;

/// <summary>Moves bytes from one connection to another inside the kernel.</summary>
internal interface IBulkPipe
{
    /// <summary>Moves what is there; comes back when there is nothing more now, with the pipe empty.</summary>
    /// <param name="idle">How long the receiving side may refuse to take more.</param>
    /// <returns>WouldBlock: wait for the source to be readable. End: the source ended. Otherwise how it broke, and on which side.</returns>
    ValueTask<(IoStatus Status, bool ByWriter)> MoveAsync(TimeSpan idle, Action<int> moved);

    ValueTask<IoStatus> ReadableAsync(Deadline deadline);
}
