using System.Text;
using Mesh.Model.Resources;
using Mesh.Model.Yaml;

namespace Mesh.Tests.Model.Resourcing;

public sealed class FieldsTests
{
    [Theory]
    [InlineData("5s", 5000)]
    [InlineData("1.5s", 1500)]
    [InlineData("250ms", 250)]
    [InlineData("1h30m", 5_400_000)]
    [InlineData("0", 0)]
    [InlineData("-1s", -1000)]
    public void Durations_are_read_as_Go_writes_them(string text, double milliseconds)
    {
        Assert.True(Fields.TryDuration(text, out var span));
        Assert.Equal(milliseconds, span.TotalMilliseconds, 3);
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("s")]
    [InlineData("5 s")]
    [InlineData("5d")]
    [InlineData("99999999999999h")]
    public void What_is_no_duration_is_refused(string text) => Assert.False(Fields.TryDuration(text, out _));

    [Fact]
    public void A_wrong_field_is_told_with_file_line_and_path_and_the_resource_is_refused()
    {
        var node = YamlReader.Read("""
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {name: x}
            spec:
              http:
              - timeout: soon
            """, "my.yaml", out _)[0];

        Assert.Null(ResourceReader.Read(node, out var issues));
        Assert.Equal("my.yaml:6: spec.http[0].timeout: must be a duration such as 5s, 250ms or 1h30m", Assert.Single(issues).ToString());
    }

    [Fact]
    public void Unknown_kinds_are_left_alone()
    {
        var node = YamlReader.Read("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}", "f", out _)[0];
        Assert.Null(ResourceReader.Read(node, out var issues));
        Assert.Empty(issues);
    }

    [Fact]
    public void Json_of_a_watch_reads_like_yaml()
    {
        var json = """{"apiVersion":"v1","kind":"Service","metadata":{"name":"a","namespace":"b"},"spec":{"clusterIP":"1.2.3.4","ports":[{"port":80,"targetPort":"web"}]}}""";
        var service = Assert.IsType<KubeService>(ResourceReader.Read(JsonNodes.Read(Encoding.UTF8.GetBytes(json)), out _));
        Assert.Equal((80, "web", "1.2.3.4"), (service.Ports[0].Port, service.Ports[0].TargetPort, service.ClusterIps[0]));
    }

    [Fact]
    public void Labels_are_equal_by_value_and_select_by_part()
    {
        var some = LabelSet.Of([new("b", "2"), new("a", "1")]);
        Assert.Equal(some, LabelSet.Of([new("a", "1"), new("b", "2")]));
        Assert.True(LabelSet.Of([new("b", "2")]).Selects(some));
        Assert.False(some.Selects(LabelSet.Of([new("b", "2")])));
        Assert.True(LabelSet.Empty.Selects(some));
    }
}
