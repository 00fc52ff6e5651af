using System.Text;
using Mesh.Proxy.Security;

namespace Mesh.Tests.Proxy.Security;

/// <summary>Services asked beside a request name fields for it: what no HTTP field can carry is no answer, so that nobody smuggles in a second field.</summary>
public sealed class AskedServiceMessagesTests
{
    [Theory]
    [InlineData("bob", true)]
    [InlineData("tab\tin it", true)]
    [InlineData("bob\r\nx-admin: yes", false)]
    [InlineData("bob\nx-admin: yes", false)]
    [InlineData("bob\0", false)]
    [InlineData("bob\x7f", false)]
    public void An_authorizers_answer_with_a_value_that_is_none_is_no_permission(string value, bool isAnswer)
    {
        // CheckResponse: ok_response (3) with headers (2) and response_headers_to_add (6).
        foreach (var field in (int[])[2, 6])
            Assert.Equal(isAnswer, AuthorizerMessages.Response(new FieldWriter().Message(3, new FieldWriter().Message(field, Option(value))).ToArray()) is { IsAllowed: true });
        // denied_response (2), whose fields are the caller's.
        var denied = AuthorizerMessages.Response(new FieldWriter().Message(1, new FieldWriter().Varint(1, 7)).Message(2, new FieldWriter().Message(2, Option(value))).ToArray());
        Assert.Equal(isAnswer, denied is { IsAllowed: false });
    }

    [Theory]
    [InlineData("bob", true), InlineData("b%20b", true), InlineData("a b", false), InlineData("a&role=admin", false), InlineData("a#b", false), InlineData("a\r\nx: y", false)]
    public void An_authorizers_query_parameter_that_would_read_as_another_is_no_permission(string value, bool isAnswer) => Assert.Equal(
        isAnswer, AuthorizerMessages.Response(new FieldWriter().Message(3, new FieldWriter().Message(7, new FieldWriter().Text(1, "user").Text(2, value))).ToArray()) is { IsAllowed: true });

    [Fact]
    public void An_authorizers_metadata_is_read_in_all_its_kinds_and_not_deeper_than_32()
    {
        static FieldWriter Entry(string key, FieldWriter value) => new FieldWriter().Text(1, key).Message(2, value);
        static byte[] Answer(FieldWriter metadata) => new FieldWriter().Message(1, new FieldWriter()).Message(4, metadata).ToArray();
        var read = AuthorizerMessages.Response(Answer(new FieldWriter()
            .Message(1, Entry("text", new FieldWriter().Text(3, "t"))).Message(1, Entry("number", new FieldWriter().Fixed64(2, BitConverter.DoubleToUInt64Bits(1.5))))
            .Message(1, Entry("flag", new FieldWriter().Varint(4, 1))).Message(1, Entry("list", new FieldWriter().Message(6, new FieldWriter().Message(1, new FieldWriter().Text(3, "i")))))
            .Message(1, Entry("inner", new FieldWriter().Message(5, new FieldWriter().Message(1, Entry("deep", new FieldWriter().Text(3, "d"))))))))!.Metadata!;
        Assert.Equal(("t", 1.5, true, "i", "d"), (read["text"]!.Text, read["number"]!.Number, read["flag"]!.Flag, read["list"]!.Items!.Value[0].Text, read["inner"]!["deep"]!.Text));

        var nested = new FieldWriter();
        for (var i = 0; i < 40; i++) nested = new FieldWriter().Message(1, Entry("k", new FieldWriter().Message(5, nested)));
        Assert.Null(AuthorizerMessages.Response(Answer(nested)));
        Assert.Null(AuthorizerMessages.Response(new FieldWriter().Message(1, new FieldWriter()).Bytes(4, [0x0A, 0x7F]).ToArray()));
    }

    [Theory]
    [InlineData("7", true)]
    [InlineData("7\r\nset-cookie: a=b", false)]
    public void A_rate_limit_services_answer_with_a_value_that_is_none_is_an_error(string value, bool isAnswer)
    {
        // RateLimitResponse: overall_code (1), response_headers_to_add (3), request_headers_to_add (4).
        foreach (var field in (int[])[3, 4])
            Assert.Equal(isAnswer, RateLimitMessages.Response(new FieldWriter().Varint(1, 1).Message(field, new FieldWriter().Text(1, "x-left").Text(2, value)).ToArray()) is not null);
    }

    private static FieldWriter Option(string value) => new FieldWriter().Message(1, new FieldWriter().Text(1, "x-user").Bytes(3, Encoding.UTF8.GetBytes(value)));
}
