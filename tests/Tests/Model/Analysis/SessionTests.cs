using Mesh.Model.Analysis;

namespace Mesh.Tests.Model.Analysis;

public sealed class SessionTests
{
    [Theory]
    [InlineData("istio.io/persistent-session", true)]
    [InlineData("istio.io/persistent-session-header", true)]
    [InlineData("istio.io/other", false)]
    public void A_label_that_asks_for_sessions_is_told_to_have_no_effect(string label, bool isTold)
    {
        var resources = new ResourceSet();
        Assert.Empty(new ResourceReader(resources, "default").Read(
            $"{{apiVersion: v1, kind: Service, metadata: {{name: cart, namespace: shop, labels: {{{label}: sid}}}}, spec: {{selector: {{app: cart}}, ports: [{{name: http, port: 80}}]}}}}", "cart.yaml"));

        var told = Analyst.Analyze(resources, TimeProvider.System, new()).Where(message => message.Type.Code == "MESH0003");

        Assert.Equal(isTold ? [$"The label {label} of the service has no effect: proxies of this mesh do not keep a caller at the endpoint that first answered it."] : [], told.Select(message => message.Text));
    }
}
