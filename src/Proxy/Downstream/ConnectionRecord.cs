namespace Mesh.Proxy.Downstream;

/// <summary>What is said of a connection that no chain took.</summary>
internal static class ConnectionRecord
{
    public static void NoChain(ListenerState state, ClientConnection client)
    {
        client.Flags = client.Flags.With(ResponseFlag.NR);
        state.Owner.Worker.Counters.ConnectionsWithoutChain++;
    }
}
