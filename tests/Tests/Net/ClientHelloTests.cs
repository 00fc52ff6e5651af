using CsCheck;
using Mesh.Net;
using Mesh.Net.Tls;
using Mesh.Net.Tls.OpenSsl;
using Mesh.Sim.Net;

namespace Mesh.Tests.Net;

public sealed class ClientHelloTests
{
    private static readonly byte[] Hello = Record(["istio", "h2"], "reviews.default.svc.cluster.local");

    [Fact]
    public void The_hello_of_a_real_client_is_read()
    {
        Assert.Equal(HelloVerdict.Hello, ClientHello.TryRead(Hello, out var hello));

        Assert.Equal("reviews.default.svc.cluster.local", hello!.ServerName);
        Assert.Equal(["istio", "h2"], hello.Alpn);
        Assert.Equal([TlsVersion.Tls13, TlsVersion.Tls12], hello.Versions);
    }

    [Fact]
    public void A_client_that_names_nothing_is_read_as_well()
    {
        Assert.Equal(HelloVerdict.Hello, ClientHello.TryRead(Record([], null), out var hello));

        Assert.Null(hello!.ServerName);
        Assert.Empty(hello.Alpn);
    }

    [Fact]
    public void Every_part_of_a_hello_asks_for_more()
    {
        for (var length = 0; length < Hello.Length; length++) Assert.Equal(HelloVerdict.NeedMore, ClientHello.TryRead(Hello.AsSpan(0, length), out _));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(50)]
    public void A_hello_in_many_records_is_the_same_hello(int recordBytes)
    {
        var scattered = Scatter(recordBytes);

        Assert.Equal(HelloVerdict.Hello, ClientHello.TryRead(scattered, out var hello));
        Assert.Equal("reviews.default.svc.cluster.local", hello!.ServerName);
        for (var length = 0; length < scattered.Length; length++) Assert.Equal(HelloVerdict.NeedMore, ClientHello.TryRead(scattered.AsSpan(0, length), out _));
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n")]
    [InlineData("PRI * HTTP/2.0\r\n")]
    [InlineData("\u0016x")]
    [InlineData("\0")]
    public void Other_protocols_are_not_tls(string text) => Assert.Equal(HelloVerdict.NotTls, ClientHello.TryRead(System.Text.Encoding.Latin1.GetBytes(text), out _));

    [Fact]
    public void A_hello_that_announces_too_much_is_refused_at_once()
    {
        byte[] input = [22, 3, 1, 0, 4, 1, 0xFF, 0xFF, 0xFF];

        Assert.Equal(HelloVerdict.Malformed, ClientHello.TryRead(input, out _));
    }

    [Fact]
    public void Empty_records_are_refused() => Assert.Equal(HelloVerdict.Malformed, ClientHello.TryRead([22, 3, 1, 0, 0], out _));

    [Fact]
    public void A_changed_byte_never_throws_and_never_reads_past_the_end() =>
        Gen.Select(Gen.Int[0, Hello.Length - 1], Gen.Byte, Gen.Int[0, Hello.Length]).Holds((at, value, length) =>
        {
            var changed = Hello.ToArray();
            changed[at] = value;
            ClientHello.TryRead(changed.AsSpan(0, length), out _);
        }, cases: 20_000);

    [Fact]
    public void Random_bytes_never_throw() => Gen.Byte.Array[0, 400].Holds(bytes =>
    {
        ClientHello.TryRead(bytes, out _);
        ClientHello.TryRead((byte[])[22, 3, 1, (byte)(bytes.Length >> 8), (byte)bytes.Length, .. bytes], out _);
        ClientHello.TryRead((byte[])[22, 3, 1, 4, 0, 1, 0, (byte)(bytes.Length >> 8), (byte)bytes.Length, .. bytes], out _);
    }, cases: 20_000);

    private static byte[] Scatter(int recordBytes)
    {
        var result = new List<byte>();
        foreach (var piece in Hello[5..].Chunk(recordBytes)) result.AddRange([22, 3, 1, (byte)(piece.Length >> 8), (byte)piece.Length, .. piece]);
        return [.. result];
    }

    // What libssl really sends.
    private static byte[] Record(string[] alpn, string? serverName)
    {
        using var network = new SimNetwork();
        var loop = network.CreateLoop();
        using var context = new OpenSslProvider(network.Clock).CreateContext(new() { Side = TlsSide.Client, Alpn = [.. alpn] });
        byte[] sent = [];
        network.Run(loop, async () =>
        {
            var soon = Deadline.After(loop.Clock, TimeSpan.FromSeconds(1));
            var acceptor = loop.Transport.Listen(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 443));
            var accepting = acceptor.AcceptAsync(soon);
            var (client, _) = await loop.Transport.ConnectAsync(acceptor.Local, soon);
            var (server, _) = await accepting;
            var shaking = context.HandshakeAsync(client!, soon, serverName);
            await server!.FillAsync(soon);
            sent = server.Input.Span.ToArray();
            server.Abort();
            await shaking;
        });
        return sent;
    }
}
