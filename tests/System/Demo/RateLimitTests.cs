using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Mesh.SystemTests.Demo;

/// <summary>Rate limits at a running gateway: its own, and those of a service that counts for all.</summary>
[Collection("demo")]
public sealed class RateLimitTests : IDisposable
{
    private readonly Edge edge = new();

    public void Dispose() => edge.Dispose();

    [Fact]
    public async Task A_RateLimit_refuses_what_is_too_much_for_each_caller_alone_until_it_is_said_to_refuse_nothing()
    {
        edge.Write("limit", Limit(dryRun: false));
        await using var mesh = await edge.RunAsync();
        using var client = edge.Client();

        var answers = new List<(int, string)>();
        for (var i = 0; i < 4; i++) answers.Add(await edge.CallAsync(client, "/paid", ("x-user", "ann")));
        var other = await edge.CallAsync(client, "/paid", ("x-user", "bob"));
        var unlimited = await edge.CallAsync(client, "/", ("x-user", "ann"));

        Assert.Equal([200, 200, 200, 429], answers.Select(answer => answer.Item1));
        Assert.Equal("local_rate_limited", answers[^1].Item2);
        Assert.Equal((200, 200), (other.Status, unlimited.Status));

        edge.Write("limit", Limit(dryRun: true));
        await UntilAsync(mesh, async () => (await edge.CallAsync(client, "/paid", ("x-user", "ann"))).Status == 200);
    }

    [Fact]
    public async Task A_rate_limit_service_is_asked_and_when_it_is_gone_its_failure_mode_counts()
    {
        edge.Write("limit", Filter(failureModeDeny: false));
        var service = await StartServiceAsync();
        await using var mesh = await edge.RunAsync();
        using var client = edge.Client();

        await UntilAsync(mesh, async () => (await edge.CallAsync(client, "/over")).Status == 429);
        Assert.Equal(200, (await edge.CallAsync(client, "/within")).Status);

        await service.DisposeAsync();
        await UntilAsync(mesh, async () => (await edge.CallAsync(client, "/over")).Status == 200);
        edge.Write("limit", Filter(failureModeDeny: true));
        await UntilAsync(mesh, async () => (await edge.CallAsync(client, "/within")).Status == 500);

        await using var again = await StartServiceAsync();
        await UntilAsync(mesh, async () => (await edge.CallAsync(client, "/within")).Status == 200);
        Assert.Equal(429, (await edge.CallAsync(client, "/over")).Status);
    }

    private static async Task UntilAsync(RunningMesh mesh, Func<Task<bool>> isSo)
    {
        while (!await isSo()) mesh.Patience.ThrowIfCancellationRequested();
    }

    private static string Limit(bool dryRun) => $$"""
        apiVersion: mesh.local/v1alpha1
        kind: RateLimit
        metadata: {name: edge, namespace: shop}
        spec:
          selector: {matchLabels: {app: edge} }
          dryRun: {{(dryRun ? "true" : "false")}}
          rules:
          - {name: paid, requests: 3, per: 1h, match: {pathPrefixes: [/paid]}, each: ["header:x-user"]}
        """;

    // As Istio's documentation has it; the answer may take longer than the usual 20 ms where the machine is busy.
    private string Filter(bool failureModeDeny) => $$"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: limits, namespace: shop}
        spec:
          hosts: [limits.test]
          ports: [{number: {{edge.SparePort}}, name: grpc, protocol: GRPC}]
          location: MESH_EXTERNAL
          resolution: STATIC
          endpoints: [{address: 127.0.0.1}]
        ---
        apiVersion: networking.istio.io/v1alpha3
        kind: EnvoyFilter
        metadata: {name: limits, namespace: shop}
        spec:
          workloadSelector: {labels: {app: edge} }
          configPatches:
          - applyTo: HTTP_FILTER
            match: {context: GATEWAY, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router} } } } }
            patch:
              operation: INSERT_BEFORE
              value:
                name: envoy.filters.http.ratelimit
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit
                  domain: shop
                  timeout: 5s
                  failure_mode_deny: {{(failureModeDeny ? "true" : "false")}}
                  rate_limit_service:
                    grpc_service: {envoy_grpc: {cluster_name: "outbound|{{edge.SparePort}}||limits.test"} }
                    transport_api_version: V3
          - applyTo: VIRTUAL_HOST
            match: {context: GATEWAY}
            patch:
              operation: MERGE
              value:
                rate_limits: [{actions: [{request_headers: {header_name: ":path", descriptor_key: PATH} }]}]
        """;

    /// <summary>Says OVER_LIMIT (2) when the descriptor has /over in it, else OK (1): field 1 of the answer.</summary>
    private async Task<WebApplication> StartServiceAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenLocalhost(edge.SparePort, endpoint => endpoint.Protocols = HttpProtocols.Http2));
        var service = builder.Build();
        service.MapPost("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit", async context =>
        {
            using var asked = new MemoryStream();
            await context.Request.Body.CopyToAsync(asked);
            var isOver = System.Text.Encoding.Latin1.GetString(asked.ToArray()).Contains("/over", StringComparison.Ordinal);
            context.Response.ContentType = "application/grpc";
            await context.Response.Body.WriteAsync(new byte[] { 0, 0, 0, 0, 2, 1 << 3, (byte)(isOver ? 2 : 1) });
            context.Response.AppendTrailer("grpc-status", "0");
        });
        await service.StartAsync();
        return service;
    }
}
