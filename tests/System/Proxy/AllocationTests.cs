#if !DEBUG // A debug build makes every async method an object; what is promised is promised of the optimised one.
using System.Net;
using System.Text;
using Mesh.Http;
using Mesh.Http.H2;
using Mesh.Net;
using Mesh.Net.Epoll;
using Mesh.Net.Tls.OpenSsl;
using Mesh.Proxy.Config;
using Mesh.Proxy.Downstream;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Upstream;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.SystemTests.Proxy;

/// <summary>Steady traffic costs the garbage collector nothing: caller, proxy and server on one loop over real sockets, bytes counted on its thread.</summary>
public sealed class AllocationTests
{
    private const int WarmUp = 10_000, Measured = 10_000;

    /// <summary>Far below one small object per request: what timers, pools and the runtime itself may round up to.</summary>
    private const double BytesPerRequestMax = 1;

    private static readonly byte[] Request = Encoding.ASCII.GetBytes("GET /x?y=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: test\r\nAccept: */*\r\nX-One: 1\r\n\r\n");
    private static readonly byte[] Answer = Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 11\r\n\r\nhello world");

    [Theory]
    [InlineData(1)]
    [InlineData(50)]
    public void An_HTTP1_exchange_allocates_nothing_however_many_are_under_way(int callers)
    {
        using var rig = new Rig();
        rig.Serve(UpstreamProtocol.Http1);
        rig.Soon(() => rig.AnswerAllAsync());

        var allocated = rig.Measure(callers, async () =>
        {
            var (client, _) = await rig.Loop.Transport.ConnectAsync(rig.Proxy, Deadline.Never);
            return new Http1Caller(client!);
        });

        Assert.InRange(allocated, 0, BytesPerRequestMax);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(50)]
    public void An_HTTP2_exchange_to_HTTP1_allocates_nothing_however_many_are_under_way(int callers)
    {
        using var rig = new Rig();
        rig.Serve(UpstreamProtocol.Http1);
        rig.Soon(() => rig.AnswerAllAsync());

        var allocated = rig.Measure(callers, async () =>
        {
            var (client, _) = await rig.Loop.Transport.ConnectAsync(rig.Proxy, Deadline.Never);
            return new Http2Caller(client!);
        });

        Assert.InRange(allocated, 0, BytesPerRequestMax);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(50)]
    public void Messages_through_a_TCP_listener_allocate_nothing_once_their_connection_is_there(int callers)
    {
        using var rig = new Rig();
        rig.Serve(UpstreamProtocol.Http1, isTcp: true);
        rig.Soon(() => rig.AnswerAllAsync());

        var allocated = rig.Measure(callers, async () =>
        {
            var (client, _) = await rig.Loop.Transport.ConnectAsync(rig.Proxy, Deadline.Never);
            return new Http1Caller(client!);
        });

        Assert.InRange(allocated, 0, BytesPerRequestMax);
    }

    private interface ICaller
    {
        ValueTask CallAsync();
    }

    private sealed class Http1Caller(Connection io) : ICaller
    {
        [System.Runtime.CompilerServices.AsyncMethodBuilder(typeof(LoopMethodBuilder))]
        public async ValueTask CallAsync()
        {
            await io.WriteAsync(Request, Deadline.Never);
            while (io.Input.Span.IndexOf("hello world"u8) < 0)
                if (await io.FillAsync(Deadline.Never) != IoStatus.Ok) throw new InvalidOperationException("the proxy closed: " + Encoding.ASCII.GetString(io.Input.Span));
            io.Input.Consume(io.Input.Length);
        }
    }

    private sealed class Http2Caller : ICaller
    {
        private readonly Connection _io;
        private readonly H2Session _session;
        private readonly RequestHead _head = new();

        public Http2Caller(Connection io)
        {
            _io = io;
            _session = new(H2Role.Client, H2Settings.Default, HttpLimits.Default, io.Output, new H2StreamPool());
            _head.SetMethod(Method.Get);
            _head.SetPath("/x?y=1"u8);
            _head.SetAuthority("shop.example"u8);
            _head.Version = Mesh.Http.HttpVersion.Http2;
            _head.Headers.Append("x-one"u8, "1"u8);
        }

        [System.Runtime.CompilerServices.AsyncMethodBuilder(typeof(LoopMethodBuilder))]
        public async ValueTask CallAsync()
        {
            var stream = _session.OpenStream(_head, true, 0) ?? throw new InvalidOperationException("no stream");
            _io.TryFlush();
            while (!Read(stream))
                if (await _io.FillAsync(Deadline.Never) != IoStatus.Ok) throw new InvalidOperationException("the proxy closed");
            _io.TryFlush();
        }

        private bool Read(H2Stream wanted)
        {
            var input = _io.Input.Span;
            var length = input.Length;
            var isDone = false;
            while (_session.Read(ref input, 0) is { Kind: not H2EventKind.None } happened)
            {
                if (happened.Kind == H2EventKind.Data) _session.Consumed(happened.Stream!, happened.Data.Length);
                if (happened.Kind is H2EventKind.Reset or H2EventKind.ConnectionError) throw new InvalidOperationException($"{happened.Kind} {happened.Error}");
                if (!happened.EndStream || happened.Stream != wanted) continue;

                _session.Release(wanted);
                isDone = true;
            }
            _io.Input.Consume(length - input.Length);
            return isDone;
        }
    }

