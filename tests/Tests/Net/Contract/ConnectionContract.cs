using System.Net;
using Mesh.Net;

namespace Mesh.Tests.Net.Contract;

/// <summary>What every connection promises, whatever is below it. Run over memory, epoll, BCL sockets and both TLS libraries.</summary>
public abstract class ConnectionContract
{
    protected abstract IConnectionRig CreateRig();

    [Fact]
    public void Bytes_arrive_in_order_and_whole() => WithPair(async (client, server, soon) =>
    {
        Assert.Equal(IoStatus.Ok, await client.WriteAsync("hello, "u8.ToArray(), soon));
        Assert.Equal(IoStatus.Ok, await client.WriteAsync("world"u8.ToArray(), soon));

        Assert.Equal("hello, world", await ReadTextAsync(server, 12, soon));
    });

    [Theory]
    [InlineData(1)]
    [InlineData(16 * 1024)]
    [InlineData(300_000)]
    [InlineData(2_000_000)]
    public void Any_amount_goes_both_ways_at_once(int bytes) => WithPair(async (client, server, soon) =>
    {
        var up = Pattern(bytes, 1);
        var down = Pattern(bytes, 2);
        var sendUp = client.WriteAsync(up, soon);
        var sendDown = server.WriteAsync(down, soon);
        var readUp = ReadAsync(server, bytes, soon).AsTask();
        var readDown = ReadAsync(client, bytes, soon).AsTask();

        Assert.Equal(up, await readUp);
        Assert.Equal(down, await readDown);
        Assert.Equal(IoStatus.Ok, await sendUp);
        Assert.Equal(IoStatus.Ok, await sendDown);
    });

    [Fact]
    public void What_is_written_to_output_leaves_at_the_end_of_the_batch() => WithPair(async (client, server, soon) =>
    {
        client.Output.Write("a"u8);
        client.FlushSoon();
        client.Output.Write("b"u8);
        client.FlushSoon();

        Assert.Equal("ab", await ReadTextAsync(server, 2, soon));
        Assert.True(client.Output.IsEmpty);
    });

    [Fact]
    public void Output_goes_before_a_write() => WithPair(async (client, server, soon) =>
    {
        client.Output.Write("head "u8);
        Assert.Equal(IoStatus.Ok, await client.WriteAsync("body"u8.ToArray(), soon));

        Assert.Equal("head body", await ReadTextAsync(server, 9, soon));
    });

    [Fact]
    public void Peeked_bytes_stay_until_consumed() => WithPair(async (client, server, soon) =>
    {
        await client.WriteAsync("abc"u8.ToArray(), soon);
        while (server.Input.Length < 3) Assert.Equal(IoStatus.Ok, await server.FillAsync(soon));
        server.Input.Consume(1);
        await client.WriteAsync("def"u8.ToArray(), soon);

        while (server.Input.Length < 5) Assert.Equal(IoStatus.Ok, await server.FillAsync(soon));
        Assert.Equal("bcdef"u8.ToArray(), server.Input.Span.ToArray());
    });

    [Fact]
    public void Nothing_to_read_is_said_without_waiting() => WithPair((_, server, _) =>
    {
        Assert.Equal(IoStatus.WouldBlock, server.TryFill());
        return ValueTask.CompletedTask;
    });

    [Fact]
    public void A_read_is_given_up_at_its_deadline_and_the_connection_lives_on() => WithPair(async (client, server, soon) =>
    {
        Assert.Equal(IoStatus.TimedOut, await server.FillAsync(In(server, 20)));
        Assert.Equal(IoStatus.TimedOut, await server.FillAsync(new Deadline(0)));

        await client.WriteAsync("x"u8.ToArray(), soon);
        Assert.Equal("x", await ReadTextAsync(server, 1, soon));
    });

