using System.Collections.Concurrent;
using System.Net;
using Mesh.SystemTests.Demo;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mesh.SystemTests.Observe;

/// <summary>The demo with all that watches it: a collector for its traces, a way in for TCP. One for all tests of the class.</summary>
public sealed class ObservedDemo : IAsyncLifetime
{
    private readonly int _firstPort = FreePorts.FourInARow();
    private readonly int _moreFrom = FreePorts.FourInARow();
    private readonly WebApplication _collector;

    public ObservedDemo()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, _moreFrom, listen => listen.Protocols = HttpProtocols.Http2));
        _collector = builder.Build();
        _collector.MapPost("/opentelemetry.proto.collector.trace.v1.TraceService/Export", async (HttpContext context) =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            Exports.Enqueue(body.ToArray());
            context.Response.ContentType = "application/grpc";
            context.Response.DeclareTrailer("grpc-status");
            await context.Response.Body.WriteAsync(new byte[5]);
            context.Response.AppendTrailer("grpc-status", "0");
        });
    }

    /// <summary>What proxies sent to the collector: gRPC messages with their five bytes in front.</summary>
    public ConcurrentQueue<byte[]> Exports { get; } = [];

    public string Folder { get; } = Directory.CreateTempSubdirectory("mesh-observe-test-").FullName;
    public string Ingress => $"http://127.0.0.1:{_firstPort}/";
    public string TcpIngress => $"http://127.0.0.1:{_moreFrom + 1}/";
    public int MonitoringPort => _firstPort + 2;
    public int PrometheusPort => _moreFrom + 2;
    internal RunningMesh Mesh { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        await _collector.StartAsync();
        await File.WriteAllTextAsync(Path.Combine(Folder, "80-observe.yaml"), Yaml());
        Mesh = RunningMesh.Start(["demo", "--folder", Folder, "--ports-from", $"{_firstPort}", "--rate", "20"], patience: TimeSpan.FromMinutes(5));
        await Mesh.LineAsync("The mesh is up");
    }

    public async ValueTask DisposeAsync()
    {
        await Mesh.DisposeAsync();
        await _collector.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    /// <summary>Asks again and again, a few times a second, until the answer is one.</summary>
    internal async Task<T> UntilAsync<T>(Func<Task<T?>> ask, TimeSpan limit, Func<string> whatIsMissing) where T : class
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Mesh.Patience);
        patience.CancelAfter(limit);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        try
        {
            while (true)
            {
                if (await ask() is { } answer) return answer;
                await tick.WaitForNextTickAsync(patience.Token);
            }
        }
        catch (OperationCanceledException)
        {
            Assert.Fail(whatIsMissing());
            throw;
        }
    }

    private string Yaml() => $$$"""
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: istio, namespace: istio-system}
        data:
          mesh: |
            enableTracing: true
            extensionProviders:
            - name: otel
              opentelemetry: {service: collector.observe, port: 4317}
        ---
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: collector, namespace: demo}
        spec:
          hosts: [collector.observe]
          location: MESH_EXTERNAL
          resolution: STATIC
          ports: [{number: 4317, name: grpc-otel, protocol: GRPC}]
          endpoints: [{address: 127.0.0.1, ports: {grpc-otel: {{{_moreFrom}}} } }]
        ---
        apiVersion: telemetry.istio.io/v1
        kind: Telemetry
        metadata: {name: tracing, namespace: istio-system}
        spec:
          tracing:
          - providers: [{name: otel}]
            randomSamplingPercentage: 100
            customTags: {team: {literal: {value: blue} } }
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: frontend-tcp, namespace: demo}
        spec:
          selector: {app: frontend}
          ports: [{name: tcp, port: 9000, targetPort: 8000}]
        ---
        apiVersion: networking.istio.io/v1
        kind: Gateway
        metadata: {name: tcp, namespace: demo}
        spec:
          selector: {istio: ingressgateway}
          servers:
          - {port: {number: {{{_moreFrom + 1}}}, name: tcp, protocol: TCP}, bind: 127.0.0.1, hosts: ["*"]}
        ---
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: tcp, namespace: demo}
        spec:
          hosts: ["*"]
          gateways: [tcp]
          tcp:
          - match: [{port: {{{_moreFrom + 1}}} }]
            route: [{destination: {host: frontend-tcp, port: {number: 9000} } }]
        """;
}
