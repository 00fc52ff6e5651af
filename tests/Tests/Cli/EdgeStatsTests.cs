using Mesh.Cli.Demo;

namespace Mesh.Tests.Cli;

public sealed class EdgeStatsTests
{
    private const string Labels = """reporter="source",source_workload="frontend-v1",destination_service_name="backend",destination_version="v1",source_principal="spiffe://cluster.local/ns/demo/sa/frontend",destination_principal="spiffe://cluster.local/ns/demo/sa/backend" """;

    [Fact]
    public void Requests_of_the_same_edge_are_summed_and_server_errors_and_lost_answers_are_failures()
    {
        var edge = Read($$"""
            # TYPE istio_requests_total counter
            istio_requests_total{{{Labels}},response_code="200"} 90
            istio_requests_total{{{Labels}},response_code="503"} 7
            istio_requests_total{{{Labels}},response_code="0"} 3
            istio_requests_total{{{Labels}},response_code="404"} 1
            """);

        Assert.Equal((101, 10), (edge.Requests, edge.Failures));
        Assert.True(edge.IsMutualTls);
        Assert.Equal("spiffe://cluster.local/ns/demo/sa/backend", edge.DestinationIdentity);
    }

    [Fact]
    public void One_request_to_a_peer_without_identity_takes_the_edge_its_mutual_tls()
    {
        var edge = Read($$"""
            istio_requests_total{{{Labels}},response_code="200"} 90
            istio_requests_total{{{Labels.Replace("spiffe://cluster.local/ns/demo/sa/backend", "unknown")}},response_code="200"} 1
            """);

        Assert.False(edge.IsMutualTls);
    }

    [Theory]
    [InlineData(0.50, 1.0)]
    [InlineData(0.75, 3.0)]
    [InlineData(0.99, 25.0)]
    public void Percentiles_are_linear_within_a_bucket(double share, double expectedMs)
    {
        var edge = Read($$"""
            istio_request_duration_milliseconds_bucket{{{Labels}},le="1"} 50
            istio_request_duration_milliseconds_bucket{{{Labels}},le="5"} 100
            istio_request_duration_milliseconds_bucket{{{Labels}},le="25"} 100
            istio_request_duration_milliseconds_bucket{{{Labels}},le="+Inf"} {{(share > 0.9 ? 1000 : 100)}}
            """);

        Assert.Equal(expectedMs, edge.PercentileMs(share)!.Value, 3);
    }

    [Fact]
    public void The_servers_view_of_the_same_requests_is_not_counted_again()
    {
        var stats = new EdgeStats();
        stats.Add($$"""istio_requests_total{{{Labels.Replace("source\",source_w", "destination\",source_w")}},response_code="200"} 90""");
        Assert.Empty(stats.Edges);
    }

    [Theory]
    [InlineData("""a{x="say \"hi\"\n",y=""} 1.5 1700000000""", "say \"hi\"\n", 1.5)]
    [InlineData("""a{x="}"} +Inf""", "}", double.PositiveInfinity)]
    public void A_line_of_the_text_format_is_read_with_its_escapes(string line, string x, double value)
    {
        Assert.True(Sample.TryRead(line, out var sample));
        Assert.Equal((x, value), (sample.Label("x"), sample.Value));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a{x=\"1\"")]
    [InlineData("a{x=1} 2")]
    [InlineData("a{x=\"")]
    [InlineData("a nonsense")]
    public void What_is_no_sample_is_passed_over(string line) => Assert.False(Sample.TryRead(line, out _));

    private static Edge Read(string text)
    {
        var stats = new EdgeStats();
        stats.Add(text);
        return Assert.Single(stats.Edges);
    }
}
