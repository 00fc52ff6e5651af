using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Mesh.Net;
using Mesh.Net.Epoll;

namespace Mesh.SystemTests.Net;

/// <summary>Lowers the limit of the whole process, so it runs alone.</summary>
[Collection(nameof(Alone))]
public sealed partial class DescriptorLimitTests
{
    private const int NoFile = 7;

    [Fact]
    public void Out_of_descriptors_the_acceptor_backs_off_and_goes_on_when_there_are_some()
    {
        using var rig = new LoopRig(new EpollTransport());
        var acceptor = rig.Loop.Transport.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(acceptor.Local);
        Assert.Equal(0, GetLimit(NoFile, out var before));
        rig.Run(async () =>
        {
            // Every number below the new limit is taken, so the next descriptor would be beyond it.
            var lowest = Directory.GetFiles("/proc/self/fd").Select(f => int.Parse(Path.GetFileName(f), System.Globalization.CultureInfo.InvariantCulture)).Max();
            var fillers = new List<Socket>();
            while (fillers.Count == 0 || (int)fillers[^1].Handle < lowest) fillers.Add(new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            Assert.Equal(0, SetLimit(NoFile, before with { Soft = (ulong)fillers[^1].Handle + 1 }));

            var accepting = acceptor.AcceptAsync(Deadline.After(rig.Loop.Clock, TimeSpan.FromSeconds(5)));
            var batches = rig.Loop.Batches;
            await rig.Loop.Delay(TimeSpan.FromMilliseconds(200));
            Assert.False(accepting.IsCompleted);
            Assert.InRange(rig.Loop.Batches - batches, 0, 50);

            Assert.Equal(0, SetLimit(NoFile, before));
            var (connection, status) = await accepting;
            Assert.Equal(IoStatus.Ok, status);
            connection!.Abort();
            fillers.ForEach(f => f.Dispose());
        });
    }

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, out Limit limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimit(int resource, in Limit limit);

    private record struct Limit(ulong Soft, ulong Hard);
}
