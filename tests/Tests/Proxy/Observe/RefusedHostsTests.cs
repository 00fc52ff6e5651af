using System.Text;
using Mesh.Proxy.Observe;

namespace Mesh.Tests.Proxy.Observe;

/// <summary>Hosts that REGISTRY_ONLY refused are counted by name, in bounded memory.</summary>
public sealed class RefusedHostsTests
{
    private readonly RefusedHosts hosts = new();

    [Theory]
    [InlineData("Api.Example.com:443", "api.example.com")]
    [InlineData("api.example.com", "api.example.com")]
    [InlineData("[2001:db8::1]:443", "[2001:db8::1]")]
    [InlineData("a\"b} 1\n", "other")]
    [InlineData("", "other")]
    public void A_name_is_counted_without_its_port_and_what_is_no_name_as_other(string authority, string name)
    {
        hosts.Count(Encoding.Latin1.GetBytes(authority));

        var entry = Assert.Single(hosts.All);
        Assert.Equal((name, 1L), (entry.Host, entry.Count));
    }

    [Fact]
    public void Names_beyond_the_bound_share_one_count()
    {
        for (var i = 0; i < 3 * RefusedHosts.HostsMax; i++) hosts.Count($"h{i}.example.com");

        Assert.Equal(RefusedHosts.HostsMax + 1, hosts.All.Count);
        Assert.Equal(2 * RefusedHosts.HostsMax, hosts.All.Single(entry => entry.Host == RefusedHosts.Others).Count);
    }
}
