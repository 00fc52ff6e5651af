using Mesh.Net.Epoll;
using Mesh.Net.Tls;
using Mesh.Net.Tls.OpenSsl;
using Mesh.Sim.Net;
using Mesh.Tests.Net.Contract;

namespace Mesh.SystemTests.Net;

public sealed class EpollOpenSslConnectionTests : ConnectionContract
{
    protected override IConnectionRig CreateRig() => new TlsRig(new LoopRig(new EpollTransport()), new OpenSslProvider(new SimClock()));
}

public sealed class EpollOpenSslTests : TlsContract
{
    protected override TlsProvider Provider { get; } = new OpenSslProvider(new SimClock());

    protected override IConnectionRig CreateRig() => new LoopRig(new EpollTransport());
}
