using Mesh.Net;
using Mesh.Net.Tls;

namespace Mesh.Tests.Net.Contract;

/// <summary>Short sentences over connections.</summary>
internal static class Talk
{
    internal static Deadline Soon(this Connection connection) => Deadline.After(connection.Loop.Clock, TimeSpan.FromSeconds(5));

    /// <summary>A handshake of both sides at once.</summary>
    internal static async ValueTask<(TlsOutcome Client, TlsOutcome Server)> ShakeAsync(
        this IConnectionRig rig, TlsContext client, TlsContext server, string? serverName = null)
    {
        var (near, far) = await rig.PairAsync();
        return await ShakeAsync(client, near, server, far, serverName);
    }

    internal static async ValueTask<(TlsOutcome Client, TlsOutcome Server)> ShakeAsync(
        TlsContext client, Connection near, TlsContext server, Connection far, string? serverName = null)
    {
        var accepting = server.HandshakeAsync(far, far.Soon());
        var connected = await client.HandshakeAsync(near, near.Soon(), serverName);
        return (connected, await accepting);
    }

    /// <summary>One question and one answer, so that tickets and late refusals have come through.</summary>
    internal static async ValueTask<bool> ExchangeAsync(Connection client, Connection server)
    {
        if (await client.WriteAsync("?"u8.ToArray(), client.Soon()) != IoStatus.Ok || await server.FillAsync(server.Soon()) != IoStatus.Ok) return false;

        server.Input.Consume(server.Input.Length);
        if (await server.WriteAsync("!"u8.ToArray(), server.Soon()) != IoStatus.Ok || await client.FillAsync(client.Soon()) != IoStatus.Ok) return false;

        client.Input.Consume(client.Input.Length);
        return true;
    }
}
