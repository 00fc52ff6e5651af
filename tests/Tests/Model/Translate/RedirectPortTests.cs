using Mesh.Model.Resources;
using Mesh.Model.Translate;

namespace Mesh.Tests.Model.Translations;

/// <summary>The port in a redirect's location; Gateway API: HTTPRequestRedirectFilter.port.</summary>
public sealed class RedirectPortTests
{
    [Theory]
    [InlineData(8080, false, "", "example.org", null, 8080u)] // the listener's port
    [InlineData(8080, false, "", "", null, 8080u)]
    [InlineData(80, false, "", "example.org", null, 0u)]      // the scheme says it already
    [InlineData(443, true, "", "", null, 0u)]
    [InlineData(8443, true, "", "example.org", null, 8443u)]
    [InlineData(8080, false, "https", "example.org", null, 0u)] // the scheme's own
    [InlineData(8080, false, "", "example.org", 80, 0u)]
    [InlineData(80, false, "", "example.org", 8080, 8080u)]
    public void A_redirect_of_an_HTTPRoute_leads_to_the_port_that_is_written_or_the_schemes_or_the_listeners(
        int listener, bool https, string scheme, string host, int? written, uint expected)
    {
        var redirect = new Redirect(null, null, host, written, scheme.Length == 0 ? Redirect.ListenerPort : null, scheme, 302);
        var context = new RouteContext(MeshConfig.Default, _ => null, _ => null, [], listener, LabelSet.Empty, "", true) { Https = https };

        Assert.Equal(expected, Redirects.Build(redirect, context).PortRedirect);
    }
}
