using Mesh.Http;
using Mesh.Http.H2;
using Mesh.Http.Hpack;

namespace Mesh.Tests.Http;

public sealed class HpackTests
{
    // RFC 7541 appendix C: without Huffman (C.3), with it (C.4), answers that evict (C.5, C.6).
    private static readonly string[][] RequestStories =
    [
        ["828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865", "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565"],
        ["828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf", "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"],
    ];

    private static readonly string[] ResponseStory =
    [
        "4882640258 85aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ];

    [Fact]
    public void The_requests_of_appendix_C_are_read()
    {
        foreach (var story in RequestStories)
        {
            var decoder = new HpackDecoder(4096);

            Assert.Equal(("GET / (www.example.com)", HttpScheme.Http, ""), Request(decoder, story[0]));
            Assert.Equal(("GET / (www.example.com)", HttpScheme.Http, "cache-control: no-cache\n"), Request(decoder, story[1]));
            Assert.Equal(("GET /index.html (www.example.com)", HttpScheme.Https, "custom-key: custom-value\n"), Request(decoder, story[2]));
        }
    }

    [Fact]
    public void The_answers_of_appendix_C_are_read_with_a_table_of_256_bytes()
    {
        var decoder = new HpackDecoder(256);

        var answers = ResponseStory.Select(block => Response(decoder, block)).ToArray();

        Assert.Equal((302, "cache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n"), answers[0]);
        Assert.Equal((307, "cache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n"), answers[1]);
        Assert.Equal((200, "cache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\nlocation: https://www.example.com\ncontent-encoding: gzip\n"
            + "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n"), answers[2]);
    }

    [Theory]
    [InlineData("80")]                 // index 0
    [InlineData("be")]                 // beyond the table
    [InlineData("ff00")]               // 127, beyond the table
    [InlineData("ffffffffff7f")]       // an integer that overflows
    [InlineData("ff8080808000")]       // an integer of too many bytes
    [InlineData("00")]                 // a literal that ends
    [InlineData("000a6162")]           // a name longer than the block
    [InlineData("3fe21f")]             // a table larger than allowed
    [InlineData("8220")]               // a size update behind a field
    [InlineData("202020")]             // three size updates
    [InlineData("04830fffff")]         // Huffman padding of more than seven bits
    [InlineData("048100")]             // Huffman padding that is not ones
    [InlineData("0484ffffffff")]       // the end-of-string code
    [InlineData("7e0161")]             // a name index beyond the table
    public void A_block_that_cannot_be_decoded_is_an_error(string hex)
    {
        var head = new RequestHead();
        var fields = new RequestFields(head, HttpLimits.Default);

        Assert.False(new HpackDecoder(4096).TryDecode(Convert.FromHexString(hex), ref fields));
    }

    [Fact]
    public void A_small_block_cannot_become_a_large_head()
    {
        var decoder = new HpackDecoder(4096);
        var head = new RequestHead();
        var fields = new RequestFields(head, HttpLimits.Default);
        var block = new List<byte> { 0x40, 1, (byte)'x', 0x7F, 0xD3, 0x1E }; // a value of 4050 bytes enters the table
        block.AddRange(new byte[4050].Select(_ => (byte)'v'));
        for (var i = 0; i < 12_000; i++) block.Add(0xBE);

        Assert.True(decoder.TryDecode(block.ToArray(), ref fields));
        Assert.Equal(431, fields.Finish(endStream: true).Status);
        Assert.True(head.Headers.ArenaUsed < 128 * 1024);
    }

    [Fact]
    public void Every_byte_survives_Huffman_coding()
    {
        var random = new Random(7);
        Span<byte> coded = stackalloc byte[1024];
        Span<byte> back = stackalloc byte[2048];
        for (var round = 0; round < 2000; round++)
        {
            var text = new byte[random.Next(0, 200)];
            random.NextBytes(text);
            if (round % 2 == 0) for (var i = 0; i < text.Length; i++) text[i] = (byte)(32 + text[i] % 95);

            var length = Huffman.Encode(text, coded);

            Assert.Equal(Huffman.CodedBytes(text), length);
            Assert.Equal(text.Length, Huffman.Decode(coded[..length], back));
            Assert.True(back[..text.Length].SequenceEqual(text));
        }
    }

    [Fact]
    public void What_the_encoder_writes_the_decoder_reads_for_as_long_as_the_connection_lives()
    {
        var random = new Random(11);
        var encoder = new HpackEncoder();
        var decoder = new HpackDecoder(4096);
        var sent = new RequestHead();
        var room = new byte[256 * 1024];
        for (var message = 0; message < 3000; message++)
        {
            if (message % 100 == 99) encoder.SetPeerMax((uint)random.Next(0, 5000));
            FillRandomly(sent, random);

            var length = HeadWriter.Request(encoder, sent, room);
            var received = new RequestHead();
            var fields = new RequestFields(received, HttpLimits.Default);

            Assert.True(decoder.TryDecode(room.AsSpan(0, length), ref fields));
            Assert.Equal(default, fields.Finish(endStream: true));
            Assert.Equal(sent.ToString(), received.ToString());
            Assert.Equal(sent.Headers.ToString().ToLowerInvariant(), received.Headers.ToString().ToLowerInvariant());
        }
    }

    [Fact]
    public void A_repeated_request_is_a_few_bytes_and_a_secret_never_enters_the_table()
    {
        var encoder = new HpackEncoder();
        var head = new RequestHead();
        head.SetMethod(Method.Post);
        head.SetPath("/pkg.Service/Method"u8);
        head.SetAuthority("backend.demo:8080"u8);
        head.Headers.Append("content-type"u8, "application/grpc"u8);
        head.Headers.Append("user-agent"u8, "grpc-go/1.60"u8);
        head.AcceptsTrailers = true;
        var room = new byte[1024];
        var lengths = Enumerable.Range(0, 3).Select(_ => HeadWriter.Request(encoder, head, room)).ToArray();

        Assert.True(lengths[2] <= 7, $"{lengths[2]} bytes");

        head.Headers.Append("authorization"u8, "Bearer secret"u8);
        for (var i = 0; i < 3; i++) lengths[i] = HeadWriter.Request(encoder, head, room);
        Assert.Equal(lengths[0], lengths[2]);
        Assert.Equal(0x1F, room[lengths[2] - "Bearer secret".Length - 1 - 3]); // literal, never indexed, name index 23
    }

    private static void FillRandomly(RequestHead head, Random random)
    {
        head.Clear();
        head.SetMethod((Method)random.Next(1, 5));
        head.SetPath(H1Probe.Bytes("/" + random.Next(5)));
        head.SetAuthority(H1Probe.Bytes("host" + random.Next(3)));
        for (var i = random.Next(12); i > 0; i--)
        {
            var name = random.Next(3) switch { 0 => "X-Own-" + random.Next(4), 1 => KnownHeaders.Text((KnownHeader)random.Next((int)KnownHeader.Accept, 100)), _ => "b" };
            if (name == "cookie") continue;

            head.Headers.Append(H1Probe.Bytes(name), H1Probe.Bytes(new string((char)('a' + random.Next(3)), random.Next(0, random.Next(10) == 0 ? 3000 : 20))));
        }
    }

    private static (string Line, HttpScheme Scheme, string Fields) Request(HpackDecoder decoder, string hex)
    {
        var head = new RequestHead();
        var fields = new RequestFields(head, HttpLimits.Default);
        Assert.True(decoder.TryDecode(Convert.FromHexString(hex), ref fields));
        Assert.Equal(default, fields.Finish(endStream: true));
        return (head.ToString(), head.Scheme, head.Headers.ToString());
    }

    private static (int Status, string Fields) Response(HpackDecoder decoder, string hex)
    {
        var head = new ResponseHead();
        var fields = new ResponseFields(head, HttpLimits.Default);
        Assert.True(decoder.TryDecode(Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal)), ref fields));
        Assert.Equal(default, fields.Finish(endStream: true, default));
        return (head.Status, head.Headers.ToString());
    }
}
