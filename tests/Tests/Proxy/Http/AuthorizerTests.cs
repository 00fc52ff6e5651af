using System.Net;
using System.Text;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Security;

namespace Mesh.Tests.Proxy.Http;

/// <summary>A request, an authorizer over HTTP, and the server behind. Istio: external authorization.</summary>
public sealed class AuthorizerTests
{
    private static readonly IPEndPoint Authorizer = new(IPAddress.Loopback, 9191);

    [Theory]
    [InlineData(16, false, "HTTP/1.1 200 "), InlineData(17, false, "HTTP/1.1 413 "), InlineData(40, false, "HTTP/1.1 413 "), InlineData(40, true, "HTTP/1.1 200 ")]
    public void A_body_longer_than_the_authorizer_may_hear_is_refused_unless_its_beginning_will_do(int length, bool allowPartial, string answer)
    {
        var settings = Settings() with { Body = new(16, allowPartial, false) };
        var body = new string('y', length);
        var whole = Call(settings, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", $"POST / HTTP/1.1\r\nHost: a\r\ncontent-length: {length}\r\n\r\n{body}", out var asked);
        var chunked = Call(settings, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", $"POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n", out _);
        Assert.StartsWith(answer, whole);
        Assert.StartsWith(answer, chunked);
        if (answer.Contains("413", StringComparison.Ordinal)) Assert.Empty(asked);
        else Assert.Contains("content-length: 16\r\n", asked);
    }

    [Fact]
    public void What_an_authorizer_says_over_gRPC_about_fields_and_the_host_is_done()
    {
        static FieldWriter Field(string name, string value, bool append) => new FieldWriter().Message(1, new FieldWriter().Text(1, name).Text(2, value)).Message(2, new FieldWriter().Varint(1, append ? 1UL : 0));
        var message = new FieldWriter().Message(1, new FieldWriter()).Message(3, new FieldWriter()
            .Message(2, Field("host", "other.test", false)).Message(2, Field("x-team", "b", true)).Message(2, Field("x-user", "bob", false)).Text(5, "x-secret")
            .Message(6, Field("connection-id", "mine", false)).Entry(7, "user", "bob").Text(8, "token")).ToArray();
        var verdict = $"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 0\r\ncontent-length: {5 + message.Length}\r\n\r\n\0\0\0\0{(char)message.Length}{Encoding.Latin1.GetString(message)}";
        var seen = Call(Settings() with { UseGrpc = true }, verdict, "GET /?a=%20&user=eve&token=x HTTP/1.1\r\nHost: a\r\nx-team: a\r\nx-user: eve\r\nx-secret: 1\r\n\r\n", out _);
        foreach (var field in (string[])["host: other.test", "x-team: a,b", "x-user: bob"]) Assert.Contains($"\r\n{field}\r\n", seen);
        Assert.Contains("GET /?a=%20&user=bob HTTP/1.1\r\n", seen);
        Assert.Single(seen.Split("\r\n"), line => line.StartsWith("connection-id:", StringComparison.Ordinal) && line.EndsWith("mine", StringComparison.Ordinal));
        foreach (var gone in (string[])["host: a\r\n", "eve", "x-secret"]) Assert.DoesNotContain(gone, seen);
    }

    [Theory]
    [InlineData("x-team: a\r\n", "x-team: a,b\r\n"), InlineData("", null)]
    public void What_is_appended_is_joined_to_what_the_caller_sent(string sent, string? seen)
    {
        var settings = Settings() with { AllowedUpstreamHeadersToAppend = [StringMatch.Exact("x-team")] };
        var echo = Call(settings, "HTTP/1.1 200 OK\r\nx-team: b\r\ncontent-length: 0\r\n\r\n", $"GET / HTTP/1.1\r\nHost: a\r\n{sent}\r\n", out _);
        if (seen is null) Assert.DoesNotContain("x-team", echo);
        else Assert.Contains(seen, echo);
    }

    private static ExternalAuthorizationSettings Settings() => new() { Service = new("authz", TimeSpan.FromSeconds(1)) };

    private static string Call(ExternalAuthorizationSettings settings, string verdict, string request, out string asked)
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        var heard = "";
        rig.Server(async wire =>
        {
            while (await wire.ReadHeadAsync() is { Length: > 0 } head)
            {
                heard = head;
                var length = head.Split("\r\n").FirstOrDefault(line => line.StartsWith("content-length: ", StringComparison.Ordinal))?["content-length: ".Length..] ?? "0";
                await wire.ReadAsync(int.Parse(length, System.Globalization.CultureInfo.InvariantCulture));
                await wire.WriteAsync(verdict);
            }
        }, Authorizer);
        rig.Serve(http: s => s with { Filters = [new ExternalAuthorizationFilter("ext", settings)] });
        rig.Use(rig.Snapshot with
        {
            Clusters = rig.Snapshot.Clusters.Add("authz", new()
            {
                Name = "authz", Endpoints = new() { Name = "authz", Localities = [new() { Endpoints = [new() { Address = SocketTarget.At(Authorizer) }] }] },
            }),
        });
        var answer = rig.Call(request);
        asked = heard;
        return answer;
    }
}
