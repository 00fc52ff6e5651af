using Mesh.Http;
using Mesh.Http.Grpc;

namespace Mesh.Tests.Http;

public sealed class GrpcTests
{
    [Theory]
    [InlineData("1S", 1000)]
    [InlineData("100m", 100)]
    [InlineData("2M", 120_000)]
    [InlineData("1H", 3_600_000)]
    [InlineData("99999999m", 99_999_999)]
    [InlineData("0S", 0)]
    public void A_timeout_is_read_and_written_back(string text, double milliseconds)
    {
        Assert.True(GrpcTimeout.TryParse(H1Probe.Bytes(text), out var timeout));
        Assert.Equal(milliseconds, timeout.TotalMilliseconds);

        var room = new byte[9];
        Assert.True(GrpcTimeout.TryParse(room.AsSpan(0, GrpcTimeout.Write(timeout, room)), out var again));
        Assert.Equal(timeout, again);
    }

    [Theory]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("1")]
    [InlineData("-1S")]
    [InlineData("+1S")]
    [InlineData("1 S")]
    [InlineData("1s")]
    [InlineData("123456789S")]
    public void What_is_no_timeout_is_passed_over(string text) => Assert.False(GrpcTimeout.TryParse(H1Probe.Bytes(text), out _));

    [Fact]
    public void Nanoseconds_are_never_rounded_to_none()
    {
        Assert.True(GrpcTimeout.TryParse("1n"u8, out var timeout));
        Assert.Equal(1, timeout.Ticks);
    }

    [Theory]
    [InlineData("upstream request timeout", "upstream request timeout")]
    [InlineData("50% \u00e9\n", "50%25 %C3%A9%0A")]
    public void A_message_is_percent_encoded(string message, string expected)
    {
        var headers = new Headers();
        GrpcMessage.Set(headers, message);

        Assert.Equal(expected, headers.GetText(KnownHeader.GrpcMessage));
        Assert.Equal(message, GrpcMessage.Decode(headers.Get(KnownHeader.GrpcMessage)));
    }

    [Fact]
    public void Messages_are_counted_however_the_bytes_are_split()
    {
        var bytes = new List<byte>();
        foreach (var length in new[] { 0, 1, 300, 5, 0, 70_000 })
        {
            bytes.AddRange([0, (byte)(length >> 24), (byte)(length >> 16), (byte)(length >> 8), (byte)length]);
            bytes.AddRange(new byte[length]);
        }

        foreach (var piece in new[] { 1, 2, 3, 4, 5, 6, 7, 100, 1_000_000 })
        {
            var counter = default(GrpcFrameCounter);
            foreach (var part in bytes.ToArray().Chunk(piece)) counter.Add(part);
            Assert.Equal(6, counter.Messages);
        }
    }

    [Fact]
    public void Http_statuses_become_those_of_gRPC()
    {
        Assert.Equal(GrpcStatus.Unavailable, GrpcStatuses.FromHttp(503));
        Assert.Equal(GrpcStatus.Unimplemented, GrpcStatuses.FromHttp(404));
        Assert.Equal(GrpcStatus.Unknown, GrpcStatuses.FromHttp(418));
        Assert.Equal(429, GrpcStatuses.ToHttp(GrpcStatus.ResourceExhausted));
    }
}