    private sealed class Rig : IDisposable
    {
        private readonly Worker _worker;
        private readonly Listeners _listeners;
        private readonly Acceptor _server;
        private readonly LogFiles _files = new();
        private readonly LineWriter _log;

        public Rig()
        {
            Loop = new(new EpollTransport(), TimeProvider.System, 7);
            _worker = new(0, Loop, new OpenSslProvider(TimeProvider.System), new() { Id = "sidecar~127.0.0.1~t.t~t.svc.cluster.local", Cluster = "t.t" }, _files, NullLogger.Instance);
            _log = _files.Open("/dev/null")!;
            _listeners = new(_worker, new(1000));
            _server = Loop.Transport.Listen(new IPEndPoint(IPAddress.Loopback, 0));
            var probe = Loop.Transport.Listen(new IPEndPoint(IPAddress.Loopback, 0));
            Proxy = (IPEndPoint)probe.Local;
            probe.Close();
        }

        public Loop Loop { get; }
        public IPEndPoint Proxy { get; }

        public void Serve(UpstreamProtocol protocol, bool isTcp = false)
        {
            var retry = new RetrySettings { On = RetryOn.ConnectFailure | RetryOn.RefusedStream | RetryOn.GrpcUnavailable, RetriesMax = 2 };
            var route = new Route { Name = "default", Match = new() { Path = "/" }, Action = new Forward { Clusters = [new() { Name = "server" }], Timeout = TimeSpan.FromSeconds(15), Retry = retry } };
            var table = new RouteTable { Name = "80", VirtualHosts = [new() { Name = "all", Domains = ["*"], AttemptCountInRequest = true, Routes = [route] }] };
            var http = new HttpConnectionSettings { RoutesName = "80", StreamIdleTimeout = null, AccessLogs = [new() { Sink = AccessLogSink.File, Path = "/dev/null" }] };
            var cluster = new Cluster
            {
                Name = "server",
                Protocol = protocol,
                LoadBalancing = new() { Policy = BalancingPolicy.LeastRequest },
                Endpoints = new() { Name = "server", Localities = [new() { Endpoints = [new() { Address = SocketTarget.At((IPEndPoint)_server.Local) }] }] },
            };
            var tcp = new FilterChain { Name = "tcp", Tcp = new() { Clusters = [new("server", 1)] } };
            var listener = new Listener { Name = "main", Address = SocketTarget.At(Proxy), Direction = TrafficDirection.Outbound, DefaultChain = isTcp ? tcp : new() { Name = "http", Http = http } };
            var snapshot = Snapshot.Empty with
            {
                Routes = Snapshot.Empty.Routes.Add("80", table),
                Clusters = Snapshot.Empty.Clusters.Add("server", cluster),
                Listeners = Snapshot.Empty.Listeners.Add("main", listener),
            };
            Loop.Soon(() =>
            {
                _worker.Use(snapshot);
                _listeners.Use(snapshot);
            });
            Loop.RunOnce(TimeSpan.Zero);
        }

        public void Soon(Func<Task> flow) => Loop.Soon(() => _ = flow());

        public async Task AnswerAllAsync()
        {
            while (await _server.AcceptAsync(Deadline.Never) is { Connection: { } connection }) _ = ServeAsync(connection);
        }

        /// <summary>So many callers, each asking again as soon as it was answered.</summary>
        /// <returns>Bytes allocated on the loop's thread per request.</returns>
        public double Measure(int callers, Func<Task<ICaller>> connect)
        {
            double allocated = -1;
            long before = 0, chunksBefore = 0;
            var calls = 0;
            Exception? fault = null;
            for (var i = 0; i < callers; i++)
            {
                Soon(async () =>
                {
                    try
                    {
                        var caller = await connect();
                        while (allocated < 0)
                        {
                            await caller.CallAsync();
                            if (++calls == WarmUp) (before, chunksBefore) = (GC.GetAllocatedBytesForCurrentThread(), _log.ChunksMade);
                            if (calls != WarmUp + Measured) continue;

                            // How far the log's writer lags behind is the machine's affair, not a request's.
                            var chunks = (_log.ChunksMade - chunksBefore) * (LineWriter.ChunkBytes + 64);
                            allocated = Math.Max(0, GC.GetAllocatedBytesForCurrentThread() - before - chunks) / (double)Measured;
                        }
                    }
                    catch (InvalidOperationException e)
                    {
                        fault = e;
                    }
                });
            }
            while (allocated < 0 && fault is null) Loop.RunOnce(TimeSpan.FromSeconds(5));
            if (fault is not null) throw fault;
            return allocated;
        }

        public void Dispose() => Loop.Dispose();

        private static async Task ServeAsync(Connection io)
        {
            while (await io.FillAsync(Deadline.Never) == IoStatus.Ok)
            {
                while (io.Input.Span.IndexOf("\r\n\r\n"u8) is >= 0 and var end)
                {
                    io.Input.Consume(end + 4);
                    await io.WriteAsync(Answer, Deadline.Never);
                }
            }
            io.Close();
        }
    }
}
#endif
