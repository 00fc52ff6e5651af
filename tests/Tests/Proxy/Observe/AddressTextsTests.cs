using System.Net;
using System.Text;
using Mesh.Proxy.Observe;

namespace Mesh.Tests.Proxy.Observe;

public sealed class AddressTextsTests
{
    [Theory]
    [InlineData("10.0.0.1:80")]
    [InlineData("255.255.255.255:65535")]
    [InlineData("[::1]:80")]
    [InlineData("[2001:db8:1111:2222:3333:4444:5555:6666]:65535")]
    public void An_address_reads_the_same_the_first_time_and_the_next(string text)
    {
        var (texts, address) = (new AddressTexts(), IPEndPoint.Parse(text));

        Assert.Equal(text, Encoding.ASCII.GetString(texts.Of(address)));
        Assert.Equal(text, Encoding.ASCII.GetString(texts.Of(address)));
    }

    [Fact]
    public void Addresses_that_share_a_place_are_not_confused()
    {
        var texts = new AddressTexts();
        var addresses = Enumerable.Range(0, 5000).Select(i => new IPEndPoint(new IPAddress([10, 1, (byte)(i / 256), (byte)i]), 1 + i * 13 % 65535)).ToArray();

        for (var round = 0; round < 2; round++)
        {
            foreach (var address in addresses) Assert.Equal(address.ToString(), Encoding.ASCII.GetString(texts.Of(address)));
        }
    }
}
