using System.Net;
using Mesh.Net;

namespace Mesh.Tests.Net.Contract;

/// <summary>What every transport promises beside its connections.</summary>
public abstract class TransportContract
{
    protected abstract IConnectionRig CreateRig();

    private static readonly IPEndPoint AnyPort = new(IPAddress.Loopback, 0);

    [Fact]
    public void Where_nobody_listens_a_connect_is_refused() => With(async (transport, soon) =>
    {
        var acceptor = transport.Listen(AnyPort);
        var address = acceptor.Local;
        acceptor.Close();

        var (connection, status) = await transport.ConnectAsync(address, soon);

        Assert.Null(connection);
        Assert.Equal(IoStatus.Refused, status);
    });

    [Fact]
    public void Connections_are_accepted_in_any_number() => With(async (transport, soon) =>
    {
        var acceptor = transport.Listen(AnyPort);
        var ends = new List<Connection>();
        for (var i = 0; i < 50; i++) ends.Add((await transport.ConnectAsync(acceptor.Local, soon)).Connection!);
        for (var i = 0; i < 50; i++) ends.Add((await acceptor.AcceptAsync(soon)).Connection!);

        Assert.All(ends, e => Assert.True(e.IsOpen));
        foreach (var end in ends) end.Abort();
        acceptor.Close();
    });

    [Fact]
    public void A_wait_for_connections_has_a_deadline() => With(async (transport, _) =>
    {
        var acceptor = transport.Listen(AnyPort);

        var (connection, status) = await acceptor.AcceptAsync(Deadline.After(transport.Loop.Clock, TimeSpan.FromMilliseconds(10)));

        Assert.Null(connection);
        Assert.Equal(IoStatus.TimedOut, status);
        acceptor.Close();
    });

    [Fact]
    public void Closing_the_acceptor_ends_its_wait() => With(async (transport, soon) =>
    {
        var acceptor = transport.Listen(AnyPort);
        var waiting = acceptor.AcceptAsync(soon);
        transport.Loop.Soon(acceptor.Close);

        Assert.Equal(IoStatus.Aborted, (await waiting).Status);
        Assert.Equal(IoStatus.Aborted, (await acceptor.AcceptAsync(soon)).Status);
    });

    [Fact]
    public void A_connect_may_choose_its_source_address() => With(async (transport, soon) =>
    {
        var acceptor = transport.Listen(AnyPort);
        var accepting = acceptor.AcceptAsync(soon);

        var (client, status) = await transport.ConnectAsync(acceptor.Local, soon, new() { Bind = new(IPAddress.Parse("127.0.0.6"), 0) });
        var (server, _) = await accepting;

        Assert.Equal(IoStatus.Ok, status);
        Assert.Equal(IPAddress.Parse("127.0.0.6"), ((IPEndPoint)server!.Addresses.Peer).Address);
        client!.Abort();
        server.Abort();
        acceptor.Close();
    });

    [Theory]
    [InlineData(100)]
    [InlineData(300_000)]
    [InlineData(3_000_000)]
    public void A_relay_carries_both_directions_and_their_ends(int bytes) => With(async (transport, soon) =>
    {
        var acceptor = transport.Listen(AnyPort);
        var (application, accepted) = await PairAsync(transport, acceptor, soon);
        var (dialled, server) = await PairAsync(transport, acceptor, soon);
        var progress = new Relay.Progress();
        var relaying = Relay.RunAsync(accepted, dialled, TimeSpan.FromSeconds(5), progress);

        var question = new byte[bytes];
        new Random(1).NextBytes(question);
        var asking = application.WriteAsync(question, soon);
        var seen = new List<byte>(bytes);
        while (seen.Count < bytes)
        {
            Assert.Equal(IoStatus.Ok, await server.FillAsync(soon));
            seen.AddRange(server.Input.Span);
            server.Input.Consume(server.Input.Length);
        }

        Assert.True(question.AsSpan().SequenceEqual(seen.ToArray()));
        Assert.Equal(IoStatus.Ok, await asking);
        application.ShutdownWrite();
        Assert.Equal(IoStatus.End, await server.FillAsync(soon));
        await server.WriteAsync("answer"u8.ToArray(), soon);
        server.Close();
        Assert.Equal(IoStatus.Ok, await application.FillAsync(soon));

        var outcome = await relaying;
        Assert.Equal(new Relay.Outcome(IoStatus.Ok, false), outcome);
        Assert.Equal((bytes, 6), (progress.BytesUp, progress.BytesDown));
        foreach (var connection in new[] { application, accepted, dialled, server }) connection.Close();
        acceptor.Close();
    });

    [Fact]
    public void A_relay_says_which_side_broke() => With(async (transport, soon) =>
    {
        var acceptor = transport.Listen(AnyPort);
        var (application, accepted) = await PairAsync(transport, acceptor, soon);
        var (dialled, server) = await PairAsync(transport, acceptor, soon);
        var relaying = Relay.RunAsync(accepted, dialled, TimeSpan.FromSeconds(5), new());
        server.Abort();

        Assert.Equal(new Relay.Outcome(IoStatus.Reset, BrokenByUpstream: true), await relaying);
        Assert.Equal(IoStatus.Reset, await application.FillAsync(soon));
        application.Close();
        acceptor.Close();
    });

    [Fact]
    public void A_relay_in_which_nothing_moves_is_given_up() => With(async (transport, soon) =>
    {
        var acceptor = transport.Listen(AnyPort);
        var (application, accepted) = await PairAsync(transport, acceptor, soon);
        var (dialled, server) = await PairAsync(transport, acceptor, soon);

        var outcome = await Relay.RunAsync(accepted, dialled, TimeSpan.FromMilliseconds(30), new());

        Assert.Equal(IoStatus.TimedOut, outcome.Status);
        application.Close();
        server.Close();
        acceptor.Close();
    });

    [Fact]
    public void Datagrams_go_there_and_back() => With(async (transport, soon) =>
    {
        var server = transport.OpenDatagrams(AnyPort);
        var client = transport.OpenDatagrams(AnyPort);
        var buffer = new byte[512];

        Assert.Equal(IoStatus.Ok, client.Send("who?"u8, server.Local));
        var (length, from, status) = await server.ReceiveAsync(buffer, soon);
        Assert.Equal((4, client.Local, IoStatus.Ok), (length, from, status));
        Assert.Equal(IoStatus.Ok, server.Send("me"u8, from!));
        Assert.Equal((2, server.Local, IoStatus.Ok), await client.ReceiveAsync(buffer, soon));
        Assert.Equal(IoStatus.TimedOut, (await client.ReceiveAsync(buffer, Deadline.After(transport.Loop.Clock, TimeSpan.FromMilliseconds(5)))).Status);
        client.Close();
        server.Close();
    });

    private static async ValueTask<(Connection Client, Connection Server)> PairAsync(Transport transport, Acceptor acceptor, Deadline soon)
    {
        var accepting = acceptor.AcceptAsync(soon);
        var (client, _) = await transport.ConnectAsync(acceptor.Local, soon);
        return (client!, (await accepting).Connection!);
    }

    private void With(Func<Transport, Deadline, ValueTask> test)
    {
        using var rig = CreateRig();
        rig.Run(() => test(rig.Loop.Transport, Deadline.After(rig.Loop.Clock, TimeSpan.FromSeconds(10))));
        Assert.Equal(0, rig.Loop.Buffers.RentedBytes);
    }
}
