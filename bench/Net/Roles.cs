using System.Net;
using System.Text;
using Mesh.Net;
using Mesh.Net.Tls;
using Mesh.Net.Tls.OpenSsl;

namespace Mesh.NetBench;

/// <summary>What a process of the benchmark does.</summary>
/// <param name="resumes">TLS sessions are kept and taken up again.</param>
internal sealed class Roles(Loop loop, string folder, bool resumes)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly byte[] Question = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n"u8.ToArray();
    private static readonly byte[] Answer = Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" + new string('x', 1024));

    private readonly OpenSslProvider _provider = new(TimeProvider.System);
    private TlsContext? _client;
    private TlsContext? _server;

    private Deadline Soon => Deadline.After(loop.Clock, Patience);

    internal async ValueTask ServeAsync(int port, Func<Connection, ValueTask> serve)
    {
        var acceptor = loop.Transport.Listen(new IPEndPoint(IPAddress.Any, port), new() { Backlog = 4096 });
        while ((await acceptor.AcceptAsync(Deadline.Never)).Connection is { } connection) _ = serve(connection);
    }

    /// <summary>The least that is HTTP/1.1: every head is answered with one kilobyte.</summary>
    internal async ValueTask AnswerAsync(Connection connection)
    {
        while (await connection.FillAsync(Soon) == IoStatus.Ok)
        {
            while (connection.Input.Span.IndexOf("\r\n\r\n"u8) is var end and >= 0)
            {
                connection.Input.Consume(end + 4);
                connection.Output.Write(Answer);
            }

            if (await connection.FlushAsync(Soon) != IoStatus.Ok) break;
        }

        connection.Close();
    }

    internal async ValueTask DiscardAsync(Connection connection)
    {
        while (await connection.FillAsync(Soon) == IoStatus.Ok) connection.Input.Consume(connection.Input.Length);
        connection.Close();
    }

    internal async ValueTask AnswerSecuredAsync(Connection client)
    {
        if ((await Server.HandshakeAsync(client, Soon)).Connection is { } secured) await AnswerAsync(secured);
    }

    internal async ValueTask RelayAsync(Connection client, int target) => await JoinAsync(client, await ConnectAsync(target));

    internal async ValueTask RelaySecuredOutAsync(Connection client, int target) => await JoinAsync(client, await ConnectSecuredAsync(target));

    internal async ValueTask RelaySecuredInAsync(Connection client, int target)
    {
        if ((await Server.HandshakeAsync(client, Soon)).Connection is { } secured) await JoinAsync(secured, await ConnectAsync(target));
    }

    /// <summary>One new connection after the other, each with a mutual handshake and one request. Where sessions are taken up again, all but the first must be.</summary>
    internal async ValueTask ShakeAsync(int port, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var connection = await ConnectSecuredAsync(port) ?? throw new IOException($"handshake {i} failed");
            if (resumes && i > 0 && connection is TlsConnection { IsResumed: false }) throw new IOException($"handshake {i} was a full one");

            await connection.WriteAsync(Question, Soon);
            if (await connection.FillAsync(Soon) != IoStatus.Ok) throw new IOException($"no answer after handshake {i}");

            connection.Close();
        }
    }

    internal async ValueTask PushAsync(int port, int megabytes)
    {
        var connection = await ConnectAsync(port) ?? throw new IOException("no connection");
        var block = new byte[256 * 1024];
        for (var i = 0; i < megabytes * 4; i++) await connection.WriteAsync(block, Soon);
        connection.ShutdownWrite();
        await connection.FillAsync(Soon);
    }

    /// <summary>Opens so many connections, says so, and holds them.</summary>
    internal async ValueTask HoldAsync(int port, int count, bool isSecured)
    {
        for (var i = 0; i < count; i++)
        {
            var connection = (isSecured ? await ConnectSecuredAsync(port) : await ConnectAsync(port)) ?? throw new IOException($"connection {i} failed");
            _ = connection.FillAsync(Deadline.Never);
        }

        Console.WriteLine("open");
        await loop.WaitUntil(Deadline.Never);
    }

    private TlsContext Client => _client ??= _provider.CreateContext(Settings(TlsSide.Client));

    private TlsContext Server => _server ??= _provider.CreateContext(Settings(TlsSide.Server));

    private TlsSettings Settings(TlsSide side) => new()
    {
        Side = side,
        Resumption = resumes,
        Certificates = [new(File.ReadAllBytes(Path.Combine(folder, "leaf.pem")), File.ReadAllBytes(Path.Combine(folder, "leaf.key")))],
        TrustedRootsPem = File.ReadAllBytes(Path.Combine(folder, "ca.pem")),
        ClientCertificate = ClientCertificate.Required,
    };

    private async ValueTask<Connection?> ConnectAsync(int port) =>
        (await loop.Transport.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), Soon)).Connection;

    private async ValueTask<Connection?> ConnectSecuredAsync(int port) =>
        await ConnectAsync(port) is { } plain ? (await Client.HandshakeAsync(plain, Soon, "bench")).Connection : null;

    private static async ValueTask JoinAsync(Connection client, Connection? target)
    {
        if (target is not null) await Relay.RunAsync(client, target, Patience, new());
        target?.Close();
        client.Close();
    }
}