    [Fact]
    public void A_half_close_ends_one_direction_only() => WithPair(async (client, server, soon) =>
    {
        client.Output.Write("last"u8);
        client.ShutdownWrite();
        Assert.Equal("last", await ReadTextAsync(server, 4, soon));
        Assert.Equal(IoStatus.End, await server.FillAsync(soon));
        Assert.Equal(IoStatus.End, await server.FillAsync(soon));

        await server.WriteAsync("answer"u8.ToArray(), soon);
        Assert.Equal("answer", await ReadTextAsync(client, 6, soon));
        server.ShutdownWrite();
        Assert.Equal(IoStatus.End, await client.FillAsync(soon));
    });

    [Fact]
    public void An_abort_is_a_reset_at_the_other_end() => WithPair(async (client, server, soon) =>
    {
        client.Abort();
        client.Abort();

        Assert.False(client.IsOpen);
        Assert.Equal(IoStatus.Reset, await server.FillAsync(soon));
        Assert.Equal(IoStatus.Reset, await server.FillAsync(soon));
    });

    [Fact]
    public void Our_own_waits_end_when_we_abort() => WithPair(async (client, server, soon) =>
    {
        var fill = client.FillAsync(soon);
        client.Loop.Soon(client.Abort);

        Assert.Equal(IoStatus.Aborted, await fill);
        Assert.NotEqual(IoStatus.Ok, await client.WriteAsync("x"u8.ToArray(), soon));
        Assert.Equal(IoStatus.Aborted, client.TryFill());
        server.Abort();
    });

    [Fact]
    public void A_writer_waits_for_a_reader_that_does_not_read() => WithPair(async (client, server, soon) =>
    {
        var bytes = Pattern(16 * 1024 * 1024, 3);
        Assert.Equal(IoStatus.TimedOut, await client.WriteAsync(bytes, In(client, 30)));
        Assert.False(client.Output.IsEmpty);

        var flushes = new[] { client.FlushAsync(soon).AsTask(), client.FlushAsync(soon).AsTask() };
        Assert.Equal(bytes, await ReadAsync(server, bytes.Length, soon));
        Assert.Equal(IoStatus.Ok, await flushes[0]);
        Assert.Equal(IoStatus.Ok, await flushes[1]);
    });

    [Fact]
    public void A_reader_that_consumes_nothing_is_told_that_its_queue_is_full() => WithPair(async (client, server, soon) =>
    {
        var write = client.WriteAsync(Pattern(Connection.InputBytesMax + 1, 4), soon);
        while (server.Input.Length < Connection.InputBytesMax) Assert.Equal(IoStatus.Ok, await server.FillAsync(soon));

        Assert.Equal(IoStatus.Full, await server.FillAsync(soon));
        server.Input.Consume(100);
        Assert.Equal(IoStatus.Ok, await server.FillAsync(soon));
        Assert.Equal(IoStatus.Ok, await write);
    });

    [Fact]
    public void A_gentle_close_lets_the_peer_read_the_answer_though_it_still_sends() => WithPair(async (client, server, soon) =>
    {
        var asking = client.WriteAsync(Pattern(100_000, 5), soon);
        await server.FillAsync(soon);
        server.Output.Write("413"u8);
        var closing = server.CloseGentlyAsync(soon);

        Assert.Equal("413", await ReadTextAsync(client, 3, soon));
        Assert.Equal(IoStatus.End, await client.FillAsync(soon));
        Assert.Equal(IoStatus.Ok, await asking);
        client.Close();
        await closing;
        Assert.False(server.IsOpen);
    });

    [Fact]
    public void A_close_sends_what_was_written() => WithPair(async (client, server, soon) =>
    {
        client.Output.Write("bye"u8);
        client.Close();
        client.Close();

        Assert.Equal("bye", await ReadTextAsync(server, 3, soon));
        Assert.Equal(IoStatus.End, await server.FillAsync(soon));
    });

    [Fact]
    public void The_watcher_of_an_idle_connection_hears_of_its_end() => WithPair(async (client, server, soon) =>
    {
        var news = new List<PeerNews>();
        var heard = new LoopSignal(client.Loop);
        Assert.True(client.IsQuiet);
        client.WatchPeer((_, what) =>
        {
            news.Add(what);
            heard.Wake();
        });
        server.Close();

        Assert.Equal(IoStatus.Ok, await heard.WaitAsync(soon));
        Assert.False(client.IsQuiet);
        Assert.Equal([PeerNews.Closed], news);
    });

