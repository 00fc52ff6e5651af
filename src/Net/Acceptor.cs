using System.Net;

namespace Mesh.Net;

/// <summary>A listening socket of one loop.</summary>
public abstract class Acceptor
{
    /// <summary>The address it really has: the port is known even where 0 was asked for.</summary>
    public abstract EndPoint Local { get; }

    /// <summary>
    /// Waits for the next connection. One caller at a time. Out of descriptors or memory it backs off by itself and goes on;
    /// only <see cref="IoStatus.TimedOut"/> and <see cref="IoStatus.Aborted"/> (closed) come back without a connection.
    /// </summary>
    public abstract ValueTask<(Connection? Connection, IoStatus Status)> AcceptAsync(Deadline deadline);

    /// <summary>Stops listening; connections already accepted live on. The waiting <see cref="AcceptAsync"/> ends with Aborted.</summary>
    public abstract void Close();
}
