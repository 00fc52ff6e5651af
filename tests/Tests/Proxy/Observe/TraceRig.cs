using System.Buffers.Binary;
using System.Net;
using System.Text;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Downstream;
using Mesh.Proxy.Security;
using Mesh.Proxy.Upstream;
using Mesh.Sim.Net;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Tests.Proxy.Observe;

/// <summary>A span as a collector reads it from the wire.</summary>
internal sealed record ReceivedSpan(string Service, string TraceId, string Id, string Parent, string Name, ulong Kind, ulong Start, ulong End, bool IsError, Dictionary<string, string> Tags);

/// <summary>
/// Services in a row, each an application behind a sidecar of its own, on a network in memory: each calls the next and copies the tracing headers, as applications must.
/// A collector takes what the sidecars report.
/// </summary>
internal sealed class TraceRig : IDisposable
{
    public static readonly IPEndPoint CollectorAddress = At(99, 4318);

    private static readonly string[] Copied = ["x-request-id", "traceparent", "tracestate", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "b3"];

    private readonly Func<TracingSettings, TracingSettings> _tracing;
    private readonly List<Exception> _faults = [];

    public TraceRig(TracingSettings tracing, params string[] services)
        : this(_ => tracing, services)
    {
    }

    public TraceRig(Func<TracingSettings, TracingSettings> tracing, params string[] services)
    {
        _tracing = tracing;
        Loop = Network.CreateLoop();
        for (var i = 0; i < services.Length; i++) Add(services[i], (byte)(i + 1), i + 1 < services.Length ? services[i + 1] : null);
    }

    public SimNetwork Network { get; } = new(7, SimConditions.Calm);
    public Loop Loop { get; }
    public List<Worker> Workers { get; } = [];
    public List<(string Head, byte[] Body)> Reports { get; } = [];
    /// <summary>What the collector answers; empty: nothing at all.</summary>
    public string Answer { get; set; } = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

    public void StartCollector() => Serve(CollectorAddress, async wire =>
    {
        while (await wire.ReadHeadAsync() is { Length: > 0 } head)
        {
            var body = Encoding.Latin1.GetBytes(await wire.ReadAsync(LengthOf(head)));
            Reports.Add((head, body));
            if (Answer.Length == 0) await Loop.Delay(TimeSpan.FromHours(1));
            await wire.WriteAsync(Answer);
        }
    });

    /// <summary>One call to the first service, and time enough for reports.</summary>
    public string Call(string request, TimeSpan? afterwards = null)
    {
        var answer = "";
        Network.Run(Loop, async () =>
        {
            await Loop.Delay(TimeSpan.FromSeconds(1));
            var (connection, status) = await Loop.Transport.ConnectAsync(At(1, 15006), Deadline.After(Loop.Clock, TimeSpan.FromSeconds(1)));
            Assert.Equal(IoStatus.Ok, status);
            var wire = new Wire(connection!);
            await wire.WriteAsync(request);
            answer = await wire.ReadResponseAsync();
            wire.Connection.Close();
            await Loop.Delay(afterwards ?? TimeSpan.FromSeconds(3));
        });
        return answer;
    }

    public List<ReceivedSpan> Spans() => [.. Reports.SelectMany(report => OtlpSpans(report.Body))];

    public void Dispose()
    {
        Network.Dispose();
        Assert.Empty(_faults);
    }

    private static IPEndPoint At(byte host, int port) => new(new IPAddress([127, 0, 0, host]), port);

    private void Add(string name, byte host, string? next)
    {
        var worker = new Worker(0, Loop, new ProxyRig.NoTls(), new()
        {
            Id = $"sidecar~10.0.0.{host}~{name}-1.demo~demo.svc.cluster.local", Cluster = $"{name}.demo", InstanceIp = $"10.0.0.{host}",
            Labels = new(name, "demo", name, "v1", name, "v1", "Kubernetes"), Environment = new Dictionary<string, string> { ["POD_NAME"] = $"{name}-1" },
        }, new(), NullLogger.Instance);
        Workers.Add(worker);
        var tracing = _tracing(new() { ServiceName = $"{name}.demo" });
        if (tracing.ServiceName.Length == 0) tracing = tracing with { ServiceName = $"{name}.demo" };
        Use(worker, name, host, tracing);
        Serve(At(host, 3000), wire => ServeApplicationAsync(wire, host, next));
    }

    private void Use(Worker worker, string name, byte host, TracingSettings tracing)
    {
        var listeners = new Listeners(worker, new(1000));
        var snapshot = Snapshot.Empty with
        {
            Number = 1,
            Clusters = Snapshot.Empty.Clusters
                .Add("inbound|3000||", Static("inbound|3000||", At(host, 3000), UpstreamProtocol.FromDownstream))
                .Add("outbound|80||next", Static("outbound|80||next", At((byte)(host + 1), 15006), UpstreamProtocol.FromDownstream))
                .Add("collector", Static("collector", CollectorAddress, UpstreamProtocol.Http1)),
            Listeners = Snapshot.Empty.Listeners
                .Add("in", Listening("in", At(host, 15006), TrafficDirection.Inbound, "inbound|3000||", $"{name}.demo.svc.cluster.local:80/*", tracing))
                .Add("out", Listening("out", At(host, 15001), TrafficDirection.Outbound, "outbound|80||next", $"next-of-{name}.demo.svc.cluster.local:80/*", tracing)),
        };
        Network.Run(Loop, () =>
        {
            worker.Use(snapshot);
            listeners.Use(snapshot);
            return default;
        });
    }