    [Fact]
    public void The_watcher_hears_of_bytes_when_it_asked_for_them() => WithPair(async (client, server, soon) =>
    {
        var news = new List<PeerNews>();
        var heard = new LoopSignal(client.Loop);
        client.WatchPeer((_, what) =>
        {
            news.Add(what);
            heard.Wake();
        }, bytesToo: true);
        await server.WriteAsync("unasked"u8.ToArray(), soon);

        Assert.Equal(IoStatus.Ok, await heard.WaitAsync(soon));
        Assert.False(client.IsQuiet);
        Assert.Equal([PeerNews.SentBytes], news);
        Assert.Equal("unasked", await ReadTextAsync(client, 7, soon));
    });

    [Fact]
    public void The_watcher_hears_of_an_end_behind_unread_bytes() => WithPair(async (client, server, soon) =>
    {
        var heard = new LoopSignal(client.Loop);
        var news = (PeerNews?)null;
        client.WatchPeer((_, what) =>
        {
            news = what;
            heard.Wake();
        });
        await server.WriteAsync("more"u8.ToArray(), soon);
        Assert.Equal(IoStatus.TimedOut, await heard.WaitAsync(In(client, 20)));
        server.Close();

        Assert.Equal(IoStatus.Ok, await heard.WaitAsync(soon));
        Assert.Equal(PeerNews.Closed, news);
        Assert.Equal("more", await ReadTextAsync(client, 4, soon));
        Assert.Equal(IoStatus.End, await client.FillAsync(soon));
    });

    [Fact]
    public void Both_ends_know_the_same_addresses() => WithPair((client, server, _) =>
    {
        Assert.Equal(client.Addresses.Local, server.Addresses.Peer);
        Assert.Equal(client.Addresses.Peer, server.Addresses.Local);
        Assert.Null(server.Addresses.OriginalDestination);
        return ValueTask.CompletedTask;
    });

    [Fact]
    public void An_idle_connection_holds_no_buffer() => WithPair(async (client, server, soon) =>
    {
        await client.WriteAsync(Pattern(3000, 6), soon);
        await ReadAsync(server, 3000, soon);
        var clientWaits = client.FillAsync(In(client, 10));
        var serverWaits = server.FillAsync(In(server, 10));
        var rented = client.Loop.Buffers.RentedBytes;
        await clientWaits;
        await serverWaits;

        Assert.Equal(0, rented);
    });

    protected static Deadline In(Connection connection, int milliseconds) =>
        Deadline.After(connection.Loop.Clock, TimeSpan.FromMilliseconds(milliseconds));

    protected static byte[] Pattern(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    protected static async ValueTask<byte[]> ReadAsync(Connection connection, int count, Deadline deadline)
    {
        var result = new byte[count];
        var at = 0;
        while (true)
        {
            var take = Math.Min(connection.Input.Length, count - at);
            connection.Input.Span[..take].CopyTo(result.AsSpan(at));
            connection.Input.Consume(take);
            at += take;
            if (at == count) return result;

            Assert.Equal(IoStatus.Ok, await connection.FillAsync(deadline));
        }
    }

    protected static async ValueTask<string> ReadTextAsync(Connection connection, int count, Deadline deadline) =>
        System.Text.Encoding.UTF8.GetString(await ReadAsync(connection, count, deadline));

    protected void WithPair(Func<Connection, Connection, Deadline, ValueTask> test)
    {
        using var rig = CreateRig();
        rig.Run(async () =>
        {
            var (client, server) = await rig.PairAsync();
            await test(client, server, In(client, 10_000));
            client.Abort();
            server.Abort();
        });
        Assert.Equal(0, rig.Loop.Buffers.RentedBytes);
    }
}
