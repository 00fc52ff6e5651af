using Mesh.Net;
using Mesh.Net.Tls;
using Mesh.Sim.Net;

namespace Mesh.Tests.Net.Contract;

/// <summary>Pairs inside mutual TLS over another rig's pairs.</summary>
internal sealed class TlsRig : IConnectionRig
{
    private static readonly SimAuthority Root = SimAuthority.Root();
    private static readonly SimIdentity Workload = Root.Workload();

    private readonly IConnectionRig _inner;
    private readonly TlsContext _client;
    private readonly TlsContext _server;

    internal TlsRig(IConnectionRig inner, TlsProvider provider, TlsVersion version = TlsVersion.Tls13)
    {
        _inner = inner;
        var settings = new TlsSettings { Side = TlsSide.Client, Certificates = [Workload.Tls], TrustedRootsPem = Root.RootPem, VersionMax = version };
        _client = provider.CreateContext(settings);
        _server = provider.CreateContext(settings with { Side = TlsSide.Server, ClientCertificate = ClientCertificate.Required });
    }

    public Loop Loop => _inner.Loop;

    public bool IsPlain => false;

    public void Run(Func<ValueTask> flow) => _inner.Run(flow);

    public async ValueTask<(Connection Client, Connection Server)> PairAsync()
    {
        var (near, far) = await _inner.PairAsync();
        var soon = Deadline.After(Loop.Clock, TimeSpan.FromSeconds(5));
        var accepting = _server.HandshakeAsync(far, soon);
        var connected = await _client.HandshakeAsync(near, soon);
        var accepted = await accepting;
        Assert.Equal((null, null), (connected.Reason, accepted.Reason));
        return (connected.Connection!, accepted.Connection!);
    }

    public void Dispose()
    {
        _inner.Dispose();
        _client.Dispose();
        _server.Dispose();
    }
}
