using System.Text;
using Mesh.Proxy.Config;
using Mesh.Tests.Cases;

namespace Mesh.Tests.Model.Translations;

/// <summary>Resources of a size that nobody writes by hand: what they cost grows with their size and not with its square. Counted in what is allocated, which does not depend on the machine.</summary>
public sealed class LargeResourceTests
{
    private const long Much = 1L << 29;

    [Fact]
    public void Ten_thousand_routes_are_translated_and_read_in_bounded_work()
    {
        var yaml = new StringBuilder("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: default}\nspec:\n  hosts: [a]\n  http:\n");
        for (var i = 0; i < 10_000; i++) yaml.Append($"  - match: [{{uri: {{prefix: /p{i}/}}, headers: {{x: {{exact: v{i}}}}}}}]\n    route: [{{destination: {{host: a}}}}]\n");

        var table = Within(Much, () => RoutesOf(yaml.ToString()));

        Assert.Equal(10_000, table.VirtualHosts.Sum(host => host.Name == "allow_any" ? 0 : host.Routes.Length));
    }

    [Fact]
    public void Ten_thousand_hosts_are_translated_and_read_in_bounded_work()
    {
        var hosts = string.Join(", ", Enumerable.Range(0, 10_000).Select(i => $"h{i}.example"));

        var table = Within(Much, () => RoutesOf($"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a, namespace: default}}\nspec: {{hosts: [{hosts}], http: [{{route: [{{destination: {{host: a}}}}]}}]}}"));

        Assert.Equal(10_000, table.VirtualHosts.Count(host => host.Name.EndsWith(".example:80", StringComparison.Ordinal)));
    }

    private static RouteTable RoutesOf(string yaml)
    {
        var world = new CaseWorld(["service a 80:http v1=10.0.0.1"]);
        world.Apply(yaml);
        Assert.Empty(world.Refused);

        var resource = Assert.Single(world.ForCaller().Routes.All, routes => routes.Name == "80");
        return Assert.IsType<RouteTable>(ResourceFromXds.Decode(resource.TypeUrl, resource.Name, resource.Body).Resource);
    }

    private static T Within<T>(long bytes, Func<T> work)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var result = work();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, bytes);
        return result;
    }
}
