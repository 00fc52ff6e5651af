using Mesh.Net.Epoll;
using Mesh.Net.Sockets;
using Mesh.Net.Tls;
using Mesh.Net.Tls.OpenSsl;
using Mesh.Sim.Net;
using Mesh.Tests.Net.Contract;

namespace Mesh.SystemTests.Net;

public sealed class SocketConnectionTests : ConnectionContract
{
    protected override IConnectionRig CreateRig() => new LoopRig(new SocketTransport());
}

public sealed class SocketTransportTests : TransportContract
{
    protected override IConnectionRig CreateRig() => new LoopRig(new SocketTransport());
}

public sealed class SocketOpenSslConnectionTests : ConnectionContract
{
    protected override IConnectionRig CreateRig() => new TlsRig(new LoopRig(new SocketTransport()), new OpenSslProvider(new SimClock()));
}

public sealed class SslStreamConnectionTests : ConnectionContract
{
    protected override IConnectionRig CreateRig() => new TlsRig(new LoopRig(new EpollTransport()), new SslStreamProvider(new SimClock()));
}

public sealed class SslStreamTests : TlsContract
{
    protected override TlsProvider Provider { get; } = new SslStreamProvider(new SimClock());

    protected override IConnectionRig CreateRig() => new LoopRig(new EpollTransport());
}
