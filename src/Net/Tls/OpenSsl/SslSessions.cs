namespace Mesh.Net.Tls.OpenSsl;

/// <summary>A client's sessions to resume, by whom they are for. A TLS 1.3 ticket serves once.</summary>
internal sealed class SslSessions
{
    private const int PeersMax = 1024;
    private const int PerPeerMax = 2;

    private readonly Dictionary<string, Queue<nint>> _byPeer = [];

    internal void Add(string peer, nint session)
    {
        if (!_byPeer.TryGetValue(peer, out var sessions))
        {
            if (_byPeer.Count >= PeersMax) Clear();
            _byPeer[peer] = sessions = new();
        }

        sessions.Enqueue(session);
        if (sessions.Count > PerPeerMax) LibSsl.SessionFree(sessions.Dequeue());
    }

    /// <returns>0 when there is none. The caller frees it.</returns>
    internal nint Take(string peer) => _byPeer.TryGetValue(peer, out var sessions) && sessions.TryDequeue(out var session) ? session : 0;

    internal void Clear()
    {
        foreach (var sessions in _byPeer.Values)
        {
            while (sessions.TryDequeue(out var session)) LibSsl.SessionFree(session);
        }

        _byPeer.Clear();
    }
}
