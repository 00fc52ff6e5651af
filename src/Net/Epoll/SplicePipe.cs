namespace Mesh.Net.Epoll;

/// <summary>splice(2) from socket to pipe to socket: the bytes never enter our memory. The pipe is held only while it holds bytes.</summary>
internal sealed class SplicePipe(EpollConnection source, EpollConnection target) : IBulkPipe
{
    private const int PipeBytes = 256 * 1024;
    private const int MovesPerTurnMax = 16;

    private (int Read, int Write) _pipe;
    private int _inPipe;

    public ValueTask<IoStatus> ReadableAsync(Deadline deadline) => source.ReadableAsync(deadline);

    public async ValueTask<(IoStatus Status, bool ByWriter)> MoveAsync(TimeSpan idle, Action<int> moved)
    {
        _pipe = source.Transport.RentPipe(PipeBytes);
        if (_pipe.Read < 0) return (IoStatus.Unreachable, false);

        try
        {
            for (var moves = 0; ; moves++)
            {
                var pulled = source.SpliceOut(_pipe.Write, PipeBytes, out var count);
                if (pulled != IoStatus.Ok) return (pulled, false);

                _inPipe += count;
                while (_inPipe > 0)
                {
                    var pushed = target.SpliceIn(_pipe.Read, _inPipe, out count);
                    if (pushed == IoStatus.WouldBlock) pushed = await target.RoomAsync(Deadline.After(target.Loop.Clock, idle));
                    if (pushed != IoStatus.Ok) return (pushed, true);

                    _inPipe -= count;
                    if (count > 0) moved(count);
                }

                // A source that is never empty must not keep the loop to itself.
                if (moves % MovesPerTurnMax == MovesPerTurnMax - 1) await source.Loop.Yield();
            }
        }
        finally
        {
            source.Transport.ReturnPipe(_pipe, isEmpty: _inPipe == 0);
            _inPipe = 0;
        }
    }
}
