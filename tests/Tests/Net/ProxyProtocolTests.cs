using System.Net;
using System.Text;
using Mesh.Net;

namespace Mesh.Tests.Net;

public sealed class ProxyProtocolTests
{
    [Theory]
    [InlineData("10.1.2.3:56324", "10.4.5.6:443")]
    [InlineData("[2001:db8::1]:1", "[2001:db8::2]:65535")]
    public void Both_versions_read_what_they_wrote(string source, string destination)
    {
        var (from, to) = (IPEndPoint.Parse(source), IPEndPoint.Parse(destination));
        var room = new byte[ProxyProtocol.Version1BytesMax];
        foreach (var length in new[] { ProxyProtocol.WriteVersion1(from, to, room), -1 })
        {
            var bytes = room.AsSpan(0, length > 0 ? length : ProxyProtocol.WriteVersion2(from, to, room)).ToArray();
            for (var cut = 0; cut < bytes.Length; cut++)
                Assert.Equal(ProxyProtocolStatus.NeedMore, ProxyProtocol.TryRead(bytes.AsSpan(0, cut), out _, out _));

            Assert.Equal(ProxyProtocolStatus.Done, ProxyProtocol.TryRead([.. bytes, 1, 2], out var header, out var consumed));
            Assert.Equal((from, to, bytes.Length), (header.Source!, header.Destination!, consumed));
        }
    }

    [Theory]
    [InlineData("PROXY UNKNOWN\r\n")]
    [InlineData("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n")]
    public void An_unknown_peer_is_the_proxy_itself(string line)
    {
        Assert.Equal(ProxyProtocolStatus.Done, ProxyProtocol.TryRead(Encoding.ASCII.GetBytes(line), out var header, out _));
        Assert.Null(header.Source);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n")]
    [InlineData("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n")]
    [InlineData("PROXY TCP4 ::1 ::1 1 2\r\n")]
    [InlineData("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n")]
    [InlineData("PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\u0031\u0011\0\0")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\u0021\u0011\0\u0001x")]
    [InlineData("\r\n\r\nQUIT")]
    public void What_is_no_header_is_refused(string text) =>
        Assert.Equal(ProxyProtocolStatus.NotOne, ProxyProtocol.TryRead(Encoding.Latin1.GetBytes(text), out _, out _));

    [Fact]
    public void A_line_without_end_is_given_up() =>
        Assert.Equal(ProxyProtocolStatus.NotOne, ProxyProtocol.TryRead(Encoding.ASCII.GetBytes("PROXY TCP4 " + new string('1', 200)), out _, out _));
}
