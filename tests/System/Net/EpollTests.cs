using System.Net;
using Mesh.Net;
using Mesh.Net.Epoll;
using Mesh.Tests.Net.Contract;

namespace Mesh.SystemTests.Net;

public sealed class EpollConnectionTests : ConnectionContract
{
    protected override IConnectionRig CreateRig() => new LoopRig(new EpollTransport());
}

public sealed class EpollTransportTests : TransportContract
{
    protected override IConnectionRig CreateRig() => new LoopRig(new EpollTransport());
}
