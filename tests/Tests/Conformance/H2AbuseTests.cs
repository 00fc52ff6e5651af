using Mesh.Http.H2;

namespace Mesh.Tests.Conformance;

/// <summary>What a client may do to a server that costs it nothing: smuggling through a downgrade, floods, bombs.</summary>
public sealed class H2AbuseTests
{
    [Theory]
    [InlineData("H00 a plain request", "headers 1 es eh get", "alive 1+8")]
    [InlineData("H01 content-length 0 and a request in DATA", "headers 1 eh post @content-length=0;data 1 es 'GET'", "RST 1 ProtocolError")]
    [InlineData("H02 content-length beyond DATA", "headers 1 eh post @content-length=50;data 1 es 'x'", "RST 1 ProtocolError")]
    [InlineData("H02b content-length and no DATA", "headers 1 es eh post @content-length=5", "RST 1 ProtocolError")]
    [InlineData("H02c two content-lengths", "headers 1 eh post @content-length=1 @content-length=1;data 1 es 'x'", "RST 1 ProtocolError")]
    [InlineData("H02d content-length +1", "headers 1 eh post @content-length=+1;data 1 es 'x'", "RST 1 ProtocolError")]
    [InlineData("H06 CRLF in a value", "headers 1 es eh get @x=a\\r\\nb:c", "RST 1 ProtocolError")]
    [InlineData("H07 NUL in a value", "headers 1 es eh get @x=a\\0b", "RST 1 ProtocolError")]
    [InlineData("H08 CRLF in a name", "headers 1 es eh get @x\\r\\n=1", "RST 1 ProtocolError")]
    [InlineData("H08 colon in a name", "headers 1 es eh get @x:y=1", "RST 1 ProtocolError")]
    [InlineData("H08 space in a name", "headers 1 es eh get @x_y=1", "RST 1 ProtocolError")]
    [InlineData("H09 injection by :method", "headers 1 es eh @:method=GET_/x_HTTP/1.1 8684410161", "RST 1 ProtocolError")]
    [InlineData("H09 injection by :path", "headers 1 es eh 8286 @:path=/_HTTP/1.1\\r\\nx:y 410161", "RST 1 ProtocolError")]
    [InlineData("H09 injection by :authority", "headers 1 es eh 828684 @:authority=a\\r\\nx:y", "RST 1 ProtocolError")]
    [InlineData("H09 space in :path", "headers 1 es eh 8286 @:path=/_x 410161", "RST 1 ProtocolError")]
    [InlineData("H09 user information in :authority", "headers 1 es eh 828684 @:authority=good@evil", "RST 1 ProtocolError")]
    [InlineData("H10 :path that begins with something else", "headers 1 es eh 8286 @:path=x 410161", "RST 1 ProtocolError")]
    [InlineData("H10 :path of a whole URL", "headers 1 es eh 8286 @:path=http://a/ 410161", "RST 1 ProtocolError")]
    [InlineData("H12 host beside :authority is dropped", "headers 1 es eh get @host=evil", "alive 1+8")]
    [InlineData("H12 neither host nor :authority", "headers 1 es eh 828684", "REFUSED 400")]
    [InlineData("H13 two hosts and no :authority", "headers 1 es eh 828684 @host=a @host=b", "RST 1 ProtocolError")]
    [InlineData("H14 OPTIONS *", "headers 1 es eh @:method=OPTIONS 86 @:path=* 410161", "REFUSED 404")]
    [InlineData("H15 CONNECT with a path", "headers 1 eh @:method=CONNECT 8684410161", "RST 1 ProtocolError")]
    [InlineData("H15 :protocol without CONNECT", "headers 1 eh get @:protocol=websocket", "RST 1 ProtocolError")]
    [InlineData("H22 more fields than the limit", "headers 1 es eh get @a=1 @a=1 @a=1 @a=1 @a=1 @a=1 @a=1 @a=1 @a=1 @a=1", "alive 1+8")]
    public void A_request_that_would_change_on_its_way_never_goes_on_it(string name, string script, string expected)
    {
        Assert.NotEmpty(name);
        Assert.Equal(expected, H2Script.Run(script));
    }

    [Fact]
    public void Too_many_fields_are_answered_431() =>
        Assert.Equal("REFUSED 431", H2Script.Run("headers 1 es eh get " + string.Concat(Enumerable.Repeat("@a=1 ", 101))));

    [Fact]
    public void Too_large_fields_are_answered_431() =>
        Assert.Equal("REFUSED 431", H2Script.Run("headers 1 es eh get 4001787fd31e *4050 " + string.Concat(Enumerable.Repeat("be", 99))));

