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
