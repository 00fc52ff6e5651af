namespace Mesh.Net;

/// <summary>How an operation on a connection ended. Everything that happens in a healthy network is here; exceptions are for bugs.</summary>
public enum IoStatus
{
    Ok,

    /// <summary>Only from the Try… calls: nothing to do now without waiting.</summary>
    WouldBlock,

    /// <summary>The peer said in good order that nothing more comes (FIN; over TLS, close_notify).</summary>
    End,

    /// <summary>The peer or the network broke the connection; over TLS also an end without close_notify.</summary>
    Reset,

    /// <summary>The deadline passed. The connection itself is unharmed, except for a handshake or a connect.</summary>
    TimedOut,

    /// <summary>The target answered that nobody listens there.</summary>
    Refused,

    /// <summary>No way to the target: no route, no address, no local port or descriptor left.</summary>
    Unreachable,

    /// <summary>We ended it ourselves: <see cref="Connection.Abort"/>, <see cref="Connection.Close"/> or the loop stopped.</summary>
    Aborted,

    /// <summary>A queue reached its bound: consume first.</summary>
    Full,

    /// <summary>The TLS layer refused: handshake failure, unbelieved peer, broken record.</summary>
    TlsFailed,
}
