using Mesh.Proxy.Observe;

namespace Mesh.Proxy.Downstream;

/// <summary>What is said of a connection that no chain took.</summary>
internal static class ConnectionRecord
{
    public static void NoChain(ListenerState state, ClientConnection client)
    {
        var worker = state.Owner.Worker;
        var clock = worker.Loop.Clock;
        client.Flags = client.Flags.With(ResponseFlag.NR);
        worker.Counters.ConnectionsWithoutChain++;
        worker.Logs.Record(state.Listener.AccessLogs, client, new()
        {
            Flags = client.Flags,
            Details = "filter_chain_not_found",
            StartedUtc = clock.GetUtcNow() - clock.GetElapsedTime(client.StartedAt),
            EndedAt = clock.GetTimestamp(),
        }, worker);
    }

    /// <summary>A connection that ended before anything was served on it: its handshake failed, or a network filter refused it.</summary>
    public static void Unserved(ListenerState state, ClientConnection client, string details = "")
    {
        var worker = state.Owner.Worker;
        var clock = worker.Loop.Clock;
        worker.Logs.Record(state.Listener.AccessLogs, client, new()
        {
            Flags = client.Flags,
            Details = details,
            StartedUtc = clock.GetUtcNow() - clock.GetElapsedTime(client.StartedAt),
            EndedAt = clock.GetTimestamp(),
        }, worker);
    }
}