    [Theory]
    [InlineData("H30 rapid reset", "x20000 headers # eh post;", "GOAWAY")]
    [InlineData("H31 resets that we are made to send", "x300 headers # es eh get @X=1", "RST 1 ProtocolError")]
    [InlineData("H37 PING flood", "x100000 ping", "GOAWAY EnhanceYourCalm")]
    [InlineData("H38 SETTINGS flood", "x50000 settings", "GOAWAY EnhanceYourCalm")]
    [InlineData("H38b SETTINGS of many entries", "settings 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0 9=0", "GOAWAY EnhanceYourCalm")]
    [InlineData("H39 CONTINUATION flood", "headers 1 get;x200 continuation 1 0f", "GOAWAY EnhanceYourCalm")]
    [InlineData("H40 empty CONTINUATION flood", "headers 1 get;x200 continuation 1", "GOAWAY EnhanceYourCalm")]
    [InlineData("H41 empty DATA flood", "headers 1 eh post;x100 data 1", "GOAWAY EnhanceYourCalm")]
    [InlineData("H42 PRIORITY flood", "x1000 priority 1 +0 01", "GOAWAY EnhanceYourCalm")]
    [InlineData("H43 WINDOW_UPDATE flood", "headers 1 eh post;x1000 window 1 1", "GOAWAY EnhanceYourCalm")]
    [InlineData("H44 a flood of unknown frames", "x1000 frame 200 00 0", "GOAWAY EnhanceYourCalm")]
    public void A_flood_ends_the_connection(string name, string script, string expected)
    {
        Assert.NotEmpty(name);
        if (expected == "GOAWAY") script = string.Concat(Enumerable.Range(0, 2000).Select(i => $"headers {2 * i + 1} eh post;rst {2 * i + 1} +8;"));
        Assert.StartsWith(expected, H2Script.Run(script, stepMs: 0));
    }

    [Fact]
    public void Resets_that_the_server_is_made_to_send_are_counted_too()
    {
        var ids = Enumerable.Range(0, 300).Select(i => 2 * i + 1).ToArray();

        var many = H2Script.RunAll(string.Concat(ids.Select(id => $"headers {id} eh post;window {id} 0;")), stepMs: 0);
        var few = H2Script.RunAll(string.Concat(ids.Take(150).Select(id => $"headers {id} eh post;window {id} 0;")), stepMs: 0);

        Assert.Equal(("GOAWAY EnhanceYourCalm", 201), (many[^1], many.Count));
        Assert.Equal(("RST 299 ProtocolError", 150), (few[^1], few.Count));
    }

    [Fact]
    public void A_client_that_cancels_now_and_then_is_left_alone()
    {
        var script = string.Concat(Enumerable.Range(0, 400).Select(i => $"headers {2 * i + 1} eh post;rst {2 * i + 1} +8;headers {2 * i + 801} es eh get;"));

        Assert.StartsWith("alive", H2Script.Run(string.Concat(Enumerable.Range(0, 1000).Select(i => i % 5 == 0 ? $"headers {2 * i + 1} eh post;rst {2 * i + 1} +8;" : $"headers {2 * i + 1} es eh get;")), stepMs: 100));
        Assert.StartsWith("GOAWAY", H2Script.Run(script, stepMs: 0));
    }

    [Fact]
    public void A_client_that_measures_the_line_with_a_PING_for_each_answer_is_left_alone() =>
        Assert.StartsWith("alive", H2Script.Run(string.Concat(Enumerable.Range(0, 900).Select(i => $"headers {2 * i + 1} es eh get;ping;")), stepMs: 0));

    [Fact]
    public void Streams_beyond_the_limit_are_refused_and_the_rest_is_served()
    {
        var script = string.Concat(Enumerable.Range(0, 105).Select(i => $"headers {2 * i + 1} eh post;"));

        Assert.Equal(["RST 201 RefusedStream", "RST 203 RefusedStream", "RST 205 RefusedStream", "RST 207 RefusedStream", "RST 209 RefusedStream"], H2Script.RunAll(script));
    }

    [Fact]
    public void A_stream_that_overruns_its_window_is_reset_and_a_connection_that_does_ends()
    {
        Assert.Equal("RST 1 FlowControlError", H2Script.Run("headers 1 eh post;x5 data 1 *16384", consumes: false));
        Assert.Equal("GOAWAY FlowControlError", H2Script.Run("headers 1 eh post;headers 3 eh post;x5 data 1 *16384",
            new H2Settings { InitialWindowBytes = 100_000, ConnectionWindowBytes = 70_000 }, consumes: false));
    }

    [Fact]
    public void Answers_that_are_never_read_do_not_pile_up()
    {
        var patient = new H2Settings { PingBurst = 1_000_000 };

        Assert.Equal("GOAWAY EnhanceYourCalm", H2Script.Run("x2000 ping", patient));
    }
}
