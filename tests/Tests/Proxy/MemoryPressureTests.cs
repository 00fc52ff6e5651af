using Mesh.Proxy;

namespace Mesh.Tests.Proxy;

public sealed class MemoryPressureTests
{
    private const string Request = "GET /1 HTTP/1.1\r\nHost: shop\r\n\r\n";

    [Theory]
    [InlineData(0.50, Pressure.None, Pressure.None)]
    [InlineData(0.92, Pressure.None, Pressure.High)]
    [InlineData(0.95, Pressure.None, Pressure.Critical)]
    [InlineData(0.93, Pressure.Critical, Pressure.Critical)]
    [InlineData(0.91, Pressure.Critical, Pressure.High)]
    [InlineData(0.88, Pressure.Critical, Pressure.None)]
    [InlineData(0.90, Pressure.High, Pressure.High)]
    internal void A_level_is_left_some_way_below_where_it_was_entered(double used, Pressure now, Pressure next) => Assert.Equal(next, MemoryPressure.LevelOf(used, now));

    [Fact]
    public void The_limit_is_read_from_the_containers_own_group()
    {
        var files = new Dictionary<string, string>
        {
            ["/proc/self/cgroup"] = "0::/kubepods/pod1\n",
            ["/sys/fs/cgroup/kubepods/pod1/memory.max"] = "1000\n",
            ["/sys/fs/cgroup/kubepods/pod1/memory.current"] = "900\n",
            ["/sys/fs/cgroup/kubepods/pod1/memory.stat"] = "anon 500\ninactive_file 100\nactive_file 1\n",
        };
        var memory = new ContainerMemory(files.GetValueOrDefault);

        Assert.Equal(1000, memory.LimitBytes);
        Assert.Equal(0.8, memory.Share(files.GetValueOrDefault));
    }

    [Fact]
    public void The_first_version_of_control_groups_counts_the_same()
    {
        var files = new Dictionary<string, string>
        {
            ["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "2000\n",
            ["/sys/fs/cgroup/memory/memory.usage_in_bytes"] = "1100\n",
            ["/sys/fs/cgroup/memory/memory.stat"] = "cache 300\ntotal_inactive_file 100\n",
        };

        Assert.Equal(0.5, new ContainerMemory(files.GetValueOrDefault).Share(files.GetValueOrDefault));
    }

    [Theory]
    [InlineData("max"), InlineData("9223372036854771712"), InlineData("")]
    public void Without_a_limit_there_is_no_pressure(string limit)
    {
        var files = new Dictionary<string, string> { ["/sys/fs/cgroup/memory.max"] = limit, ["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = limit, ["/sys/fs/cgroup/memory.current"] = "5" };
        var memory = new ContainerMemory(files.GetValueOrDefault);

        Assert.Null(memory.LimitBytes);
        Assert.Equal(0, memory.Share(files.GetValueOrDefault));
    }

    [Fact]
    public void Under_critical_pressure_a_request_is_answered_at_once_and_no_connection_is_kept()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve();
        rig.Run(async () =>
        {
            var wire = await rig.ConnectAsync();
            await wire.WriteAsync(Request);
            Assert.StartsWith("HTTP/1.1 200 OK\r\n", await wire.ReadResponseAsync());

            rig.Worker.Pressure = Pressure.Critical;
            await wire.WriteAsync(Request);
            var shed = await wire.ReadAllAsync();
            Assert.StartsWith("HTTP/1.1 503 Service Unavailable\r\n", shed);
            Assert.EndsWith("envoy overloaded", shed);

            var late = await rig.ConnectAsync();
            Assert.Equal("", await late.ReadAllAsync());

            rig.Worker.Pressure = Pressure.None;
            var again = await rig.ConnectAsync();
            await again.WriteAsync(Request);
            Assert.StartsWith("HTTP/1.1 200 OK\r\n", await again.ReadResponseAsync());
            again.Connection.Close();
        });

        Assert.Equal(1, rig.Worker.Counters.RequestsShed);
        Assert.Equal(1, rig.Worker.Counters.ConnectionsShed);
    }

    [Fact]
    public void Under_high_pressure_requests_are_served_and_connections_closed_behind_them()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve();
        rig.Worker.Pressure = Pressure.High;

        var answer = rig.Call(Request);

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", answer);
        Assert.Contains("connection: close\r\n", answer);
    }
}
