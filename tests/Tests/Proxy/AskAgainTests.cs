using System.Text;
using Mesh.Http;
using Mesh.Http.H2;
using Mesh.Net;
using Mesh.Proxy.Config;

namespace Mesh.Tests.Proxy;

/// <summary>A request that meets a closing connection is asked again only where the upstream has said that it did not take it up.</summary>
public sealed class AskAgainTests
{
    [Theory]
    [InlineData("GET"), InlineData("POST"), InlineData("DELETE")]
    public void A_request_above_the_last_stream_of_a_GOAWAY_is_asked_again_on_another_connection(string method)
    {
        var served = Play(method, (session, stream, io) =>
        {
            FrameWriter.GoAway(io.Output, 1, H2ErrorCode.NoError);
            return true;
        });
        Assert.Equal("200 /1, 200 /2 | 1 /1, 1 /2 refused, 2 /2", served);
    }

    [Theory]
    [InlineData("GET"), InlineData("PUT")]
    public void A_refused_stream_is_asked_again_once(string method)
    {
        var served = Play(method, (session, stream, io) =>
        {
            session.Reset(stream, H2ErrorCode.RefusedStream);
            return false;
        });
        Assert.Equal("200 /1, 503 /2 | 1 /1, 1 /2 refused, 1 /2 refused", served);
    }

    [Theory]
    [InlineData("GET"), InlineData("HEAD"), InlineData("PUT"), InlineData("DELETE"), InlineData("POST")]
    public void An_end_without_a_word_may_come_after_the_work_was_done_and_is_not_asked_again(string method)
    {
        var served = Play(method, (session, stream, io) => true);
        Assert.Equal("200 /1, 503 /2 | 1 /1, 1 /2 refused", served);
    }

    [Theory]
    [InlineData("GET"), InlineData("DELETE")]
    public void A_GOAWAY_that_counts_the_request_among_those_taken_up_is_not_asked_again(string method)
    {
        var served = Play(method, (session, stream, io) =>
        {
            FrameWriter.GoAway(io.Output, 3, H2ErrorCode.NoError);
            return true;
        });
        Assert.Equal("200 /1, 503 /2 | 1 /1, 1 /2 refused", served);
    }

    [Fact]
    public void A_connection_of_HTTP1_that_ends_behind_the_request_is_not_asked_again()
    {
        using var rig = new ProxyRig();
        var asked = 0;
        rig.Server(async wire =>
        {
            while (await wire.ReadHeadAsync() is { Length: > 0 } head)
            {
                asked++;
                if (head.Contains(" /2 ", StringComparison.Ordinal)) return;
                await wire.WriteAsync("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            }
        });
        rig.Serve(cluster: cluster => cluster with { Protocol = UpstreamProtocol.Http1 });

        Assert.StartsWith("HTTP/1.1 200", rig.Call("GET /1 HTTP/1.1\r\nhost: shop\r\n\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 503", rig.Call("DELETE /2 HTTP/1.1\r\nhost: shop\r\n\r\n"), StringComparison.Ordinal);
        Assert.Equal(2, asked);
    }

    /// <summary>Two requests one after the other; the second one's stream on the first connection meets <paramref name="onSecond"/>, which says whether the connection ends then. The route has no retries.</summary>
    private static string Play(string method, Func<H2Session, H2Stream, Connection, bool> onSecond)
    {
        using var rig = new ProxyRig();
        var (answers, seen, connections) = (new List<string>(), new List<string>(), 0);
        rig.Server(async wire =>
        {
            var number = ++connections;
            var io = wire.Connection;
            var session = new H2Session(H2Role.Server, H2Settings.Default, HttpLimits.Default, io.Output, new H2StreamPool());
            io.FlushSoon();
            do
            {
                if (Serve()) return;
            }
            while (await io.FillAsync(Deadline.Never) == IoStatus.Ok);

            bool Serve()
            {
                var ends = false;
                var input = io.Input.Span;
                var length = input.Length;
                while (session.Read(ref input, 0) is { Kind: not H2EventKind.None } happened)
                {
                    if (happened.Kind != H2EventKind.Request) continue;

                    var stream = happened.Stream!;
                    var path = Encoding.ASCII.GetString(stream.Request.Path);
                    if (number == 1 && path == "/2")
                    {
                        seen.Add($"{number} {path} refused");
                        ends = onSecond(session, stream, io);
                        continue;
                    }
                    seen.Add($"{number} {path}");
                    session.SendResponse(stream, new ResponseHead { Status = 200, Body = BodyFraming.None }, true);
                    session.Release(stream);
                }
                io.Input.Consume(length - input.Length);
                io.FlushSoon();
                return ends;
            }
        });
        rig.Serve(cluster: cluster => cluster with { Protocol = UpstreamProtocol.Http2 });

        foreach (var path in (string[])["/1", "/2"])
        {
            var answer = rig.Call($"{method} {path} HTTP/1.1\r\nhost: shop\r\n{(method is "POST" or "PUT" ? "content-length: 0\r\n" : "")}connection: close\r\n\r\n");
            answers.Add($"{answer[9..12]} {path}");
        }
        return $"{string.Join(", ", answers)} | {string.Join(", ", seen)}";
    }
}