    private static Cluster Static(string name, IPEndPoint address, UpstreamProtocol protocol) => new()
    {
        Name = name, ConnectTimeout = TimeSpan.FromSeconds(1), Protocol = protocol,
        Endpoints = new() { Name = name, Localities = [new() { Endpoints = [new Endpoint { Address = SocketTarget.At(address) }] }] },
    };

    private static Listener Listening(string name, IPEndPoint address, TrafficDirection direction, string cluster, string operation, TracingSettings tracing) => new()
    {
        Name = name, Address = SocketTarget.At(address), Direction = direction,
        DefaultChain = new()
        {
            Name = name,
            Http = new()
            {
                Tracing = tracing, IdleTimeout = TimeSpan.FromHours(1), StreamIdleTimeout = null,
                Routes = new()
                {
                    Name = name,
                    VirtualHosts =
                    [
                        new()
                        {
                            Name = "all", Domains = ["*"],
                            Routes = [new() { Name = "default", DecoratorOperation = operation, Match = new() { Path = "/" }, Action = new Forward { Clusters = [new() { Name = cluster }], Timeout = null } }],
                        },
                    ],
                },
            },
        },
    };

    private async ValueTask ServeApplicationAsync(Wire wire, byte host, string? next)
    {
        while (await wire.ReadHeadAsync() is { Length: > 0 } head)
        {
            var status = "200 OK";
            await Loop.Delay(TimeSpan.FromMilliseconds(1));
            if (next is not null)
            {
                var copied = string.Concat(head.Split("\r\n").Skip(1).Where(line => Copied.Contains(line.Split(':')[0].ToLowerInvariant())).Select(line => line + "\r\n"));
                var (connection, _) = await Loop.Transport.ConnectAsync(At(host, 15001), Deadline.After(Loop.Clock, TimeSpan.FromSeconds(1)));
                var call = new Wire(connection!);
                await call.WriteAsync($"GET {head.Split(' ')[1]} HTTP/1.1\r\nhost: {next}\r\n{copied}\r\n");
                status = (await call.ReadResponseAsync()).Split("\r\n")[0]["HTTP/1.1 ".Length..];
                connection!.Close();
            }
            else if (head.Contains("/fail", StringComparison.Ordinal)) status = "503 Service Unavailable";
            await wire.WriteAsync($"HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
        }
    }

    private void Serve(IPEndPoint address, Func<Wire, ValueTask> script)
    {
        var acceptor = Loop.Transport.Listen(address);
        Network.Run(Loop, () =>
        {
            _ = AcceptAsync();
            return default;

            async Task AcceptAsync()
            {
                while (await acceptor.AcceptAsync(Deadline.Never) is { Connection: { } connection }) _ = ServeAsync(connection);
            }

            async Task ServeAsync(Connection connection)
            {
                try
                {
                    await script(new(connection));
                    connection.Close();
                }
                catch (Exception e)
                {
                    _faults.Add(e);
                    connection.Abort();
                }
            }
        });
    }

    private static int LengthOf(string head) =>
        int.Parse(head.Split("\r\n").First(line => line.StartsWith("content-length:", StringComparison.OrdinalIgnoreCase)).Split(':')[1].Trim(), System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>ExportTraceServiceRequest, by the numbers of the OTLP definition.</summary>
    private static List<ReceivedSpan> OtlpSpans(byte[] body)
    {
        var spans = new List<ReceivedSpan>();
        foreach (var resourceSpans in Each(body, 1))
        {
            var resource = Attributes(Each(resourceSpans, 1).Single(), 1);
            foreach (var scope in Each(resourceSpans, 2))
                foreach (var span in Each(scope, 2)) spans.Add(Span(resource["service.name"], span));
        }
        return spans;
    }

    private static ReceivedSpan Span(string service, byte[] bytes)
    {
        byte[] trace = [], id = [], parent = [];
        var (name, kind, start, end, isError) = ("", 0UL, 0UL, 0UL, false);
        var reader = new FieldReader(bytes);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: trace = reader.Content.ToArray(); break;
                case 2: id = reader.Content.ToArray(); break;
                case 4: parent = reader.Content.ToArray(); break;
                case 5: name = reader.Text; break;
                case 6: kind = reader.Value; break;
                case 7: start = reader.Value; break;
                case 8: end = reader.Value; break;
                case 15: isError = true; break;
            }
        }
        Assert.False(reader.IsBroken);
        return new(service, Convert.ToHexStringLower(trace), Convert.ToHexStringLower(id), Convert.ToHexStringLower(parent), name, kind, start, end, isError, Attributes(bytes, 9));
    }

    private static Dictionary<string, string> Attributes(byte[] bytes, int field) => Each(bytes, field).ToDictionary(
        pair => Encoding.UTF8.GetString(Each(pair, 1).Single()), pair => Each(Each(pair, 2).Single(), 1) is [var text] ? Encoding.UTF8.GetString(text) : "");

    public static List<byte[]> Each(byte[] bytes, int field)
    {
        var found = new List<byte[]>();
        var reader = new FieldReader(bytes);
        while (reader.Next())
            if (reader.Field == field) found.Add(reader.Content.ToArray());
        return found;
    }
}
